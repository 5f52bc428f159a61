"""S11: the model writes a program that draws."""

import logging
from typing import Any

import pandas as pd

from workflow_scripts.inference import engines, runner
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import job, tables
from workflow_scripts.stochasticity import asking
from workflow_scripts.stochasticity.asking import Manner, direct
from workflow_scripts.stochasticity.draw_table import CONDITIONS, WRITTEN

WHAT = {
    "digit": "one random digit from 0 to 9, all equally likely",
    "uniform": "one random number from the uniform distribution on [0, 1] with 3 decimals",
    "normal": "one random number from the normal distribution with mean 0 and variance 1, with 2 "
    "decimals",
}
VARIANTS = {"free": "", "seeded": " Set a fixed seed of your own in it."}


def prompt(target: str, variant: str) -> str:
    """The prompt for a program that prints one draw."""
    return (
        f"Write a Python program that prints {WHAT[target]}, and nothing else. Use only the "
        f"standard library.{VARIANTS[variant]} Reply with the program in a code block."
    )


def table(manner: Manner, programs: int, draws: int, seed: int) -> pd.DataFrame:
    """The requests: `programs` per target that are free, at most `draws` with a fixed seed."""
    counts = {"free": programs, "seeded": min(programs, draws)}
    fields: dict[str, Any] = {
        "tokens": manner.asked["program_tokens"],
        "form": "program",
        "seed": seed,
    }
    return inference.table(
        direct(manner, "S11", target, variant, prompt(target, variant), n=counts[variant], **fields)
        for target in WHAT
        for variant in VARIANTS
    )


def main(
    written: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    programs: int,
    draws: int,
    asked: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Ask one model for programs; write its replies. `programs.py` runs them.

    Per target, `programs` are asked for without a word on seeds, and as many, but at most `draws`,
    with a fixed seed.
    `asked` is what the model's kind says (`kinds.asked`).
    """
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    requests = table(asking.of(model, asked, spec, checkpoint), programs, draws, seed)
    responses = runner.generate(requests, engine, runner.store_of(engine))
    rows = responses[["request_id", "text", "finish_reason", "completion_tokens"]].merge(
        requests[["request_id", "max_tokens", *CONDITIONS]], on="request_id"
    )
    frame = rows.rename(columns={"completion_tokens": "tokens"}).assign(model=model)
    tables.write(frame.drop(columns="request_id"), written, WRITTEN, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
