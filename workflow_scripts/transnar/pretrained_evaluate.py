"""Ask the fine-tuned decoders of one pretrained model and arm the prompts of all other decoders."""

from functools import partial
from typing import Any

import pandas as pd

from workflow_scripts.inference.checkpoint import content
from workflow_scripts.shared import devices, job, parts, tables
from workflow_scripts.transnar import arms, batches, pretrained, weights
from workflow_scripts.transnar.arm_names import named
from workflow_scripts.transnar.evaluate import SPLIT, of_network, rows_of
from workflow_scripts.transnar.train import reasoner_of


def main(
    decoders: list[str],
    data: list[str],
    reasoners: list[str],
    table: str,
    arm: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    algorithms: list[str],
    start: dict[str, Any],
    batch: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Ask the decoders in `decoders`, one per seed, and write all answers with scores to `table`.

    Other arguments as for `pretrained_train.main`; `batch` is the number of prompts that are
    answered at once. A job that was killed continues with the set of prompts in which it was.
    """
    how, name = pretrained.Start(**start), named(arm, model)
    work = parts.Parts(
        "transnar_pretrained_evaluate",
        [*decoders, *data, *reasoners],
        code=provenance["code"],
        settings={"arm": name, "algorithms": algorithms, "batch": batch, "start": start},
        model=content(checkpoint, spec),
        spec=spec,
        seed=seed,
    )
    device = devices.for_tensors()
    sets = batches.read_all(data, algorithms, SPLIT)
    width = reasoner_of(arms.of(name), reasoners, 0, seed).width
    made = pretrained.load(model, spec, checkpoint, how, name, width, seed).eval()
    found = []
    for index, path in enumerate(decoders):
        weights.into(path, made, name)
        reasoner = None
        if made.shape.reasoner_width:
            reasoner = reasoner_of(arms.of(name), reasoners, index, seed).to(device)
        kept = partial(of_network, work, index)
        own = pd.DataFrame(rows_of(made, reasoner, name, sets, batch, seed, kept))
        found.append(own.assign(arm=name, seed=index))
    tables.write(pd.concat(found, ignore_index=True), table, provenance=provenance)
    work.clear()


if __name__ == "__main__":
    job.run(snakemake, main)
