"""One table of what each optimiser changes about the solution, at equal loss and tuning budget.

Positive quantities are given as ratios to SGD, others as differences, paired by seed, with 95 %
intervals. `decided` says whether the interval excludes "no change". Forgetting, where every task is
learned to one training loss, comes last.
"""

import pandas as pd

from workflow_scripts.optimizers.measurements import pick
from workflow_scripts.shared import files

REFERENCE = "sgd"
COLUMNS = ["optimizer", "quantity", "layer", "change", "value", "ci_low", "ci_high", "n", "decided"]
DIFFERENCES = ("test_accuracy",)  # more telling than a ratio
LEFT_OUT = ("train_loss_nats", "reached", "hessian_trace_standard_error")


def table(scores: pd.DataFrame) -> pd.DataFrame:
    """One row for each optimiser and quantity; SGD's rows hold its own values."""
    solved = pick(scores, experiment="matched", kept=None)
    own = solved[(solved["optimizer"] == REFERENCE) & ~solved["metric"].str.endswith("_runs")]
    ratios = solved[solved["metric"].str.endswith("_ratio")]
    differences = pick(solved, metric=[f"{name}_difference" for name in DIFFERENCES])
    forgotten = pick(
        scores,
        experiment="continual",
        protocol="matched",
        stream="permuted",
        other=REFERENCE,
        metric="forgetting_difference",
    )
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
    """Write the table as CSV, rounded to four digits."""
    files.write_text(path, table(scores).round(4).to_csv(index=False))
