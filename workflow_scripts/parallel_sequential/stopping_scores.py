"""The table of rounds, which `stopping.py` writes, and its rows of scores."""

import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.parallel_sequential.dialogue import CODE, MATH
from workflow_scripts.parallel_sequential.rows import UNITS, Rows
from workflow_scripts.shared.scores import Row, absent, exact, interval, number
from workflow_scripts.shared.statistics import Interval

EXPERIMENT = "stopping"
OPEN, SILENT, EQUAL = "open", "silent", "equal"
LOG_E = ("log_first", "log_second", "log_equal")
# One row per round and domain; `planned` rows come first, one per difference. A decision is the
# name of an arm, `equal`, `open`, or `silent` where no first reply has an answer.
ROUNDS = DataFrameSchema(
    {
        "model": Column(str),
        "domain": Column(str, Check.isin([MATH, CODE])),
        "part": Column(str, Check.isin(["planned", "asked"])),
        "first": Column(str),  # the arms that are compared
        "second": Column(str),
        "available": Column(int),  # questions in the run
        "truth": Column(float, nullable=True),  # of a plan: the difference that is simulated
        "questions": Column(
            "Int64", nullable=True
        ),  # so far; of a plan null if too few are allowed
        "read": Column("Int64", nullable=True),  # of the questions, those whose grades are known
        "first_only": Column("Int64", nullable=True),  # questions that only this arm solves
        "second_only": Column("Int64", nullable=True),
        "tokens": Column("Int64", nullable=True),  # prompts and replies; null if not counted
        **{name: Column(float, nullable=True) for name in LOG_E},  # of the e-value for each answer
        "border": Column(float, nullable=True),  # the logarithm from which one decides
        # Intervals that hold at all times: the first arm's share of the questions that only one
        # solves, and the difference of the accuracies.
        "share": Column(float, nullable=True),
        "share_low": Column(float, nullable=True),
        "share_high": Column(float, nullable=True),
        "difference": Column(float, nullable=True),
        "difference_low": Column(float, nullable=True),
        "difference_high": Column(float, nullable=True),
        "decision": Column(str),
    },
    coerce=True,
    name="rounds",
)


def round_scores(rounds: pd.DataFrame) -> list[Row]:
    """Rows of scores of one model's rounds."""
    rows: list[Row] = []
    for (model, domain), own in rounds.groupby(["model", "domain"], sort=False):
        common = {"experiment": EXPERIMENT, "model": str(model), "domain": str(domain)}
        common["units"] = UNITS
        for each in own[own["part"] == "planned"].to_dict("records"):
            row = common | {"metric": "planned_questions", "cell": f"{each['truth']:g}"}
            if pd.isna(each["questions"]):
                rows.append(absent(note="more than there are or are allowed", **row))
            else:
                n = int(each["questions"])
                rows.append(number(value=n, n=n, **row))
        asked = own[own["part"] == "asked"]
        for each in asked.to_dict("records"):
            answers = (each["first"], each["second"], EQUAL)
            for cell, column in zip(answers, LOG_E, strict=True):
                if not pd.isna(each[column]):
                    n = int(each["questions"])
                    at = {"cell": cell, "k": n, "n": n, "value": each[column]}
                    rows.append(number(metric="log_e", **common | at))
        if len(asked):
            rows += _last(asked.iloc[-1], common)
    return rows


def _last(last: pd.Series, common: Row) -> list[Row]:
    """What a model's last round in a domain says."""
    n, available = int(last["questions"]), int(last["available"])
    row = common | {"note": f"{last['decision']} after {n} of {available} questions"}
    rows = [exact(metric="questions_saved", value=1 - n / available, n=n, **row)]
    if not pd.isna(last["tokens"]):
        rows.append(number(metric="tokens_spent", value=int(last["tokens"]), n=n, **row))
    if last["decision"] == SILENT:
        return rows
    rows.append(exact(metric="log_e_border", value=last["border"], n=n, **row))
    ones = int(last["first_only"] + last["second_only"])
    for name, count in (("share", ones), ("difference", int(last["read"]))):
        metric = f"{name}_at_all_times"
        if count:
            value, low, high = (float(last[f"{name}{end}"]) for end in ("", "_low", "_high"))
            rows.append(interval(metric=metric, found=Interval(value, low, high, count), **row))
        else:
            why = f"{row['note']}: none of them is solved by one arm only"
            rows.append(absent(metric=metric, **row | {"note": why}))
    return rows


def answered(rows: Rows, frame: pd.DataFrame) -> None:
    """The share of attempts with an answer; a note where no first attempt has one."""
    share = float((frame["answer"] != "").mean())
    note = f"none of {len(frame)} first attempts has an answer; the other arms were not run"
    more = {} if share else {"note": note}
    rows.number("P1", "answered_share", share, len(frame), "attempts", **more)
