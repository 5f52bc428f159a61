"""One training step of a reasoner: ours (PyTorch), and the package's own network (JAX, compiled).

    python benchmarks/clrs_training.py [--nodes 16] [--width 128] [--batch 32] [--rounds 10]

Both have the same processor, width, batch, size and trajectories, Adam and a clipped gradient; one
thread, process time. The first step of each, in which JAX compiles, is printed but not counted.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable
from typing import Any

# Before XLA and torch start their pools: one thread each.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import comparison
import torch

from workflow_scripts.clrs import sampling, specs
from workflow_scripts.clrs.processors import PROCESSORS
from workflow_scripts.clrs.training import Settings, Training
from workflow_scripts.clrs.trajectories import Trajectories

LEARNING_RATE, CLIP, SEED = 1.0e-3, 1.0, 5
CASES = (("bellman_ford", "triplet_gmpnn"), ("insertion_sort", "triplet_gmpnn"), ("bfs", "mpnn"))


def package_step(
    algorithm: str, processor: str, arguments: argparse.Namespace
) -> Callable[[], None]:
    import clrs
    import jax
    from clrs._src import baselines, processors

    drawn, spec = clrs.build_sampler(
        algorithm, num_samples=-1, seed=SEED, length=arguments.nodes, track_max_steps=False
    )
    batches = iter(lambda: drawn.next(arguments.batch), None)
    spec, batches = clrs.process_permutations(spec, batches, True)
    if algorithm in specs.STATIC_PREDECESSOR:
        spec, batches = clrs.process_pred_as_input(spec, batches)
    feedback = next(batches)
    factory = processors.get_processor_factory(processor, use_ln=True, nb_triplet_fts=8, nb_heads=1)
    model: Any = baselines.BaselineModel(
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


def our_step(algorithm: str, processor: str, arguments: argparse.Namespace) -> Callable[[], None]:
    spec, columns = sampling.draw(
        sampling.sampler(algorithm, arguments.nodes, SEED), algorithm, arguments.batch
    )
    sets = Trajectories(algorithm, spec, columns)
    settings = Settings(arguments.width, 10**9, arguments.batch, LEARNING_RATE, CLIP, 10**6, 10**9)
    return Training({algorithm: [sets]}, PROCESSORS[processor], settings, SEED).advance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = []
    for case in CASES:
        steps = {"ours": our_step(*case, arguments), "package": package_step(*case, arguments)}
        first_s = {}
        for name, step in steps.items():
            start = time.process_time()
            step()
            first_s[f"{name}_first_s"] = round(time.process_time() - start, 2)
        taken = comparison.in_turns(steps, arguments.rounds, warm_up=0)
        found += comparison.rows(", ".join(case), taken, **first_s)
    comparison.report("clrs_training", found)


if __name__ == "__main__":
    main()
