"""Trials: one row per answer, with everything that the scores need and the requests behind it.

`first_request` and `request` are keys into the same model's tables of requests and responses, so
that each number can be traced to the words behind it.
"""

import json

import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.change_of_mind import answers, turns
from workflow_scripts.inference import forms

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
        "first": Column(int),  # -1 here and, in turn 2, in `final`: no reply was read
        "final": Column(int),
        "choices": Column(str, Check.isin(forms.CHOICES)),
        "first_logprobs": Column(str),  # JSON lists, one natural log-probability per option
        "final_logprobs": Column(str),  # empty list in turn 1
        "first_counts": Column(str),  # JSON lists, sampled replies per option; else empty lists
        "final_counts": Column(str),
        "unlisted": Column(float),  # most probability of options that a server did not list
        "read": Column(int),  # replies to `request` that were read, and all
        "replies": Column(int),
        "first_request": Column(str),
        "request": Column(str, unique=True),
    },
    coerce=True,
    name="trials",
)


def trials_of(
    questions: pd.DataFrame,
    requests: pd.DataFrame,
    responses: pd.DataFrame,
    plan: turns.Plan,
    opened: dict[str, answers.Answer] | None = None,
) -> pd.DataFrame:
    """The trials (`TRIALS`) from requests and responses of both turns, or of a part of them.

    `opened` has the answers to first turns that are not among the requests.
    """
    facts = questions.set_index("question")[["part", "cluster", "options", "right"]]
    frame = requests[turns.CONDITIONS].join(facts, on="question")
    found = (opened or {}) | turns.answered(questions, requests, responses, plan)
    first_turn = requests["experiment"] == "first"
    names = requests["request_id"]
    opening = requests["first_request"].where(~first_turn, names)
    chosen = names.map({name: answer.chosen for name, answer in found.items()})
    frame = frame.assign(
        model=responses["model"].iloc[0],
        first=requests["first"].where(~first_turn, chosen),
        final=chosen.where(~first_turn, -1),
        choices=plan.choices,
        first_logprobs=[json.dumps(found[name].logprobs) for name in opening],
        first_counts=[json.dumps(found[name].counts) for name in opening],
        **{
            f"final_{kind}": [
                "[]" if first else json.dumps(getattr(found[name], kind))
                for name, first in zip(names, first_turn, strict=True)
            ]
            for kind in ("logprobs", "counts")
        },
        **{
            kind: [getattr(found[name], kind) for name in names]
            for kind in ("unlisted", "read", "replies")
        },
        first_request=opening,
        request=names,
    )
    return TRIALS.validate(frame[list(TRIALS.columns)].reset_index(drop=True))
