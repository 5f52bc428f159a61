"""E1: train one processor on one CLRS-30 algorithm, for several seeds in sequence.

The single-task protocol of Ibarz et al. (2022) with inverted pointers (Bevilacqua et al. 2023). The
weights with the best score on the validation set are kept; the test set plays no part in it.
"""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.clrs import store, training, trajectories, weights
from workflow_scripts.clrs.trajectories import Trajectories
from workflow_scripts.cocycles.processors import PROCESSORS
from workflow_scripts.shared import files, job, seeds, tables


def sizes(data: str | Path, split: str) -> list[int]:
    """The sizes of a split in an exported file, in nodes, in ascending order.

    Raises `ValueError` if it has none.
    """
    found = sorted(nodes for name, nodes in store.sets(data) if name == split)
    if not found:
        raise ValueError(f"{data}: expected sets of split {split!r}, found none")
    return found


def sets(data: str | Path, algorithm: str) -> tuple[list[Trajectories], Trajectories, Trajectories]:
    """Training sets, and the validation set and the test set of the largest size."""
    learned = [trajectories.read(data, algorithm, "train", n) for n in sizes(data, "train")]
    valid, test = (
        trajectories.read(data, algorithm, split, sizes(data, split)[-1])
        for split in ("valid", "test")
    )
    return learned, valid, test


def main(
    data: str,
    models: list[str],
    curve: str,
    algorithm: str,
    processor: str,
    settings: dict[str, Any],
    checkpoint_every: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Train one network per path in `models`; write them and their validation scores to `curve`.

    `data` is the exported file of the algorithm. Networks that an interrupted job has finished are
    not trained again.
    """
    work = files.work_folder(
        "cocycles_train",
        code=provenance["code"],
        data=files.file_hash(data),
        algorithm=algorithm,
        processor=processor,
        settings=settings,
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
                training.Settings(**settings),
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
    job.run(snakemake, main)
