"""From requests to responses: the engine computes only what the store lacks."""

import json
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from workflow_scripts.inference import noise
from workflow_scripts.inference.store import Store
from workflow_scripts.inference.tasks import SCORES, Draw, Engine, Record, Score, Task
from workflow_scripts.shared import files, progress, schemas, tables

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

# Limits memory: an engine holds the tokens of one block of tasks. No default study has more tasks
# than a block, because a model's batches, and thereby its last bits, depend on the block.
BLOCK_TASKS = 1 << 17
PART_ROWS = 1 << 12  # rows of the response table that are built at once
OF_DRAW = ("text", "finish_reason", "prompt_tokens", "completion_tokens")


def store_of(engine: Engine, kind: str = "responses") -> Path:
    """The engine's folder of responses, named by a hash of everything but the request.

    `kind` separates the replies of some requests from the others.
    """
    return files.work_folder(kind, **engine.identity)


def generate(requests: "pd.DataFrame", engine: Engine, store_folder: str | Path) -> "pd.DataFrame":
    """Responses (`schemas.RESPONSES`) to every sample of every request.

    Rows are in the order of the requests, then by sample. `store_folder` (see `store_of`) holds
    earlier responses of the same engine. Only missing ones are computed; they are stored batch by
    batch, so a killed job loses at most one batch.
    """
    import pandas as pd

    parts = list(stream(requests, engine, store_folder))
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def stream(
    requests: "pd.DataFrame", engine: Engine, store_folder: str | Path
) -> "Iterator[pd.DataFrame]":
    """The table of `generate` in one or more parts of at most `PART_ROWS` rows."""
    requests = tables.check(requests, "requests", schemas.REQUESTS)
    columns = requests[list(schemas.REQUESTS.columns)]
    asked = cast(list[dict[str, Any]], columns.to_dict("records"))
    store = Store(store_folder, _Prompts(asked, engine).mark)
    if store.torn:
        log.warning("%s: dropped %d incomplete lines of killed jobs", store_folder, store.torn)
    if store.outdated:
        log.warning(
            "%s: %d replies to prompts that the chat template writes otherwise now; they are asked "
            "for again",
            store_folder,
            store.outdated,
        )
    try:
        _answer(asked, engine, store)
        yield from _responses(asked, store, engine)
    finally:
        store.close()


class _Prompts:
    """The hashes of the requests' rendered prompts, computed when the first is needed."""

    def __init__(self, asked: list[dict[str, Any]], engine: Engine):
        self.asked = asked
        self.engine = engine
        self.marks: dict[str, str] | None = None

    def mark(self, kept_as: str) -> str | None:
        """The hash of a request's prompt, by its name in the store; None if it is not known."""
        if self.marks is None:
            found = self.engine.rendered(self.asked)
            self.marks = {
                name: found[request["request_id"]]
                for request in self.asked
                if request["request_id"] in found
                for name in (_kept_as(request), request["request_id"])
            }
        return self.marks.get(kept_as)


def _answer(asked: list[dict[str, Any]], engine: Engine, store: Store) -> None:
    """Let the engine do the tasks that the store lacks."""
    count = sum(_key(task) not in store for task in _tasks(asked))
    log.info("%d tasks in the store, %d to do", len(store), count)
    if not count:
        return
    missing = (task for task in _tasks(asked) if _key(task) not in store)
    with progress.bar(count, engine.name, "task") as bar:
        while block := list(islice(missing, BLOCK_TASKS)):
            kept_as = {task.request["request_id"]: _kept_as(task.request) for task in block}
            for batch in engine.run(block):
                store.append([_renamed(record, kept_as) for record in batch])
                bar.update(len(batch))


def _tasks(asked: list[dict[str, Any]]) -> Iterator[Task]:
    for request in asked:
        if wants_scores(request):
            yield Score(request)
        for sample in range(request["n"]):
            yield Draw(request, sample)


def wants_scores(request: dict[str, Any]) -> bool:
    """Whether the request asks for option or prompt log-probabilities."""
    return bool(request["echo_logprobs"]) or request["choices"] != "[]"


def _key(task: Task) -> tuple[str, int]:
    if isinstance(task, Draw):
        return _kept_as(task.request), task.sample
    return task.request["request_id"], SCORES


def _kept_as(request: dict[str, Any]) -> str:
    """The name of a request's replies in the store: sampled ones name the definition of a draw.

    So a new definition asks for them again, but not for greedy replies and log-probabilities.
    """
    sampled = request["temperature"] > 0 and request["max_tokens"] > 0
    return f"{request['request_id']}/{noise.DEFINITION}" if sampled else request["request_id"]


def _renamed(record: Record, kept_as: dict[str, str]) -> Record:
    if record["sample"] == SCORES:
        return record
    return record | {"request_id": kept_as[record["request_id"]]}


def _responses(
    asked: list[dict[str, Any]], store: Store, engine: Engine
) -> "Iterator[pd.DataFrame]":
    rows = _rows(asked, store)
    part = list(islice(rows, PART_ROWS))
    while True:
        yield _checked(part, engine)
        if not (part := list(islice(rows, PART_ROWS))):
            return


def _rows(asked: list[dict[str, Any]], store: Store) -> Iterator[dict[str, Any]]:
    for request in asked:
        name, kept_as = request["request_id"], _kept_as(request)
        scores = store[name, SCORES] if wants_scores(request) else {}
        # Serialized once: all samples of the request share these texts.
        shared = {key: json.dumps(scores.get(key, [])) for key in ("choice_logprobs", "logprobs")}
        for sample in range(request["n"]):
            record = store[kept_as, sample]
            own = {key: record[key] for key in OF_DRAW}
            # A server that is asked for scores only tells the prompt's length with them.
            own["prompt_tokens"] = own["prompt_tokens"] or scores.get("prompt_tokens", 0)
            yield {"request_id": name, "sample": sample, **own, **shared}


def _checked(rows: list[dict[str, Any]], engine: Engine) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(schemas.RESPONSES.columns))
    frame = frame.assign(
        model=engine.name, engine=engine.engine, dtype=engine.dtype, engine_version=engine.version
    )
    return tables.check(frame, "responses", schemas.RESPONSES)
