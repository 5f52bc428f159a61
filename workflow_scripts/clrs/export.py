"""Draw trajectories of one algorithm with dm-clrs and store them: the one script that imports it.

Sets for training and validation are drawn as in the package's example, each with a seed of its own.
Test sets are the package's: its seed and its sampler settings. Validation and test sets have the
package's factor on the number of samples. Paired sets hold CLRS-Text of the same draws, with inputs
truncated to `DECIMALS`. No prompt is in two paired sets: at small sizes almost every prompt would
otherwise occur in both training and testing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workflow_scripts.clrs import sampling, specs, store
from workflow_scripts.clrs.sampling import Columns
from workflow_scripts.shared import job, progress, seeds

DECIMALS = 3  # of CLRS-Text
TRIES = 3  # draws per requested sample, before a set of distinct prompts is left smaller

Sets = dict[tuple[str, int], Columns]


def seed_of(seed: int, algorithm: str, split: str, nodes: int) -> int:
    """A seed of 32 bits, for the package's `RandomState`."""
    return seeds.derive(seed, "clrs", algorithm, split, nodes) % 2**32


def trajectories(
    algorithm: str, split: str, nodes: int, samples: int, seed: int
) -> tuple[specs.Spec, Columns]:
    """Draw one set without text, shaped as by `sampling.draw`.

    It is the package's own test set if `split` is test. The splits `valid` and `test` have
    `samples` times the package's factor.
    """
    if split != "train":
        samples *= sampling.multiplier(algorithm)
    if split == "test":
        return sampling.draw(
            sampling.sampler(algorithm, nodes, sampling.TEST_SEED), algorithm, samples
        )
    options = sampling.training_options(algorithm)
    drawn = sampling.sampler(algorithm, nodes, seed_of(seed, algorithm, split, nodes), options)
    return sampling.draw(drawn, algorithm, samples)


def pairs(
    algorithm: str, wanted: Sequence[tuple[str, int, int]], seed: int
) -> tuple[specs.Spec, Sets]:
    """Draw sets with text, for (split, nodes, samples), in this order.

    A set is smaller than requested if `TRIES` draws per sample do not give enough new prompts.
    """
    found: Sets = {}
    seen: set[str] = set()
    spec: specs.Spec = ()
    for split, nodes, samples in wanted:
        own = seed_of(seed, algorithm, split, nodes)
        drawn = sampling.sampler(algorithm, nodes, own, decimals=DECIMALS)
        spec, columns = sampling.draw_pairs(drawn, algorithm, samples, seen, TRIES * samples)
        found[split, nodes] = columns
    return spec, found


def main(
    data: str,
    algorithm: str,
    plain: dict[str, dict[str, Any]],
    paired: dict[str, dict[str, Any]],
    paired_algorithms: list[str],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write all sets of one algorithm to `data`.

    `plain` and `paired` (sets with text, only for `paired_algorithms`) map splits to `sizes` and
    `samples`; their splits have different names.
    """
    sets: Sets = {}
    spec: specs.Spec = ()
    wanted = [
        (split, sampling.nodes_of(algorithm, nodes, split), part["samples"])
        for split, part in plain.items()
        for nodes in part["sizes"]
    ]
    for split, nodes, samples in progress.track(
        sorted(set(wanted), key=wanted.index), description=algorithm, unit="set"
    ):
        spec, sets[split, nodes] = trajectories(algorithm, split, nodes, samples, seed)
    if algorithm in paired_algorithms:
        texts = [
            (split, nodes, part["samples"])
            for split, part in paired.items()
            for nodes in part["sizes"]
        ]
        spec, found = pairs(algorithm, texts, seed)
        sets |= found
    if not spec or any(not np.size(columns["lengths"]) for columns in sets.values()):
        raise ValueError(f"{algorithm}: expected samples in every set, found an empty set")
    store.write(data, spec, sets, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
