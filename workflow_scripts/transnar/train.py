"""Train the decoders of one arm, one a seed: text alone, or with a frozen reasoner beside it.

TransNAR, section 4. The reasoner of a seed is that of its number, in turn where there are fewer.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.clrs import weights as reasoners
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.shared import (
    adaptive_temperature,
    files,
    job,
    progress,
    provenance,
    seeds,
    tables,
)
from workflow_scripts.transnar import attention, batches, decoder, weights
from workflow_scripts.transnar.arms import ARMS, Arm
from workflow_scripts.transnar.decoder import Shape
from workflow_scripts.transnar.training import Settings, train

SPLIT = "text_train"


def shape_of(arm: Arm, common: dict[str, Any], reasoner_width: int) -> Shape:
    """The arm's shape; its MLPs are as wide as it takes for all arms to be of one size.

    So those of a model of text alone are wider than configured, by what the coupling has.
    """
    hybrid = Shape(**common, reasoner_width=reasoner_width)
    own = replace(
        hybrid,
        streams=arm.streams,
        merge=arm.merge,
        plain_positions=arm.plain_positions,
        reasoner_width=0 if arm.reasoner == "none" else reasoner_width,
    )
    return replace(own, mlp=decoder.matched_mlp(own, hybrid))


def reasoner_of(arm: Arm, paths: list[str], index: int, seed: int) -> Reasoner:
    """The frozen reasoner of a seed; for the arm `untrained` an untaught one like it."""
    path = paths[index % len(paths)]
    if arm.reasoner == "untrained":
        found = reasoners.untrained(path, seeds.derive(seed, "transnar", "untrained", index))
    else:
        found = reasoners.read(path)
    return found.requires_grad_(False)


def main(
    models: list[str],
    curve: str,
    data: list[str],
    algorithms: list[str],
    trained_reasoners: list[str],
    polynomial_csv: str,
    arm_name: str,
    common: dict[str, Any],
    settings: Settings,
    checkpoint_every: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """One decoder for each path in `models`; finished ones are kept while later ones train."""
    attention.use(adaptive_temperature.published(polynomial_csv))
    arm = ARMS[arm_name]
    sets = [
        pairs
        for path, algorithm in zip(data, algorithms, strict=True)
        for pairs in batches.read(path, algorithm, SPLIT)
    ]
    work = files.work_folder(
        "transnar_train",
        code=provenance["code"],
        given=[files.file_hash(path) for path in (*data, *trained_reasoners)],
        arm=arm_name,
        shape=common,
        settings=asdict(settings),
        seed=seed,
    )
    curves = []
    for index, path in enumerate(progress.track(models, description="decoders")):
        reasoner = reasoner_of(arm, trained_reasoners, index, seed)
        model, points = train(
            sets,
            dict.fromkeys(algorithms, reasoner),
            arm,
            shape_of(arm, common, reasoner.width),
            settings,
            seeds.derive(seed, "transnar", index),
            work / f"{index}.pt",
            checkpoint_every,
        )
        curves.append(points.assign(seed=index, parameters=decoder.parameters(model)))
        weights.write(path, model, arm_name, provenance)
    tables.write(pd.concat(curves, ignore_index=True), curve, provenance=provenance)
    for index in range(len(models)):
        Path(work / f"{index}.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        fields = {k: v for k, v in params.train.items() if k in Settings.__annotations__}
        main(
            list(snakemake.output.models),
            snakemake.output.curve,
            list(snakemake.input.data),
            params.algorithms,
            list(snakemake.input.reasoners),
            snakemake.input.polynomial,
            snakemake.wildcards.arm,
            params.decoder,
            Settings(**fields),
            params.train["checkpoint_every"],
            params.seed,
            provenance=provenance.of(snakemake),
        )
