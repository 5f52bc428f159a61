"""Conversations: a study builds the requests of each round from earlier replies."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.inference import runner
from workflow_scripts.inference.tasks import Engine

if TYPE_CHECKING:
    import pandas as pd

Follow = Callable[[int, "pd.DataFrame", "pd.DataFrame"], "pd.DataFrame | None"]


def converse(
    first: "pd.DataFrame", follow: Follow, engine: Engine, store_folder: str | Path
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """All requests and responses of a conversation, with a column `round` that counts from 0.

    `follow(round, requests, responses)` gets the tables of the last round and returns the next
    round's requests, or None (or no rows) to end. It must be a pure function: a restarted job
    replays the finished rounds from the store without a model call and resumes in the same round.
    """
    import pandas as pd

    asked: list[pd.DataFrame] = []
    answered: list[pd.DataFrame] = []
    requests: pd.DataFrame | None = first
    while requests is not None and (len(requests) or not asked):
        number = len(asked)
        responses = runner.generate(requests, engine, store_folder)
        asked.append(requests.assign(round=number))
        answered.append(responses.assign(round=number))
        requests = follow(number, requests, responses)
    return pd.concat(asked, ignore_index=True), pd.concat(answered, ignore_index=True)
