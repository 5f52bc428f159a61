"""S11: the programs of a model run on CPUs, each once and in a fresh interpreter."""

import ast
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd

from workflow_scripts.inference import sandbox
from workflow_scripts.inference.replies import program
from workflow_scripts.shared import job, progress, tables
from workflow_scripts.stochasticity import parsing, targets
from workflow_scripts.stochasticity.draw_table import DRAWS, WRITTEN

SEEDING = {"seed", "default_rng", "RandomState", "Random"}


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


def main(
    draw_table: str,
    written: str,
    limits: dict[str, Any],
    threads: int = 1,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Run each program once, `threads` at once; write draws with `seeded` and `network_cut`.

    The provenance states what kept the programs from reading files.
    """
    rows = tables.read(written, WRITTEN)
    bounds = sandbox.Limits(**limits)

    def one(reply: tuple[str, str, str]) -> dict[str, Any]:
        text, finish, target = reply
        return execute(text, finish, targets.of(target), bounds)

    replies = zip(rows["text"], rows["finish_reason"], rows["target"], strict=True)
    with ThreadPoolExecutor(threads) as pool:
        ran = pd.DataFrame(list(progress.track(pool.map(one, replies), len(rows), "programs")))
    frame = pd.concat([rows.drop(columns="text"), ran], axis=1).assign(
        part="draw", unit=range(len(ran)), position=0, given=""
    )
    more = {"programs_read": sandbox.reads()}
    tables.write(frame, draw_table, DRAWS, {**(provenance or {}), **more})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
