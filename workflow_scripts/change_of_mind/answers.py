"""What a model answered to a request: the option that it chose, and the data on its confidence.

Options come with log-probabilities, or in the text of several sampled replies. Then the first reply
that is read is the choice, and the others are counted: a choice that counted for its own confidence
would raise it.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind.wording import LETTERS
from workflow_scripts.inference import forms, letters, noise, replies

LEAST_READ = 0.5  # share of first answers without which no second turn is asked


class Answer(NamedTuple):
    """The answer to one request; lists have one entry per option."""

    chosen: int  # index of an option, -1 where no reply was read
    logprobs: list[float]  # empty if sampled
    counts: list[int]  # of the replies after the choice; empty unless sampled
    unlisted: float  # most probability that options have which a server did not list
    read: int  # replies that were read
    replies: int


class Drawing(NamedTuple):
    """How options are chosen: `model` is the model's part of the keys of its draws."""

    choices: str
    temperature: float
    seed: int
    model: str


def of(requests: pd.DataFrame, responses: pd.DataFrame, drawing: Drawing) -> dict[str, Answer]:
    """The answer to each request, by request id.

    Raises `ValueError` where a log-probability is missing: the context was too short, or the server
    reports none.
    """
    sampled = drawing.choices == forms.SAMPLED
    found = _counted(requests, responses) if sampled else _weighed(responses, drawing)
    return dict(found)


def refuse_unread(answers: dict[str, Answer], model: str, choices: str) -> None:
    """Raise `ValueError` if most first answers were not read: turn 2 would be paid in vain."""
    read = [answer.chosen >= 0 and answer.unlisted < 1 for answer in answers.values()]
    if np.mean(read) < LEAST_READ:
        where, remedy = "replies", "a model that answers with a letter"
        if choices != forms.SAMPLED:
            where, remedy = "likeliest first tokens", way_out(model)
        raise ValueError(
            f"model {model}: expected the letter of an option in its {where}, found one for "
            f"{sum(read)} of {len(read)} questions; use {remedy}"
        )


def _weighed(responses: pd.DataFrame, drawing: Drawing) -> Iterator[tuple[str, Answer]]:
    for name, text, model in zip(
        responses["request_id"], responses["choice_logprobs"], responses["model"], strict=True
    ):
        values = json.loads(text)
        if not any(value is not None for value in values):
            raise ValueError(
                f"model {model}: expected a log-probability of every option, found {text} (request "
                f"{name}); use an engine or server dialect that reports them, or "
                f"{way_out(model)}, and a model whose context holds the question"
            )
        logprobs, unlisted = _bounded(values)
        chosen = choose(logprobs, drawing.temperature, drawing.seed, name, drawing.model)
        yield name, Answer(chosen, logprobs, [], unlisted, 1, 1)


def way_out(model: str) -> str:
    """The setting for a model without log-probabilities."""
    return f"models.{model}.asked.change_of_mind.choices: sampled"


def _bounded(values: list[Any]) -> tuple[list[float], float]:
    """Log-probabilities, with upper bounds for options that were not listed.

    The second value is the most that those can have of the options' probability. Replies stored
    before bounds were have null for an option that was not listed.
    """
    bound = letters.unlisted([value for value in values if isinstance(value, int | float)])
    logprobs = [
        float(value) if isinstance(value, int | float) else (value or {"at_most": bound})["at_most"]
        for value in values
    ]
    share = np.exp(np.array(logprobs) - max(logprobs))
    open_ = np.array([not isinstance(value, int | float) for value in values])
    return logprobs, float(share[open_].sum() / share.sum())


def _counted(requests: pd.DataFrame, responses: pd.DataFrame) -> Iterator[tuple[str, Answer]]:
    options = dict(zip(requests["request_id"], requests["options"], strict=True))
    ordered = responses.sort_values("sample", kind="stable")
    for name, rows in ordered.groupby("request_id", sort=False):
        offered = LETTERS[: options[name]]
        read = [
            index
            for text, finish in zip(rows["text"], rows["finish_reason"], strict=True)
            if finish not in replies.LOST
            and (index := letters.letter(text, offered)[0]) is not None
        ]
        counts = np.bincount(read[1:], minlength=len(offered)).tolist()
        chosen = read[0] if read else -1
        yield str(name), Answer(chosen, [], counts, 0.0, len(read), len(rows))


def choose(
    logprobs: list[float], temperature: float, seed: int, request: str, model: str = ""
) -> int:
    """The index of the option drawn at `temperature`, as `inference.noise` defines a draw.

    Temperature 0 takes the likeliest option.
    """
    values = np.asarray(logprobs)
    if temperature == 0:
        return int(values.argmax())
    weights = np.exp((values - values.max()) / temperature)
    u = noise.uniform(noise.key(model, seed, request, 0), 0)
    return min(int(np.searchsorted(np.cumsum(weights) / weights.sum(), u)), len(values) - 1)
