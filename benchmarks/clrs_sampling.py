"""CLRS-30 trajectories per second, from drawing to batches: the package's sampler loop and ours.

    python benchmarks/clrs_sampling.py [--samples 1024] [--nodes 16] [--rounds 3]

The package's loop draws batches of 32 with random positions and the preprocessing of its example.
Our code draws into columns, writes the file, reads it again, and cuts the same number of batches.
Both draw the same samples (same seeds) in separate processes that alternate, first one at a time,
then as many as there are cores. The time to import the package is excluded from both.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import comparison

BATCH = 32
DEFAULT = ["bfs", "bellman_ford", "insertion_sort", "minimum", "floyd_warshall", "jarvis_march"]


def theirs(algorithm: str, nodes: int, samples: int, seed: int) -> None:
    import clrs
    import numpy as np

    from workflow_scripts.clrs import sampling, specs

    options = sampling.training_options(algorithm)
    if algorithm not in specs.STRING_MATCHERS:
        options.pop("length_needle")
    drawn, spec = clrs.build_sampler(
        algorithm, num_samples=-1, seed=seed, length=nodes, track_max_steps=False, **options
    )
    batches = iter(lambda: drawn.next(BATCH), None)
    batches = clrs.process_random_pos(batches, np.random.RandomState(seed))
    spec, batches = clrs.process_permutations(spec, batches, True)
    if algorithm in specs.STATIC_PREDECESSOR:
        spec, batches = clrs.process_pred_as_input(spec, batches)
    for _ in range(samples // BATCH):
        next(batches)


def ours(algorithm: str, nodes: int, samples: int, seed: int) -> None:
    import numpy as np

    from workflow_scripts.clrs import sampling, store, trajectories

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{algorithm}.npz"
        options = sampling.training_options(algorithm)
        spec, columns = sampling.draw(
            sampling.sampler(algorithm, nodes, seed, options), algorithm, samples
        )
        store.write(path, spec, {("train", nodes): columns})
        sets = trajectories.read(path, algorithm, "train", nodes)
        schedule = trajectories.Schedule(sets.lengths, BATCH, seed)
        random = np.random.default_rng(seed)
        for step in range(samples // BATCH):
            sets.batch(schedule.step(step), random)


def work(which: str, arguments: argparse.Namespace, seed: int) -> dict[str, float]:
    """Seconds of CPU time for each algorithm, in this process."""
    import torch

    torch.set_num_threads(1)
    found = {}
    for algorithm in arguments.algorithms:
        {"theirs": theirs, "ours": ours}[which](algorithm, 8, BATCH, 0)  # caches, imports
        start = time.process_time()
        {"theirs": theirs, "ours": ours}[which](algorithm, arguments.nodes, arguments.samples, seed)
        found[algorithm] = time.process_time() - start
    return found


def seconds(which: str, processes: int, arguments: argparse.Namespace) -> dict[str, float]:
    """CPU seconds of each algorithm's samples, shared among processes that run at the same time."""
    command = [sys.executable, "-W", "ignore", __file__, "--samples", str(arguments.samples)]
    command += ["--nodes", str(arguments.nodes), "--algorithms", *arguments.algorithms]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    running = [
        subprocess.Popen(
            [*command, "--work", which, "--seed", str(seed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        for seed in range(processes)
    ]
    taken = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    return {a: 1 / sum(1 / found[a] for found in taken) for a in arguments.algorithms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithms", nargs="+", default=DEFAULT)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--samples", type=int, default=1024, help="of each algorithm and process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", choices=["theirs", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        print(json.dumps(work(arguments.work, arguments, arguments.seed)))
        return
    found = []
    for processes in dict.fromkeys([1, os.cpu_count() or 1]):
        rounds = [
            {which: seconds(which, processes, arguments) for which in ("ours", "theirs")}
            for _ in range(arguments.rounds)
        ]
        for algorithm in arguments.algorithms:
            taken = {w: [each[w][algorithm] for each in rounds] for w in ("ours", "theirs")}
            notes = {f"{w}_a_second": round(arguments.samples / min(taken[w])) for w in taken}
            case = f"{algorithm}, {processes} process" + ("es" if processes > 1 else "")
            found += comparison.rows(case, taken, **notes)
    comparison.report("clrs_sampling", found)


if __name__ == "__main__":
    main()
