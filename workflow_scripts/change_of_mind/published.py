"""The paper's published numbers, as claims and figures use them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

MODEL = "Gemma-3-12B"  # the paper's main model
Published = dict[str, pd.DataFrame]  # tables by name: rates, scalars, oucs, …


def read_tables(paths: Sequence[str]) -> Published:
    """The tables `change_of_mind_<name>.csv` by name."""
    return {Path(path).stem.removeprefix("change_of_mind_"): pd.read_csv(path) for path in paths}


def scalar(published: Published, quantity: str, scope: str = "") -> float:
    """A number of the table of scalars, of the first scope that begins with `scope`."""
    rows = published["scalars"]
    rows = rows[(rows["quantity"] == quantity) & rows["scope"].str.startswith(scope)]
    return float(rows["value"].iloc[0])
