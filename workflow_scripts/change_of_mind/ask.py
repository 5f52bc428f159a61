"""Ask one model both turns of all experiments: requests, responses, trials."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.change_of_mind import answers, turns
from workflow_scripts.change_of_mind.questions import QUESTIONS
from workflow_scripts.change_of_mind.trials import TRIALS, trials_of
from workflow_scripts.inference import engines, forms, rounds
from workflow_scripts.shared import files, job, schemas, tables


def ask(
    questions: pd.DataFrame, engine: engines.Engine, store: str | Path, plan: turns.Plan
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Requests and responses of both turns. A restarted job asks only what is missing.

    Raises `EngineError` if the engine does, with the way out where the server gives no
    log-probabilities.
    """

    def follow(number: int, asked: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame | None:
        return turns.second_turn(questions, asked, answered, plan) if number == 0 else None

    try:
        return rounds.converse(turns.first_turn(questions, plan), follow, engine, store)
    except engines.EngineError as error:
        if plan.choices != forms.FIRST_TOKEN or "log-prob" not in str(error):
            raise
        raise engines.EngineError(f"{error}, or {answers.way_out(engine.name)}") from error


def write(
    paths: tuple[str, str, str],
    questions: pd.DataFrame,
    requests: pd.DataFrame,
    responses: pd.DataFrame,
    plan: turns.Plan,
    provenance: dict[str, Any] | None,
) -> None:
    """Write the three tables of one model or answerer to `paths`: requests, responses, trials."""
    found = trials_of(questions, requests, responses, plan)
    tables.write(requests, paths[0], schemas.REQUESTS, provenance)
    tables.write(responses, paths[1], schemas.RESPONSES, provenance)
    tables.write(found, paths[2], TRIALS, provenance)


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
    # The study has its own store, because each round reads the whole store.
    store = files.work_folder("change_of_mind", **engine.identity)
    replies = ask(frame, engine, store, plan)
    write((requests, responses, trials), frame, *replies, plan, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
