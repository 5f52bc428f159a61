"""Trials: one row per answer, with everything that the scores need and the requests behind it.

`first_request` and `request` are keys into the same model's tables of requests and responses, so
that each number can be traced to the words behind it.
"""

import json

import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.change_of_mind import turns

TRIALS = DataFrameSchema(
    {
        "model": Column(str),
        "experiment": Column(str, Check.isin(["first", *turns.EXPERIMENTS])),
        "part": Column(str, Check.isin(["calibration", "main"])),
        "question": Column(str),
        "cluster": Column(str),
        "options": Column(int, Check.in_range(2, 4)),
        "right": Column(int, Check.ge(0)),
        "display": Column(str, Check.isin(["", "hidden", "shown", "wrong", "incorrect"])),
        "speaker": Column(str, Check.isin(["", "you", "other"])),
        "setting": Column(str, Check.isin(["", "fresh", "dialogue"])),
        "advice": Column(str, Check.isin(["", *turns.ADVICE])),
        "accuracy": Column(int),  # %, stated; -1 in turn 1
        "shown": Column(int),  # these and `final`: index of an option, -1 for none
        "advised": Column(int),
        "first": Column(int, Check.ge(0)),
        "final": Column(int),
        "first_logprobs": Column(str),  # JSON lists, one natural log-probability per option
        "final_logprobs": Column(str),  # empty list in turn 1
        "first_request": Column(str),
        "request": Column(str, unique=True),
    },
    coerce=True,
    name="trials",
)


def trials_of(
    questions: pd.DataFrame, requests: pd.DataFrame, responses: pd.DataFrame, plan: turns.Plan
) -> pd.DataFrame:
    """The trials (`TRIALS`) from the requests and responses of both turns."""
    facts = questions.set_index("question")[["part", "cluster", "options", "right"]]
    found = turns.options_logprobs(responses)
    frame = requests[turns.CONDITIONS].join(facts, on="question")
    first_turn = requests["experiment"] == "first"
    names = requests["request_id"]
    opening = requests["first_request"].where(~first_turn, names)
    drawn = {
        name: turns.choose(values, plan.temperature, plan.seed, name, plan.model)
        for name, values in found.items()
    }
    chosen = names.map(drawn)
    frame = frame.assign(
        model=responses["model"].iloc[0],
        first=requests["first"].where(~first_turn, chosen),
        final=chosen.where(~first_turn, -1),
        first_logprobs=[json.dumps(found[name]) for name in opening],
        final_logprobs=[
            "[]" if first else json.dumps(found[name])
            for name, first in zip(names, first_turn, strict=True)
        ],
        first_request=opening,
        request=names,
    )
    return TRIALS.validate(frame[list(TRIALS.columns)].reset_index(drop=True))
