"""The replies of one model as the study read them.

The texts of chains and of long replies (S4 to S8) are not among the results: their tables hold the
draws alone.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from workflow_scripts.inference import readings
from workflow_scripts.shared import schemas, tables
from workflow_scripts.stochasticity import parsing
from workflow_scripts.stochasticity.draw_table import CONDITIONS


def read(paths: Mapping[str, str], _: Mapping[str, Any]) -> pd.DataFrame:
    """One row per reply (`schemas.READINGS`): the numbers that it gave."""
    requests = tables.read(paths["requests"], schemas.REQUESTS)
    responses = tables.read(paths["responses"], schemas.RESPONSES)
    asked = requests.set_index("request_id").loc[responses["request_id"]].reset_index()
    drawn = parsing.draws(requests, responses)
    lost, unit = drawn["failure"].notna(), drawn["unit"]
    values = drawn["value"].map("{:g}".format)
    parts = drawn["part"] + " " + values.mask(lost, "not read: " + drawn["failure"])
    none_read = lost.groupby(unit).all()
    read_as = parts.groupby(unit).agg(", ".join).mask(none_read, "")
    failures = drawn["failure"].groupby(unit).first().where(none_read, "")
    turns = zip(asked["messages"], asked["prompt"], strict=True)
    return schemas.READINGS.validate(
        pd.DataFrame(
            {
                "experiment": asked["experiment"],
                "condition": readings.conditions(asked, [*CONDITIONS[1:], "given"]),
                "prompt": [readings.prompt(*each) for each in turns],
                "reply": responses["text"].to_numpy(),
                "read_as": read_as.to_numpy(),  # one per reply: units are numbered in their order
                "failure": failures.to_numpy(),
            }
        )
    )
