"""Recovery before discovery: artificial answerers with known parameters, through the same tables.

An answerer perceives a question (a noisy reading of each option), answers by Bayes' rule, and in
turn 2 shifts towards the option on display, weighs advice, and may add noise. Its reports are
more extreme than its beliefs by a known temperature. The `ideal` one has no shift and unit
weights, so every bias measured in it is the estimator's.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import ask, turns, wording
from workflow_scripts.change_of_mind.questions import QUESTIONS
from workflow_scripts.shared import job, provenance, schemas, seeds, tables

CERTAIN = 1 - 1.0e-9  # in the place of a stated accuracy of 100 %, whose log-odds are infinite


def beliefs(questions: pd.DataFrame, evidence: float, seed: int) -> dict[str, np.ndarray]:
    """Log posterior over the options of each question, before any advice.

    Each option gives a reading from N(evidence, 1) if it is right and N(0, 1) if not, so Bayes'
    rule under a flat prior gives weights exp(evidence x reading): calibrated by construction.
    """
    found = {}
    for name, options, right in zip(
        questions["question"], questions["options"], questions["right"], strict=True
    ):
        rng = seeds.generator(seed, "answerer", name)
        reading = rng.normal(size=options)
        reading[right] += evidence
        found[name] = _normal(evidence * reading)
    return found


def second(log_belief: np.ndarray, cell: Any, settings: dict[str, float]) -> np.ndarray:
    """Log posterior after the second turn's display and advice, before noise."""
    after = log_belief.copy()
    displayed = cell["first"] if cell["setting"] == "dialogue" else cell["shown"]
    if displayed >= 0 and cell["speaker"] == "you":
        after[displayed] += settings["shift"]
    if cell["advised"] >= 0:
        accuracy = min(cell["accuracy"] / 100, CERTAIN)
        likelihood = np.full(len(after), np.log((1 - accuracy) / (len(after) - 1)))
        likelihood[cell["advised"]] = np.log(accuracy)
        after = after + settings[f"{cell['advice']}_weight"] * likelihood
    return _normal(after)


def respond(
    requests: pd.DataFrame,
    believed: dict[str, np.ndarray],
    settings: dict[str, float],
    name: str,
    seed: int,
) -> pd.DataFrame:
    """Responses (`schemas.RESPONSES`) to requests of either turn."""
    replies = []
    for row in requests[["request_id", *turns.CONDITIONS]].to_dict("records"):
        belief = believed[row["question"]]
        if row["experiment"] != "first":
            belief = second(belief, row, settings)
            if settings["noise"]:
                rng = seeds.generator(seed, "answerer", row["request_id"])
                belief = belief + settings["noise"] * rng.normal(size=len(belief)) / np.sqrt(2)
        spoken = _normal(settings["temperature"] * belief)
        replies.append((row["request_id"], json.dumps(spoken.tolist())))
    frame = pd.DataFrame(replies, columns=["request_id", "choice_logprobs"])
    constants = {"sample": 0, "text": "", "finish_reason": "length", "prompt_tokens": 0}
    constants |= {"completion_tokens": 0, "logprobs": "[]", "model": name, "dtype": "float64"}
    constants |= {"engine": "artificial answerer", "engine_version": "1"}
    return schemas.RESPONSES.validate(
        frame.assign(**constants)[list(schemas.RESPONSES.columns)]  # type: ignore[arg-type]
    )


def answers(
    questions: pd.DataFrame, settings: dict[str, float], name: str, plan: turns.Plan
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Requests and responses of both turns, as `ask.ask` gives them for a model."""
    believed = beliefs(questions, settings["evidence"], plan.seed)
    opening = turns.first_turn(questions, plan)
    first = respond(opening, believed, settings, name, plan.seed)
    closing = turns.second_turn(questions, opening, first, plan)
    last = respond(closing, believed, settings, name, plan.seed)
    return (
        pd.concat([opening.assign(round=0), closing.assign(round=1)], ignore_index=True),
        pd.concat([first.assign(round=0), last.assign(round=1)], ignore_index=True),
    )


def _normal(log_weights: np.ndarray) -> np.ndarray:
    top = log_weights.max()
    return log_weights - top - np.log(np.exp(log_weights - top).sum())


def main(
    questions: str | Path,
    outputs: dict[str, dict[str, str]],
    settings: dict[str, dict[str, float]],
    accuracies: list[int],
    counts: dict[str, int],
    temperature: float,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the tables of every answerer of `settings`."""
    frame = tables.read(questions, QUESTIONS)
    plan = turns.Plan(wording.ENGLISH, tuple(accuracies), counts, temperature, seed)
    for name, own in settings.items():
        ask.write(outputs[name], frame, *answers(frame, own, name, plan), plan, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        paths = dict(snakemake.output.items())
        main(
            snakemake.input.questions,
            {
                name: {
                    kind: paths[f"{name}_{kind}"] for kind in ("requests", "responses", "trials")
                }
                for name in snakemake.params.settings
            },
            dict(snakemake.params.settings),
            snakemake.params.accuracies,
            snakemake.params.counts,
            snakemake.params.temperature,
            snakemake.params.seed,
            provenance.of(snakemake),
        )
