"""One training step of a reasoner: ours (PyTorch), and the package's own network (JAX, compiled).

    python benchmarks/clrs_training.py --algorithm bellman_ford --nodes 16 --width 128

Same processor, width, batch, size, and trajectories; Adam and a clipped gradient in both. The two
take turns, step by step, so that a busy machine slows both alike; the fastest and the median step
are reported, in process time of one thread. JAX's compilation is left out, and shown.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

# Before XLA and torch start their pools: one thread each.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workflow_scripts.clrs import sampling, specs
from workflow_scripts.clrs.processors import PROCESSORS
from workflow_scripts.clrs.training import Settings, Training
from workflow_scripts.clrs.trajectories import Trajectories

LEARNING_RATE, CLIP, SEED = 1.0e-3, 1.0, 5


def package_step(arguments: argparse.Namespace) -> Callable[[], None]:
    clrs, _, _ = sampling.package()
    import jax
    from clrs._src import baselines, processors

    algorithm = arguments.algorithm
    drawn, spec = clrs.build_sampler(
        algorithm, num_samples=-1, seed=SEED, length=arguments.nodes, track_max_steps=False
    )
    batches = iter(lambda: drawn.next(arguments.batch), None)
    spec, batches = clrs.process_permutations(spec, batches, True)
    if algorithm in specs.STATIC_PREDECESSOR:
        spec, batches = clrs.process_pred_as_input(spec, batches)
    feedback = next(batches)
    factory = processors.get_processor_factory(
        arguments.processor, use_ln=True, nb_triplet_fts=8, nb_heads=1
    )
    model = baselines.BaselineModel(
        spec=[spec],
        dummy_trajectory=[feedback],
        hidden_dim=arguments.width,
        encode_hints=True,
        decode_hints=True,
        encoder_init="xavier_on_scalars",
        processor_factory=factory,
        use_lstm=False,
        dropout_prob=0.0,
        hint_teacher_forcing=0.0,
        hint_repred_mode="soft",
        learning_rate=LEARNING_RATE,
        grad_clip_max_norm=CLIP,
    )
    model.init(feedback.features, seed=1)
    key = jax.random.PRNGKey(0)

    def step() -> None:
        model.feedback(key, feedback)
        jax.block_until_ready(model.params)

    return step


def our_step(arguments: argparse.Namespace) -> Callable[[], None]:
    torch.set_num_threads(1)
    algorithm = arguments.algorithm
    spec, columns = sampling.draw(
        sampling.sampler(algorithm, arguments.nodes, SEED), algorithm, arguments.batch
    )
    sets = Trajectories(algorithm, spec, columns)
    settings = Settings(arguments.width, 10**9, arguments.batch, LEARNING_RATE, CLIP, 10**6, 10**9)
    return Training({algorithm: [sets]}, PROCESSORS[arguments.processor], settings, SEED).advance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--algorithm", default="bellman_ford", choices=specs.ALGORITHMS)
    parser.add_argument("--processor", default="triplet_gmpnn", choices=["triplet_gmpnn", "mpnn"])
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    steps = {"package": package_step(arguments), "ours": our_step(arguments)}
    for name, step in steps.items():
        start = time.process_time()
        step()
        print(f"{name}: first step, compilation included, {time.process_time() - start:.1f} s")
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(arguments.steps):
        for name, step in steps.items():
            start = time.process_time()
            step()
            seconds[name].append(time.process_time() - start)
    for name, found in seconds.items():
        middle = statistics.median(found)
        print(f"{name:10s}fastest {1000 * min(found):8.1f} ms   median {1000 * middle:8.1f} ms")
    ratio = min(seconds["package"]) / min(seconds["ours"])
    print(
        f"ours is {ratio:.2f} times as fast ({arguments.algorithm}, {arguments.processor}, width "
        f"{arguments.width}, batch {arguments.batch}, {arguments.nodes} nodes)"
    )


if __name__ == "__main__":
    main()
