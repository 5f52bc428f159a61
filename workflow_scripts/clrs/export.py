"""Draw trajectories of one algorithm with dm-clrs and store them: the one script that imports it.

Sets for training and validation are drawn as the package's example draws them, test sets as the
package's own (its seed and sampler settings, and its factor on the number of samples). Paired
sets hold CLRS-Text of the same draws, with inputs cut to `DECIMALS` and no prompt twice in any
two of them: at small sizes almost every prompt would otherwise be in training and testing alike.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workflow_scripts.clrs import sampling, specs, store
from workflow_scripts.clrs.sampling import Columns
from workflow_scripts.shared import job, progress, provenance, seeds

DECIMALS = 3  # of CLRS-Text
TRIES = 3  # draws a wanted sample, before a set of distinct prompts is left smaller

Sets = dict[tuple[str, int], Columns]


def seed_of(seed: int, algorithm: str, split: str, nodes: int) -> int:
    """A seed for the package's `RandomState`, which takes 32 bits."""
    return seeds.derive(seed, "clrs", algorithm, split, nodes) % 2**32


def trajectories(
    algorithm: str, split: str, nodes: int, samples: int, seed: int
) -> tuple[specs.Spec, Columns]:
    """One set without text; the package's own test set where `split` is test."""
    if split == "test":
        drawn = sampling.sampler(algorithm, nodes, sampling.TEST_SEED)
        return sampling.draw(drawn, algorithm, samples * sampling.multiplier(algorithm))
    options = sampling.training_options(algorithm)
    drawn = sampling.sampler(algorithm, nodes, seed_of(seed, algorithm, split, nodes), options)
    return sampling.draw(drawn, algorithm, samples)


def pairs(
    algorithm: str, wanted: Sequence[tuple[str, int, int]], seed: int
) -> tuple[specs.Spec, Sets]:
    """Sets with text, for (split, nodes, samples); earlier ones have the first choice of prompts.

    A set is smaller than asked where `TRIES` draws a sample bring no more new prompts.
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
    path: str,
    algorithm: str,
    plain: dict[str, dict[str, Any]],
    paired: dict[str, dict[str, Any]],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """`plain` and `paired` map splits to `sizes` and `samples`; splits of both have own names."""
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
    texts = [
        (split, nodes, part["samples"]) for split, part in paired.items() for nodes in part["sizes"]
    ]
    if texts:
        spec, found = pairs(algorithm, texts, seed)
        sets |= found
    if not spec or any(not np.size(columns["lengths"]) for columns in sets.values()):
        raise ValueError(f"{algorithm}: nothing was drawn")
    store.write(path, spec, sets, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        algorithm = snakemake.wildcards.algorithm
        main(
            snakemake.output.data,
            algorithm,
            params.plain,
            params.paired if algorithm in params.paired_algorithms else {},
            params.seed,
            provenance=provenance.of(snakemake),
        )
