"""Requests to a model: one row per request, with every sampling field explicit.

A request is identified by a hash of everything that decides its replies, including its item. `n` is
not part of the hash, so a larger `n` keeps existing samples. Two rows of a table with equal hashes
would be one request whose replies count twice; `table` refuses them.
"""

import json
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from workflow_scripts.shared import files

if TYPE_CHECKING:
    import pandas as pd

Turn = dict[str, str]


class RequestError(ValueError):
    """A request that no engine can answer as stated; the message names its item."""


def request(
    item: str,
    *,
    messages: Sequence[Turn] | None = None,
    prompt: str | None = None,
    n: int = 1,
    temperature: float,
    top_p: float = 1.0,
    top_k: int = 0,
    max_tokens: int,
    stop: Sequence[str] = (),
    seed: int,
    choices: Sequence[str] = (),
    echo_logprobs: bool = False,
    **conditions: Any,
) -> dict[str, Any]:
    """One row for `table`.

    Exactly one of `messages` and `prompt` is given: `messages` are chat turns ({"role", "content"})
    rendered by the model's chat template, `prompt` is used as it is. `temperature` 0 is greedy;
    `top_k` 0 and `top_p` 1 keep every token. `max_tokens` 0 requests log-probabilities only. A
    reply ends before the first of the `stop` strings. `choices` are option strings scored as
    continuations of the prompt. `conditions` become columns and do not decide the reply: if two
    conditions send the same words, their `item` must differ, and their samples are independent.

    Raises `RequestError` for a value out of range.
    """
    problem = _problem(messages, prompt, n, temperature, top_p, top_k, max_tokens, stop, choices)
    if problem:
        raise RequestError(f"request {item!r}: {problem}")
    deciding = {
        "item": str(item),
        "messages": None if messages is None else json.dumps(list(messages), ensure_ascii=False),
        "prompt": prompt,
        "temperature": float(temperature),
        "top_p": float(top_p),
        "top_k": int(top_k),
        "max_tokens": int(max_tokens),
        "stop": json.dumps(list(stop), ensure_ascii=False),
        "seed": int(seed),
        "choices": json.dumps(list(choices), ensure_ascii=False),
        "echo_logprobs": bool(echo_logprobs),
    }
    clash = sorted(set(conditions) & {*deciding, "request_id", "n"})
    if clash:
        raise RequestError(f"request {item!r}: {', '.join(clash)} cannot name a condition")
    return {"request_id": files.content_hash(deciding), "n": int(n), **deciding, **conditions}


def table(rows: Iterable[dict[str, Any]]) -> "pd.DataFrame":
    """The rows as a table that satisfies `schemas.REQUESTS`.

    Raises `RequestError` if two rows are the same request, naming both, and `TableError` if a value
    does not fit its column.
    """
    import pandas as pd

    from workflow_scripts.shared import schemas, tables

    rows = list(rows)
    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        first = seen.setdefault(row["request_id"], number)
        if first != number:
            raise RequestError(
                f"rows {first} and {number} are the same request (item {row['item']!r}): their "
                "replies would count twice. Give them different items, or one row with a larger n"
            )
    columns = {name: "object" for name in schemas.REQUESTS.columns}
    frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(columns))
    return tables.check(frame, "requests", schemas.REQUESTS)


def _problem(
    messages: Sequence[Turn] | None,
    prompt: str | None,
    n: int,
    temperature: float,
    top_p: float,
    top_k: int,
    max_tokens: int,
    stop: Sequence[str],
    choices: Sequence[str],
) -> str | None:
    if (messages is None) == (prompt is None):
        return "expected either messages or prompt, found both or none"
    if messages is not None and not messages:
        return "messages: expected at least one chat turn, found none"
    for turn in messages or ():
        if set(turn) != {"role", "content"}:
            return f"expected a chat turn with role and content, found {sorted(turn)}"
    if isinstance(stop, str) or isinstance(choices, str):
        return "expected lists of strings for stop and choices, found one string"
    if n < 1:
        return f"n is {n}, allowed: at least 1"
    if not (math.isfinite(temperature) and temperature >= 0):
        return f"temperature is {temperature}, allowed: 0 (greedy) or more"
    if not 0 < top_p <= 1:
        return f"top_p is {top_p}, allowed: above 0, at most 1"
    if top_k < 0:
        return f"top_k is {top_k}, allowed: 0 (every token) or more"
    if max_tokens < 0:
        return f"max_tokens is {max_tokens}, allowed: 0 (scores only) or more"
    if "" in stop:
        return "found an empty stop string, which would end every reply immediately"
    return None
