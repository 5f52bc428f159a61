"""Figure 2 of the paper, as read off (± 0.005)."""

from pathlib import Path

import pandas as pd

LEVELS = {"sum-phi (L1)": "L1", "max-max (L2)": "L2", "logsumexp (L3)": "L3"}


def read(path: str | Path) -> pd.DataFrame:
    """One row for each algorithm and level, with the mean and the ends of its bar."""
    table = pd.read_csv(path)
    return table.assign(model=table["model"].map(LEVELS))


def means(table: pd.DataFrame) -> pd.DataFrame:
    """The means: rows algorithms, columns L1, L2, L3."""
    return table.pivot(index="algorithm", columns="model", values="ood_micro_f1_mean_digitised")
