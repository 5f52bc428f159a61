"""Train the decoders of one arm, one per seed: text alone, or coupled to a frozen reasoner.

TransNAR, section 4. Seed i uses reasoner i, modulo their number.
"""

from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from workflow_scripts.clrs import weights as reasoner_weights
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.shared import adaptive_temperature, files, job, progress, seeds, tables
from workflow_scripts.transnar import attention, batches, weights
from workflow_scripts.transnar.arms import ARMS, Arm
from workflow_scripts.transnar.decoder import Shape, matched_mlp, parameters
from workflow_scripts.transnar.training import Settings, Training, train

SPLIT = "text_train"


def shape_of(arm: Arm, common: dict[str, Any], reasoner_width: int) -> Shape:
    """The arm's shape, with MLPs as wide as needed for all arms to have equally many parameters.

    The MLPs of a text-only model are therefore wider than configured, to make up for the coupling.
    """
    hybrid = Shape(**common, reasoner_width=reasoner_width)
    own = replace(
        hybrid,
        streams=arm.streams,
        merge=arm.merge,
        plain_positions=arm.plain_positions,
        reasoner_width=0 if arm.reasoner == "none" else reasoner_width,
    )
    return replace(own, mlp=matched_mlp(own, hybrid))


def reasoner_of(arm: Arm, paths: list[str], index: int, seed: int) -> Reasoner:
    """The frozen reasoner of a seed; for the arm `untrained` one with fresh initial weights."""
    path = paths[index % len(paths)]
    if arm.reasoner == "untrained":
        found = reasoner_weights.untrained(path, seeds.derive(seed, "transnar", "untrained", index))
    else:
        found = reasoner_weights.read(path)
    return found.requires_grad_(False)


def main(
    data: list[str],
    reasoners: list[str],
    polynomial: str,
    models: list[str],
    curve: str,
    arm: str,
    algorithms: list[str],
    decoder: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Train one decoder per path in `models`, and write their learning curves to `curve`.

    `decoder` and `training` are the sections `transnar.decoder` and `transnar.train` of the config;
    `data` has one file per algorithm. Finished decoders are kept while later ones train.
    """
    attention.use(adaptive_temperature.published(polynomial))
    sets = batches.read_all(data, algorithms, SPLIT)
    settings = Settings(**{key: training[key] for key in Settings.__annotations__})
    work = files.work_folder(
        "transnar_train",
        code=provenance["code"],
        given=[files.file_hash(path) for path in (*data, *reasoners)],
        arm=arm,
        shape=decoder,
        settings=asdict(settings),
        seed=seed,
    )
    curves = []
    for index, path in enumerate(progress.track(models, description="decoders")):
        reasoner = reasoner_of(ARMS[arm], reasoners, index, seed)
        own = Training(
            sets,
            dict.fromkeys(algorithms, reasoner),
            ARMS[arm],
            shape_of(ARMS[arm], decoder, reasoner.width),
            settings,
            seeds.derive(seed, "transnar", index),
        )
        model, points = train(own, work / f"{index}.pt", training["checkpoint_every"])
        curves.append(points.assign(seed=index, parameters=parameters(model)))
        weights.write(path, model, arm, provenance)
    tables.write(pd.concat(curves, ignore_index=True), curve, provenance=provenance)
    for index in range(len(models)):
        (work / f"{index}.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
