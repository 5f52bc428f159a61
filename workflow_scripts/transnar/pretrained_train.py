"""Fine-tune a pretrained decoder on CLRS-Text, once per seed: text alone, or with a reasoner.

The pretrained arm of TransNAR, section 4, on a model of the run. The source model is only read:
outputs hold the weights that training changed. Seed i uses reasoner i, modulo their number.
"""

from dataclasses import asdict
from typing import Any

import pandas as pd

from workflow_scripts.inference.checkpoint import content
from workflow_scripts.shared import files, job, progress, seeds, tables
from workflow_scripts.transnar import arms, batches, pretrained, weights
from workflow_scripts.transnar.arm_names import named
from workflow_scripts.transnar.decoder import parameters
from workflow_scripts.transnar.train import SPLIT, reasoner_of
from workflow_scripts.transnar.training import Settings, Training, train


def main(
    data: list[str],
    reasoners: list[str],
    decoders: list[str],
    curve: str,
    arm: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    algorithms: list[str],
    start: dict[str, Any],
    training: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Train one decoder per path in `decoders`, and write their learning curves to `curve`.

    `arm` is one of `arm_names.PRETRAINED`. `model` is the entry of the config with settings `spec`,
    loaded from `checkpoint`; `start` are the fields of `pretrained.Start`, `training` those of
    `Settings` with `checkpoint_every`. `data` has one file per algorithm. Finished decoders are
    kept while later ones train.
    """
    sets = batches.read_all(data, algorithms, SPLIT)
    settings = Settings(**{key: training[key] for key in Settings.__annotations__})
    how, name = pretrained.Start(**start), named(arm, model)
    work = files.work_folder(
        "transnar_pretrained_train",
        code=provenance["code"],
        given=[files.file_hash(path) for path in (*data, *reasoners)],
        model=content(checkpoint, spec),
        spec=spec,
        arm=arm,
        start=start,
        settings=asdict(settings),
        seed=seed,
    )
    curves = []
    for index, path in enumerate(progress.track(decoders, description="decoders")):
        reasoner = reasoner_of(arms.of(name), reasoners, index, seed)
        own_seed = seeds.derive(seed, "transnar", index)
        made = pretrained.load(model, spec, checkpoint, how, name, reasoner.width, own_seed)
        for pairs in sets:
            made.words.answer(pairs.answers[0])  # raises where the tokenizer cannot spell it
        own = Training(
            sets,
            dict.fromkeys(algorithms, reasoner),
            arms.of(name),
            made.shape,
            settings,
            own_seed,
            made,
        )
        done, points = train(own, work / f"{index}.pt", training["checkpoint_every"])
        curves.append(points.assign(seed=index, parameters=parameters(done)))
        weights.write(path, done, name, provenance)
        del own, made, done  # before the next one is loaded
    tables.write(pd.concat(curves, ignore_index=True), curve, provenance=provenance)
    for index in range(len(decoders)):
        (work / f"{index}.pt").unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
