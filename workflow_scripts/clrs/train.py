"""Train the reasoners of one entry of `clrs.reasoners`, one a seed, on one or several algorithms.

Ibarz et al. (2022), appendix A.2: trajectories of five sizes in turn, random positions, hints fed
back softly and never corrected.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.clrs import store, trajectories, weights
from workflow_scripts.clrs.processors import PROCESSORS
from workflow_scripts.clrs.training import Settings, train
from workflow_scripts.clrs.trajectories import Trajectories
from workflow_scripts.shared import files, job, progress, provenance, seeds, tables

SPLIT = "train"


@dataclass(frozen=True)
class Reasoner:
    """What is trained: the algorithms, and the name of the processor."""

    algorithms: list[str]
    processor: str


def read(paths: list[str], algorithms: list[str]) -> dict[str, list[Trajectories]]:
    """Training sets of each algorithm, in ascending size."""
    return {
        algorithm: [
            trajectories.read(path, algorithm, SPLIT, nodes)
            for split, nodes in sorted(store.sets(path))
            if split == SPLIT
        ]
        for path, algorithm in zip(paths, algorithms, strict=True)
    }


def main(
    data: list[str],
    models: list[str],
    curve: str,
    reasoner: Reasoner,
    settings: Settings,
    seed: int,
    checkpoint_every: int,
    provenance: dict[str, Any],
) -> None:
    """One reasoner for each path in `models`; finished ones are kept while later ones train."""
    work = files.work_folder(
        "clrs_train",
        code=provenance["code"],
        data=[files.file_hash(path) for path in data],
        reasoner=asdict(reasoner),
        settings=asdict(settings),
        seed=seed,
    )
    sets = read(data, reasoner.algorithms)
    curves = []
    for index, path in enumerate(progress.track(models, description="reasoners")):
        checkpoint = work / f"{index}.pt"
        trained, points = train(
            sets,
            PROCESSORS[reasoner.processor],
            settings,
            seeds.derive(seed, "reasoner", index),
            checkpoint,
            checkpoint_every,
        )
        curves.append(points.assign(seed=index))
        weights.write(path, trained, reasoner.processor, provenance)
    tables.write(pd.concat(curves, ignore_index=True), curve, provenance=provenance)
    for index in range(len(models)):
        Path(work / f"{index}.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            list(snakemake.input.data),
            list(snakemake.output.models),
            snakemake.output.curve,
            Reasoner(params.reasoner["algorithms"], params.processor),
            Settings(
                params.width,
                params.reasoner["steps"],
                params.batch,
                params.learning_rate,
                params.max_grad_norm,
                params.chunk_steps,
            ),
            params.seed,
            params.checkpoint_every,
            provenance=provenance.of(snakemake),
        )
