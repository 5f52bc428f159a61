"""What a claim reads from the scores: one function measures one quantity."""

from functools import partial

import pandas as pd

from workflow_scripts.shared import measurements
from workflow_scripts.shared.claims import Evidence
from workflow_scripts.shared.measurements import EvidenceOf, Found

pick = partial(measurements.select, seeds="pooled", undefined="drop")


def slope(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The log-log slope of the spread of a mean against the number of draws."""
    row = measurements.one(scores, experiment="E1", metric="spread_slope")
    sizes = pick(scores, experiment="E1", metric="spread")["size"]
    note = f"means of {sizes.min()} to {sizes.max()} uniform numbers, over {int(row['n'])} seeds"
    return [measurements.measured(row, Evidence.THEORY, note)]
