"""Ask one model both turns of all experiments: requests, responses, trials."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.change_of_mind import answers, turns
from workflow_scripts.change_of_mind.questions import QUESTIONS
from workflow_scripts.change_of_mind.trials import TRIALS, trials_of
from workflow_scripts.inference import engines, forms, runner
from workflow_scripts.shared import files, job, schemas, tables

Part = tuple[pd.DataFrame, pd.DataFrame]  # requests and their responses


def ask(
    questions: pd.DataFrame, engine: engines.Engine, store: str | Path, plan: turns.Plan
) -> Iterator[Part]:
    """Requests and responses: turn 1, then blocks of turn 2, with a column `round` (0 or 1).

    A restarted job asks only what is missing. Raises `EngineError` if the engine does, with the way
    out where the server gives no log-probabilities.
    """
    first = turns.first_turn(questions, plan)
    try:
        answered = runner.generate(first, engine, store)
        yield first.assign(round=0), answered.assign(round=0)
        for block in turns.second_turn(questions, first, answered, plan):
            block = block[first.columns]
            yield block.assign(round=1), runner.generate(block, engine, store).assign(round=1)
    except engines.EngineError as error:
        if plan.choices != forms.FIRST_TOKEN or "log-prob" not in str(error):
            raise
        raise engines.EngineError(f"{error}, or {answers.way_out(engine.name)}") from error


def write(
    paths: tuple[str, str, str],
    questions: pd.DataFrame,
    parts: Iterable[Part],
    plan: turns.Plan,
    provenance: dict[str, Any] | None,
) -> None:
    """Write the three tables of one model or answerer to `paths`: requests, responses, trials.

    Each of the `parts` is written before the next is made. The first has all first turns.
    """
    opened: dict[str, answers.Answer] = {}
    with ExitStack() as stack:
        add = [stack.enter_context(tables.in_parts(path, provenance)) for path in paths]
        for requests, responses in parts:
            opened = opened or turns.answered(questions, requests, responses, plan)
            found = trials_of(questions, requests, responses, plan, opened)
            add[0](tables.check(requests, paths[0], schemas.REQUESTS))
            add[1](tables.check(responses, paths[1], schemas.RESPONSES))
            add[2](tables.check(found, paths[2], TRIALS))


def main(
    questions: str,
    requests: str,
    responses: str,
    trials: str,
    model: str,
    asked: dict[str, Any],
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    accuracies: list[int],
    counts: dict[str, int],
    temperature: float,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Ask the model all questions and write its tables.

    `asked`, which comes from `kinds.asked`, sets the wording and how options are taken.
    """
    frame = tables.read(questions, QUESTIONS)
    engine = engines.load(
        model, spec, checkpoint, batch_tokens=spec.get("batch_tokens", batch_tokens)
    )
    plan = turns.plan_of(asked, tuple(accuracies), counts, temperature, seed, engine.draws_as)
    # The study has its own store, because each block reads the whole store.
    store = files.work_folder("change_of_mind", **engine.identity)
    parts = ask(frame, engine, store, plan)
    write((requests, responses, trials), frame, parts, plan, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
