"""Score the reasoners of one entry of `clrs.reasoners` on the test sets of its algorithms."""

from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.clrs import reasoner_scores, store, trajectories, weights
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.shared import devices, job, progress, tables
from workflow_scripts.shared.parts import Parts

SPLIT = "test"


def rows(reasoners: list[str], data: dict[str, str], batch: int, work: Parts) -> pd.DataFrame:
    """One row per reasoner, algorithm, size and output; `data` maps algorithms to exported files.

    `reasoners` are paths, one per seed. The output `score` is the mean over the outputs. `work` has
    the sets that an earlier job has scored.
    """
    device = devices.for_tensors()
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
            name = f"{seed}-{algorithm}-{nodes}"
            scored = work.get(
                name, partial(_scored, reasoner, data[algorithm], algorithm, nodes, batch)
            )
            found += [
                {"algorithm": algorithm, "nodes": nodes, "seed": seed} | row for row in scored
            ]
    return pd.DataFrame(found)


def _scored(
    reasoner: Reasoner, path: str, algorithm: str, nodes: int, batch: int
) -> list[dict[str, Any]]:
    held = trajectories.read(path, algorithm, SPLIT, nodes)
    return [
        {"output": name, "value": value, "samples": len(held)}
        for name, value in reasoner_scores.score(reasoner, held, batch).items()
    ]


def main(
    models: list[str],
    data: list[str],
    table: str,
    algorithms: list[str],
    batch: int,
    provenance: dict[str, Any],
) -> None:
    """Score the reasoners in `models` on the test sets in `data` and write the rows to `table`."""
    paths = dict(zip(algorithms, data, strict=True))
    settings = {"algorithms": algorithms, "batch": batch}
    work = Parts("clrs_evaluate", [*models, *data], code=provenance["code"], settings=settings)
    tables.write(rows(models, paths, batch, work), table, provenance=provenance)
    work.clear()


if __name__ == "__main__":
    job.run(snakemake, main)
