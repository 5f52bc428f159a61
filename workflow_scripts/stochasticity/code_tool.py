"""S11: the model writes a program that draws; the program runs in a fresh interpreter."""

import ast
import logging
from typing import Any

import pandas as pd

from workflow_scripts.inference import engines, runner, sandbox
from workflow_scripts.inference import requests as inference
from workflow_scripts.inference.replies import program
from workflow_scripts.shared import job, progress, tables
from workflow_scripts.stochasticity import asking, parsing, targets
from workflow_scripts.stochasticity.asking import Manner, direct
from workflow_scripts.stochasticity.draw_table import CONDITIONS, DRAWS

WHAT = {
    "digit": "one random digit from 0 to 9, all equally likely",
    "uniform": "one random number from the uniform distribution on [0, 1] with 3 decimals",
    "normal": "one random number from the normal distribution with mean 0 and variance 1, with 2 "
    "decimals",
}
VARIANTS = {"free": "", "seeded": " Set a fixed seed of your own in it."}
SEEDING = {"seed", "default_rng", "RandomState", "Random"}


def prompt(target: str, variant: str) -> str:
    """The prompt for a program that prints one draw."""
    return (
        f"Write a Python program that prints {WHAT[target]}, and nothing else. Use only the "
        f"standard library.{VARIANTS[variant]} Reply with the program in a code block."
    )


def sets_seed(source: str) -> bool:
    """Whether the program calls a seeding function with an argument."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (node.args or node.keywords):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in SEEDING:
                return True
    return False


def execute(
    reply: str, finish: str, target: targets.Target, limits: sandbox.Limits
) -> dict[str, Any]:
    """Run a reply's program: value or failure, whether it is seeded, whether the network was cut.

    Equal replies run separately, because the program is the source of randomness. A reply that was
    cut off (`finish`, its finish_reason) does not run.
    """
    source = None if finish in parsing.LOST else program(reply)
    if source is None:
        failure = parsing.LOST.get(finish, "no program")
        return {"value": None, "failure": failure, "seeded": None, "network_cut": None}
    outcome = sandbox.run(source, limits)
    if outcome.status == "ok":
        parsed = parsing.value(outcome.output, target)
    else:
        parsed = parsing.Parsed(None, f"program: {outcome.status}")
    return {
        "value": parsed.value,
        "failure": parsed.failure,
        "seeded": sets_seed(source),
        "network_cut": outcome.network_cut,
    }


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
    draw_table: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    programs: int,
    draws: int,
    asked: dict[str, Any],
    limits: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Ask one model for programs and run each once; write draws with `seeded` and `network_cut`.

    Per target, `programs` are asked for without a word on seeds, and as many, but at most `draws`,
    with a fixed seed.
    `asked` is what the model's kind says (`kinds.asked`).
    """
    engine = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    requests = table(asking.of(asked, spec, checkpoint), programs, draws, seed)
    responses = runner.generate(requests, engine, runner.store_of(engine))
    rows = responses[["request_id"]].merge(
        requests[["request_id", "max_tokens", *CONDITIONS]], on="request_id"
    )
    bounds = sandbox.Limits(**limits)
    known = {name: targets.of(name) for name in WHAT}
    replies = zip(responses["text"], responses["finish_reason"], rows["target"], strict=True)
    ran = pd.DataFrame(
        [
            execute(text, finish, known[target], bounds)
            for text, finish, target in progress.track(replies, len(rows), "programs")
        ]
    )
    frame = pd.concat([rows.drop(columns="request_id"), ran], axis=1).assign(
        model=model,
        part="draw",
        unit=range(len(ran)),
        position=0,
        given="",
        tokens=responses["completion_tokens"],
        finish_reason=responses["finish_reason"],
    )
    tables.write(frame, draw_table, DRAWS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
