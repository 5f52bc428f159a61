"""Score the reasoners of one entry of `clrs.reasoners` on the test sets of its algorithms."""

from typing import Any

import pandas as pd
import torch

from workflow_scripts.clrs import reasoner_scores, store, trajectories, weights
from workflow_scripts.shared import job, progress, tables

SPLIT = "test"


def rows(reasoners: list[str], data: dict[str, str], batch: int) -> pd.DataFrame:
    """One row per reasoner, algorithm, size and output; `data` maps algorithms to exported files.

    `reasoners` are paths, one per seed. The output `score` is the mean over the outputs.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    sets = [
        (algorithm, nodes)
        for algorithm, path in data.items()
        for split, nodes in store.sets(path)
        if split == SPLIT
    ]
    found = []
    for seed, path in enumerate(reasoners):
        reasoner = weights.read(path).to(device)
        for algorithm, nodes in progress.track(sets, description="test sets", unit="set"):
            held = trajectories.read(data[algorithm], algorithm, SPLIT, nodes)
            for name, value in reasoner_scores.score(reasoner, held, batch).items():
                found.append(
                    {"algorithm": algorithm, "nodes": nodes, "seed": seed, "output": name}
                    | {"value": value, "samples": len(held)}
                )
    return pd.DataFrame(found)


def main(
    models: list[str],
    data: list[str],
    table: str,
    algorithms: list[str],
    batch: int,
    provenance: dict[str, Any],
) -> None:
    """Score the reasoners in `models` on the test sets in `data` and write the rows to `table`."""
    files = dict(zip(algorithms, data, strict=True))
    tables.write(rows(models, files, batch), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
