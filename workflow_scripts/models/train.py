"""Train one embedded model on the corpus and save it as a plain transformers checkpoint."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workflow_scripts.models import architecture, batches, chat, training
from workflow_scripts.models.corpus import CORPUS
from workflow_scripts.models.tokenizer import load
from workflow_scripts.shared import files, job, seeds, tables


def main(
    train: str | Path,
    held_out: str | Path,
    tokenizer: Sequence[str | Path],
    checkpoint: Sequence[str | Path],
    curve: str | Path,
    model: str,
    seed: int,
    shape: dict[str, Any],
    settings: dict[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Write the checkpoint's folder and the learning curve (columns: see `training.fit`).

    `tokenizer` and `checkpoint` list the files of their folders. `shape` has hidden_size, layers,
    heads, max_context and steps; `settings` has the rest of `training.Settings` and curve_items,
    the test conversations per skill behind the curve. A killed run resumes from its last state.
    """
    tokens = load(Path(tokenizer[0]).parent)
    taught, tested = tables.read(train, CORPUS), tables.read(held_out, CORPUS)

    def encoded(frame: pd.DataFrame) -> batches.Encoded:
        turns = [json.loads(messages) for messages in frame["messages"]]
        return batches.flatten(chat.encode(tokens, turns), shape["max_context"])

    tests = {
        str(skill): encoded(rows.head(settings["curve_items"]))
        for skill, rows in tested.groupby("skill")
    }
    work = files.work_folder(
        "models",
        shape=shape,
        settings=settings,
        seed=seed,
        name=model,
        code=provenance.get("code"),
        corpus=files.content_hash([*taught["messages"], *tested["messages"]]),
        tokenizer=files.content_hash(tokens.get_vocab()),
        torch=torch.__version__,
        threads=torch.get_num_threads(),
    )
    loop = {key: value for key, value in settings.items() if key != "curve_items"}
    network = architecture.build(tokens, shape, seeds.derive(seed, "weights", model))
    rows = training.fit(
        network,
        encoded(taught),
        tests,
        training.Settings(steps=shape["steps"], **loop),
        work,
        seeds.derive(seed, "order", model),
    )
    tables.write(pd.DataFrame(rows), curve, provenance=provenance)
    network.eval().to("cpu")
    with files.atomic_folder(Path(checkpoint[0]).parent) as folder:
        network.save_pretrained(folder)
        tokens.model_max_length = shape["max_context"]
        tokens.save_pretrained(folder)
        files.write_json(folder / "provenance.json", provenance)
    (work / training.STATE).unlink(missing_ok=True)


if __name__ == "__main__":
    job.run(snakemake, main)
