"""The table of rounds, which `stopping.py` writes, and its rows of scores."""

import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.shared.scores import Row, absent, exact, interval, number
from workflow_scripts.shared.statistics import Interval
from workflow_scripts.stochasticity.draw_table import UNFILTERED

EXPERIMENT = "stopping"
OPEN = "open"
# One row per round and target; `planned` rows come first, one per distance.
ROUNDS = DataFrameSchema(
    {
        "model": Column(str),
        "target": Column(str),
        "part": Column(str, Check.isin(["planned", "asked"])),
        "truth": Column(float, nullable=True),  # of a plan: the distance of the simulated sampler
        "draws": Column("Int64", nullable=True),  # so far; of a plan null if too few were allowed
        "read": Column("Int64", nullable=True),  # of the draws, those that state a number
        "tokens": Column("Int64", nullable=True),  # of all replies
        "tv": Column(float, nullable=True),  # of the draws that were read
        "low": Column(float, nullable=True),  # of the interval that holds at all times
        "high": Column(float, nullable=True),
        "decision": Column(str, Check.isin(["far", "near", OPEN])),
    },
    coerce=True,
    name="rounds",
)


def round_scores(rounds: pd.DataFrame, draws: int) -> list[Row]:
    """Rows of scores of one model; `draws` is what S1 would ask for without stopping."""
    rows: list[Row] = []
    common = UNFILTERED | {"experiment": EXPERIMENT, "style": "plain", "batch": 1}
    for each in rounds[rounds["part"] == "planned"].to_dict("records"):
        row = common | {name: each[name] for name in ("model", "target")}
        row |= {"cell": f"{each['truth']:g}", "units": "draws"}
        if pd.isna(each["draws"]):
            rows.append(absent(metric="planned_draws", note="more than are allowed", **row))
        else:
            n = int(each["draws"])
            rows.append(number(metric="planned_draws", value=n, n=n, **row))
    for target, own in rounds[rounds["part"] == "asked"].groupby("target", sort=False):
        last = own.iloc[-1]
        row = common | {"model": str(last["model"]), "target": str(target), "units": "draws"}
        n, read = int(last["draws"]), int(last["read"])
        row |= {"note": f"{last['decision']} after {n} draws"}
        failed = (n - read) / n
        rows.append(number(metric="failure_rate", value=failed, n=n, **row))
        rows.append(exact(metric="draws_saved", value=1 - n / draws, n=n, **row))
        if read:
            found = Interval(last["tv"], last["low"], last["high"], read)
            rows.append(interval(metric="tv_at_all_times", found=found, **row))
            rows.append(number(metric="tokens_spent", value=int(last["tokens"]), n=n, **row))
    return rows
