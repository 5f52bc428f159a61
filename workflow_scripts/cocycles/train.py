"""E1: train one processor on one CLRS-30 algorithm, as many seeds as wanted, one after the other.

The single-task protocol of Ibarz et al. (2022) with inverted pointers (Bevilacqua et al. 2023).
The weights kept are those that were best on the sizes of training.
"""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.clrs import store, training, trajectories, weights
from workflow_scripts.clrs.training import Settings
from workflow_scripts.clrs.trajectories import Trajectories
from workflow_scripts.cocycles.processors import PROCESSORS
from workflow_scripts.shared import files, job, provenance, seeds, tables


def sizes(data: str | Path, split: str) -> list[int]:
    """The sizes of a split in an exported file, ascending. Raises `ValueError` if it has none."""
    found = sorted(nodes for name, nodes in store.sets(data) if name == split)
    if not found:
        raise ValueError(f"{data}: no set {split!r}")
    return found


def sets(data: str | Path, algorithm: str) -> tuple[list[Trajectories], Trajectories, Trajectories]:
    """Training sets, the test set of the smallest size (for validation), and of the largest."""
    learned = [trajectories.read(data, algorithm, "train", n) for n in sizes(data, "train")]
    tested = sizes(data, "test")
    valid = trajectories.read(data, algorithm, "test", tested[0])
    return learned, valid, trajectories.read(data, algorithm, "test", tested[-1])


def main(
    data: str,
    models: list[str],
    curve: str,
    algorithm: str,
    processor: str,
    settings: Settings,
    checkpoint_every: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """`models` are the files of the seeds' networks. Seeds that are done are not trained again."""
    work = files.work_folder(
        "cocycles_train",
        code=provenance["code"],
        data=files.file_hash(data),
        algorithm=algorithm,
        processor=processor,
        settings=asdict(settings),
        seed=seed,
    )
    learned, valid, _ = sets(data, algorithm)
    curves = []
    for index, path in enumerate(models):
        checkpoint, done = work / f"{index}.pt", work / f"{index}.safetensors"
        points = work / f"{index}.parquet"
        if not points.exists():
            network, found = training.train(
                {algorithm: learned},
                PROCESSORS[processor],
                settings,
                seeds.derive(seed, "cocycles", "train", index),
                checkpoint,
                checkpoint_every,
                {algorithm: valid},
            )
            weights.write(done, network, processor, provenance)
            tables.write(found.assign(seed=index), points, provenance=provenance)
            checkpoint.unlink(missing_ok=True)
        curves.append(tables.read(points))
        weights.write(path, weights.read(done, PROCESSORS), processor, provenance)
    tables.write(pd.concat(curves, ignore_index=True), curve, provenance=provenance)
    shutil.rmtree(work)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.input.data,
            list(snakemake.output.models),
            snakemake.output.curve,
            snakemake.wildcards.algorithm,
            snakemake.wildcards.processor,
            Settings(
                width=params.width,
                steps=params.steps,
                batch=params.batch,
                learning_rate=params.learning_rate,
                max_grad_norm=params.max_grad_norm,
                chunk_steps=params.chunk_steps,
                validate_every=params.validate_every,
                inverted_pointers=params.inverted_pointers,
            ),
            params.checkpoint_every,
            params.seed,
            provenance=provenance.of(snakemake),
        )
