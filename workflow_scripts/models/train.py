"""Train one embedded model on the corpus and save it as any other transformers checkpoint."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workflow_scripts.models import architecture, batches, chat, tokenizer, training
from workflow_scripts.models.corpus import CORPUS
from workflow_scripts.shared import files, job, provenance, seeds, tables


def main(
    train_path: str | Path,
    held_out_path: str | Path,
    tokenizer_folder: str | Path,
    checkpoint: str | Path,
    curve_path: str | Path,
    name: str,
    seed: int,
    shape: dict[str, Any],
    settings: dict[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Write the checkpoint's folder and the learning curve (columns: see `training.fit`).

    `shape` has hidden_size, layers, heads, max_context and steps; `settings` the rest of
    `training.Settings` and curve_items, the test conversations of each skill that the curve is
    taken on. A killed run goes on from its last saved state.
    """
    tokens = tokenizer.load(tokenizer_folder)
    train = tables.read(train_path, CORPUS)
    held_out = tables.read(held_out_path, CORPUS)

    def encoded(frame: pd.DataFrame) -> batches.Encoded:
        turns = [json.loads(messages) for messages in frame["messages"]]
        return batches.flatten(chat.encode(tokens, turns), shape["max_context"])

    tests = {
        str(skill): encoded(rows.head(settings["curve_items"]))
        for skill, rows in held_out.groupby("skill")
    }
    work = files.work_folder(
        "models",
        shape=shape,
        settings=settings,
        seed=seed,
        name=name,
        code=provenance.get("code"),
        corpus=files.content_hash([*train["messages"], *held_out["messages"]]),
        tokenizer=files.content_hash(tokens.get_vocab()),
        torch=torch.__version__,
        threads=torch.get_num_threads(),
    )
    loop = {key: value for key, value in settings.items() if key != "curve_items"}
    model = architecture.build(tokens, shape, seeds.derive(seed, "weights", name))
    curve = training.fit(
        model,
        encoded(train),
        tests,
        training.Settings(steps=shape["steps"], **loop),
        work,
        seeds.derive(seed, "order", name),
    )
    tables.write(pd.DataFrame(curve), curve_path, provenance=provenance)
    model.eval().to("cpu")  # type: ignore[arg-type]
    with files.atomic_folder(checkpoint) as folder:
        model.save_pretrained(folder)
        tokens.model_max_length = shape["max_context"]
        tokens.save_pretrained(folder)
        files.write_json(folder / "provenance.json", provenance)
    (work / training.STATE).unlink(missing_ok=True)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.train,
            snakemake.input.held_out,
            Path(snakemake.input.tokenizer[0]).parent,
            Path(snakemake.output.checkpoint[0]).parent,
            snakemake.output.curve,
            snakemake.wildcards.model,
            snakemake.params.seed,
            snakemake.params.shape,
            snakemake.params.settings,
            provenance.of(snakemake),
        )
