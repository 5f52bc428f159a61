"""The replies of one model as the study read them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from workflow_scripts.glasses import answers
from workflow_scripts.inference import readings
from workflow_scripts.inference.replies import LOST
from workflow_scripts.shared import schemas, tables

CONDITION = ["task", "prompting", "family", "length"]


def read(paths: Mapping[str, str], asked: Mapping[str, Any]) -> pd.DataFrame:
    """One row per reply (`schemas.READINGS`): the number that was read, and the right one."""
    requests = tables.read(paths["requests"], schemas.REQUESTS)
    responses = tables.read(paths["responses"], schemas.RESPONSES)
    thinking = dict.fromkeys(responses["model"].unique(), bool(asked["thinks"]))
    found = answers.read(requests, responses, thinking)
    prompts = {
        row["request_id"]: readings.prompt(row["messages"], row["prompt"])
        for row in requests[["request_id", "messages", "prompt"]].to_dict("records")
    }
    given = zip(found["given"], found["truth"], found["finish_reason"], strict=True)
    read_as, failures = [], []
    for number, truth, finish in given:
        known = pd.notna(number)
        right = "right" if known and number == truth else f"wrong, the answer is {truth:g}"
        read_as.append(f"{number:g} ({right})" if known else "")
        failures.append("" if known else LOST.get(finish, "no number"))
    return schemas.READINGS.validate(
        pd.DataFrame(
            {
                "experiment": found["experiment"],
                "condition": readings.conditions(found, CONDITION),
                "prompt": found["request_id"].map(prompts),
                "reply": found["text"],
                "read_as": read_as,
                "failure": failures,
            }
        )
    )
