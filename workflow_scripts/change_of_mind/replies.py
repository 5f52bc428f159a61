"""The answers of one model as the study read them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.change_of_mind.trials import TRIALS
from workflow_scripts.change_of_mind.wording import LETTERS
from workflow_scripts.inference import forms, readings
from workflow_scripts.shared import schemas, tables

CONDITION = ["question", "display", "speaker", "setting", "advice", "accuracy"]


def read(paths: Mapping[str, str], _: Mapping[str, Any]) -> pd.DataFrame:
    """One row per request (`schemas.READINGS`): the option chosen, and the weight of each.

    Where options were chosen by their log-probabilities, the reply is these; else it is the first
    of the sampled replies.
    """
    requests = tables.read(paths["requests"], schemas.REQUESTS).set_index("request_id")
    trials = tables.read(Path(paths["requests"]).with_stem("trials"), TRIALS)
    responses = tables.read(paths["responses"], schemas.RESPONSES)
    texts = responses.drop_duplicates("request_id").set_index("request_id")["text"]
    asked = requests.loc[trials["request"]]
    turns = zip(asked["messages"], asked["prompt"], strict=True)
    first = trials["experiment"] == "first"
    chosen = trials["final"].where(~first, trials["first"])
    weights = [
        _weights(*each)
        for each in zip(
            trials["final_logprobs"].where(~first, trials["first_logprobs"]),
            trials["final_counts"].where(~first, trials["first_counts"]),
            strict=True,
        )
    ]
    sampled = trials["choices"] == forms.SAMPLED
    return schemas.READINGS.validate(
        pd.DataFrame(
            {
                "experiment": trials["experiment"],
                "condition": readings.conditions(trials, CONDITION),
                "prompt": [readings.prompt(*each) for each in turns],
                "reply": trials["request"]
                .map(texts)
                .where(sampled, "(no text) " + pd.Series(weights)),
                "read_as": [
                    "" if option < 0 else f"{LETTERS[option]}; {weight}"
                    for option, weight in zip(chosen, weights, strict=True)
                ],
                "failure": ["no option could be read" if option < 0 else "" for option in chosen],
            }
        )
    )


def _weights(logprobs: str, counts: str) -> str:
    """The probability of each option, or its share of the sampled replies, as text."""
    given = json.loads(logprobs)
    values = json.loads(counts) or [0.0 if each is None else np.exp(each) for each in given]
    total = float(np.sum(values))
    if not total:
        return ""
    return ", ".join(
        f"{letter} {value / total:.1%}" for letter, value in zip(LETTERS, values, strict=False)
    )
