"""E4: scores of language models' replies to the decoders' prompts, per algorithm and size."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from workflow_scripts.inference import readings
from workflow_scripts.shared import schemas, scores, tables
from workflow_scripts.shared.intervals import SHARE
from workflow_scripts.shared.scores import Row
from workflow_scripts.transnar import metrics
from workflow_scripts.transnar.across import scopes

EXPERIMENT = "E4"
METRICS = ("clrs_score", "shape_score", "parse_score", "exact")


def read(paths: Mapping[str, str], _: Mapping[str, Any]) -> pd.DataFrame:
    """One row per reply (`schemas.READINGS`): the answer in it, if it has the shape of one."""
    responses = tables.read(paths["responses"], schemas.RESPONSES)
    frame = graded(tables.read(paths["requests"]), responses)
    turns = zip(frame["messages"], frame["prompt"], strict=True)
    formed = frame["shape_score"] > 0
    return schemas.READINGS.validate(
        pd.DataFrame(
            {
                "experiment": EXPERIMENT,
                "condition": readings.conditions(frame, ["algorithm", "nodes"]),
                "prompt": [readings.prompt(*each) for each in turns],
                "reply": frame["text"],
                "read_as": frame["text"].map(answer).where(formed, ""),
                "failure": np.where(formed, "", "not the shape of the answer"),
            }
        )
    )


def answer(reply: str) -> str:
    """The answer in a reply: its first paragraph, on one line."""
    return " ".join(reply.strip().split("\n\n")[0].split())


def graded(requests: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """The requests with a column per metric: scores of the reply to each of them."""
    frame = requests.merge(responses[["request_id", "text"]], on="request_id", validate="1:1")
    answers = frame["text"].map(answer)
    found = [metrics.score(*pair) for pair in zip(answers, frame["truth"], strict=True)]
    return frame.assign(
        clrs_score=[each.clrs for each in found],
        shape_score=[each.shape for each in found],
        parse_score=[each.parse for each in found],
        exact=(answers == frame["truth"].map(answer)).astype(float),
    )


def rows(frame: pd.DataFrame, model: str, roles: dict[int, str]) -> Iterator[Row]:
    """Every metric of a model per size: per algorithm, per family, over all algorithms.

    `frame` is that of `graded`; `roles` maps nodes to roles. Algorithms count the same. The
    intervals are over prompts: the i-th ones of all algorithms are one unit.
    """
    for nodes, own in frame.groupby("nodes"):
        for metric in METRICS:
            cell: dict[str, np.ndarray] = {
                str(name): values.to_numpy(float)
                for name, values in own.groupby("algorithm", sort=False)[metric]
            }
            place: Row = {"nodes": int(str(nodes)), "role": roles.get(int(str(nodes)), "other")}
            for scope, names in scopes(list(cell)):
                least = min(len(cell[name]) for name in names)
                values = np.mean([cell[name][:least] for name in names], axis=0)
                own_place = place | scope | {"model": model, "units": "prompts"}
                yield scores.mean(EXPERIMENT, metric, values, bounds=SHARE, **own_place)
