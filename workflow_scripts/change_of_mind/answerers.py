"""Artificial answerers with known parameters, measured like models, to test the estimators.

An answerer sees each question through noise, answers by Bayes' rule, and in turn 2 shifts towards
the displayed option, weighs the advice and may add noise. Its reports are more extreme than its
beliefs by a known temperature. The `ideal` one has no shift and unit weights, so any bias
measured in it comes from the estimators.
"""

import json
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind import ask, turns, wording
from workflow_scripts.change_of_mind.questions import QUESTIONS
from workflow_scripts.shared import job, schemas, seeds, tables

CERTAIN = 1 - 1.0e-9  # replaces a stated accuracy of 100 %, whose log-odds are infinite


def beliefs(questions: pd.DataFrame, evidence: float, seed: int) -> dict[str, np.ndarray]:
    """Log posterior over the options of each question before any advice, shape (options,).

    Each option gives a signal from N(evidence, 1) if it is right and N(0, 1) if not, so Bayes'
    rule under a flat prior gives weights exp(evidence x signal): calibrated by construction.
    """
    found = {}
    for name, options, right in zip(
        questions["question"], questions["options"], questions["right"], strict=True
    ):
        rng = seeds.generator(seed, "answerer", name)
        signal = rng.normal(size=options)
        signal[right] += evidence
        found[name] = _normal(evidence * signal)
    return found


def second(log_belief: np.ndarray, cell: Any, settings: dict[str, float]) -> np.ndarray:
    """Log posterior after the display and advice of turn 2, before noise.

    `log_belief` and the result have shape (options,).
    """
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
    """Responses (`schemas.RESPONSES`) to requests of either turn.

    `believed` maps each question to its log posterior, shape (options,).
    """
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
    """Requests and responses of both turns, in the form of the parts of `ask.ask`."""
    believed = beliefs(questions, settings["evidence"], plan.seed)
    opening = turns.first_turn(questions, plan)
    first = respond(opening, believed, settings, name, plan.seed)
    blocks = turns.second_turn(questions, opening, first, plan)
    closing = pd.concat([opening.head(0), *blocks], ignore_index=True)
    last = respond(closing, believed, settings, name, plan.seed)
    return (
        pd.concat([opening.assign(round=0), closing.assign(round=1)], ignore_index=True),
        pd.concat([first.assign(round=0), last.assign(round=1)], ignore_index=True),
    )


def _normal(log_weights: np.ndarray) -> np.ndarray:
    top = log_weights.max()
    return log_weights - top - np.log(np.exp(log_weights - top).sum())


def main(
    questions: str,
    requests: list[str],
    responses: list[str],
    trials: list[str],
    settings: dict[str, dict[str, float]],
    accuracies: list[int],
    counts: dict[str, int],
    temperature: float,
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the requests, responses and trials of every answerer of `settings`, in its order."""
    frame = tables.read(questions, QUESTIONS)
    plan = turns.Plan(wording.ENGLISH, tuple(accuracies), counts, temperature, seed)
    outputs = zip(requests, responses, trials, strict=True)
    for (name, own), paths in zip(settings.items(), outputs, strict=True):
        mine = plan._replace(model=name)
        ask.write(paths, frame, [answers(frame, own, name, mine)], mine, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
