"""The one table: what each optimiser changes about the solution, at equal loss and tuning budget.

Every quantity that is positive is given as a ratio to SGD, the others as a difference, paired by
seed, with 95 % intervals; `decided` where the interval leaves "no change" out. What is forgotten
when every task is learned to one training loss stands below.
"""

import pandas as pd

from workflow_scripts.shared import files

REFERENCE = "sgd"
COLUMNS = ["optimizer", "quantity", "layer", "change", "value", "ci_low", "ci_high", "n", "decided"]
DIFFERENCES = ("test_accuracy",)  # a ratio would say little
LEFT_OUT = ("train_loss_nats", "reached", "hessian_trace_standard_error")


def table(scores: pd.DataFrame) -> pd.DataFrame:
    """One row for each optimiser and quantity; SGD's rows hold its own values."""
    pooled = scores[scores["seed"].isna()]
    solved = pooled[(pooled["experiment"] == "matched") & pooled["kept"].isna()]
    ratios = solved[solved["metric"].str.endswith("_ratio")]
    differences = solved[solved["metric"].isin([f"{name}_difference" for name in DIFFERENCES])]
    own = solved[(solved["optimizer"] == REFERENCE) & ~solved["metric"].str.endswith("_runs")]
    streams = pooled[(pooled["experiment"] == "continual") & (pooled["protocol"] == "matched")]
    streams = streams[(streams["stream"] == "permuted") & (streams["other"] == REFERENCE)]
    forgotten = streams[streams["metric"].isin(["forgetting_difference"])]
    parts = [
        own.assign(change="own value"),
        ratios.assign(change="ratio to SGD"),
        differences.assign(change="difference to SGD"),
        forgotten.assign(change="difference to SGD"),
    ]
    rows = pd.concat(parts, ignore_index=True)
    none = rows["change"].map({"ratio to SGD": 1.0, "difference to SGD": 0.0})
    rows["decided"] = (rows["ci_low"] > none) | (rows["ci_high"] < none)
    rows["quantity"] = rows["metric"].str.replace("_(ratio|difference)$", "", regex=True)
    repeated = rows["quantity"].isin(DIFFERENCES) & (rows["change"] == "ratio to SGD")
    return rows[~rows["quantity"].isin(LEFT_OUT) & ~repeated][COLUMNS].reset_index(drop=True)


def write(path: str, scores: pd.DataFrame) -> None:
    files.write_text(path, table(scores).round(4).to_csv(index=False))
