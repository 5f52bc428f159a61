"""Train the reasoners of one entry of `clrs.reasoners`, one per seed, on one or more algorithms.

Ibarz et al. (2022), appendix A.2: trajectories of five sizes in turn, random positions, and soft
predicted hints, without teacher forcing. The best weights on the validation sets are kept, or the
last ones where `validate_every` is 0.
"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from workflow_scripts.clrs import store, trajectories, weights
from workflow_scripts.clrs.processors import PROCESSORS
from workflow_scripts.clrs.training import Settings, train
from workflow_scripts.clrs.trajectories import Trajectories
from workflow_scripts.shared import files, job, progress, seeds, tables


def read(
    paths: list[str], algorithms: list[str], split: str = "train"
) -> dict[str, list[Trajectories]]:
    """The sets of a split of each algorithm, in ascending size."""
    return {
        algorithm: [
            trajectories.read(path, algorithm, split, nodes)
            for name, nodes in sorted(store.sets(path))
            if name == split
        ]
        for path, algorithm in zip(paths, algorithms, strict=True)
    }


def main(
    data: list[str],
    models: list[str],
    curve: str,
    algorithms: list[str],
    steps: int,
    training: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Train one reasoner per path in `models`, and write their learning curves to `curve`.

    `data` has one file per algorithm, `steps` counts batches of each; `training` has the settings
    under `clrs.train`. Finished reasoners are kept while later ones train.
    """
    validates = training.get("validate_every", 0) > 0
    fields = {key: value for key, value in training.items() if key in Settings.__annotations__}
    if not validates:
        fields.pop("validate_every", None)  # the curve has points at the default distance
    settings = Settings(steps=steps, **fields)
    processor = training["processor"]
    work = files.work_folder(
        "clrs_train",
        code=provenance["code"],
        data=[files.file_hash(path) for path in data],
        algorithms=algorithms,
        processor=processor,
        settings=asdict(settings),
        validates=validates,
        seed=seed,
    )
    sets = read(data, algorithms)
    valid = None
    if validates:
        valid = {name: own[-1] for name, own in read(data, algorithms, "valid").items()}
    curves = []
    for index, path in enumerate(progress.track(models, description="reasoners")):
        trained, points = train(
            sets,
            PROCESSORS[processor],
            settings,
            seeds.derive(seed, "reasoner", index),
            work / f"{index}.pt",
            training["checkpoint_every"],
            valid,
        )
        curves.append(points.assign(seed=index))
        weights.write(path, trained, processor, provenance)
    tables.write(pd.concat(curves, ignore_index=True), curve, provenance=provenance)
    for index in range(len(models)):
        (work / f"{index}.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
