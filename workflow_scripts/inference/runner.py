"""Requests in, responses out: ask the engine only for what the store does not have."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_scripts.inference.store import Store
from workflow_scripts.inference.tasks import SCORES, Draw, Engine, Record, Score, Task
from workflow_scripts.shared import files, progress, schemas, tables

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def store_of(engine: Engine, kind: str = "responses") -> Path:
    """The engine's folder of responses, named by a hash of all but the request that decides one.

    `kind` keeps the replies of some requests apart from the others.
    """
    return files.work_folder(kind, **engine.identity)


def generate(requests: "pd.DataFrame", engine: Engine, store_folder: str | Path) -> "pd.DataFrame":
    """Responses (`schemas.RESPONSES`) to every sample of every request.

    Rows come in the order of the requests, then by sample. `store_folder` holds what the same
    engine has answered before (`store_of` names it); only the missing is computed, and it
    is on disk batch by batch, so a killed job loses at most the batch it was in.
    """
    requests = tables.check(requests, "requests", schemas.REQUESTS)
    columns = requests[list(schemas.REQUESTS.columns)]
    rows = columns.to_dict("records")
    asked = [{str(name): value for name, value in row.items()} for row in rows]
    store = Store(store_folder)
    if store.torn:
        log.warning("%s: dropped %d half-written lines of killed jobs", store_folder, store.torn)
    missing = [task for task in _tasks(asked) if _key(task) not in store.records]
    log.info("%d tasks in the store, %d to do", len(store.records), len(missing))
    try:
        if missing:
            with progress.bar(len(missing), engine.name, "task") as bar:
                for batch in engine.run(missing):
                    store.append(batch)
                    bar.update(len(batch))
    finally:
        store.close()
    return _responses(asked, store.records, engine)


def _tasks(asked: list[dict[str, Any]]) -> list[Task]:
    tasks: list[Task] = []
    for request in asked:
        if wants_scores(request):
            tasks.append(Score(request))
        tasks.extend(Draw(request, sample) for sample in range(request["n"]))
    return tasks


def wants_scores(request: dict[str, Any]) -> bool:
    """Whether the request asks for option or prompt log-probabilities."""
    return bool(request["echo_logprobs"]) or request["choices"] != "[]"


def _key(task: Task) -> tuple[str, int]:
    return task.request["request_id"], task.sample if isinstance(task, Draw) else SCORES


def _responses(
    asked: list[dict[str, Any]], records: dict[tuple[str, int], Record], engine: Engine
) -> "pd.DataFrame":
    import pandas as pd

    rows = []
    for request in asked:
        name = request["request_id"]
        scores = records[name, SCORES] if wants_scores(request) else {}
        for sample in range(request["n"]):
            record = records[name, sample]
            rows.append(
                {
                    "request_id": name,
                    "sample": sample,
                    "text": record["text"],
                    "finish_reason": record["finish_reason"],
                    "prompt_tokens": record["prompt_tokens"],
                    "completion_tokens": record["completion_tokens"],
                    "choice_logprobs": json.dumps(scores.get("choice_logprobs", [])),
                    "logprobs": json.dumps(scores.get("logprobs", [])),
                }
            )
    columns = list(schemas.RESPONSES.columns)
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.assign(
        model=engine.name, engine=engine.engine, dtype=engine.dtype, engine_version=engine.version
    )
    return tables.check(frame, "responses", schemas.RESPONSES)
