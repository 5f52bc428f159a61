"""Both turns of all experiments, asked of one model: requests, responses, trials."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.change_of_mind import trials, turns, wording
from workflow_scripts.change_of_mind.questions import QUESTIONS
from workflow_scripts.inference import engines, rounds
from workflow_scripts.shared import files, job, provenance, schemas, tables


def ask(
    questions: pd.DataFrame, engine: engines.Engine, store: str | Path, plan: turns.Plan
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Requests and responses of both turns. A job that starts again asks only what is missing."""

    def follow(number: int, asked: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame | None:
        return turns.second_turn(questions, asked, answered, plan) if number == 0 else None

    return rounds.converse(turns.first_turn(questions, plan), follow, engine, store)


def write(
    folder_files: dict[str, str],
    questions: pd.DataFrame,
    requests: pd.DataFrame,
    responses: pd.DataFrame,
    plan: turns.Plan,
    provenance: dict[str, Any] | None,
) -> None:
    """Write the three tables of one answerer: requests, responses, trials."""
    made = trials.of(questions, requests, responses, plan)
    tables.write(requests, folder_files["requests"], schemas.REQUESTS, provenance)
    tables.write(responses, folder_files["responses"], schemas.RESPONSES, provenance)
    tables.write(made, folder_files["trials"], trials.TRIALS, provenance)


def main(
    questions: str | Path,
    outputs: dict[str, str],
    model: str,
    world: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    accuracies: list[int],
    counts: dict[str, int],
    temperature: float,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Ask the model everything; `world` names the wording of the questions."""
    frame = tables.read(questions, QUESTIONS)
    plan = turns.Plan(wording.of(world), tuple(accuracies), counts, temperature, seed)
    engine = engines.load(
        model, spec, checkpoint, batch_tokens=spec.get("batch_tokens", batch_tokens)
    )
    # A folder of its own: each round reads the whole store.
    store = files.work_folder("change_of_mind", **engine.identity)
    write(outputs, frame, *ask(frame, engine, store, plan), plan, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with job.running(snakemake):
        main(
            snakemake.input.questions,
            dict(snakemake.output.items()),
            snakemake.wildcards.model,
            snakemake.params.world,
            snakemake.params.spec,
            snakemake.params.checkpoint,
            snakemake.params.batch_tokens,
            snakemake.params.accuracies,
            snakemake.params.counts,
            snakemake.params.temperature,
            snakemake.params.seed,
            provenance.of(snakemake),
        )
