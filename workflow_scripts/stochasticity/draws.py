"""From responses to draws: one row for each number that a model was asked for.

`part` says what a row holds: `draw` (a draw of `target`), `seed` (the number that a model made up
itself, S10), `count` (how many numbers a batched reply has, S7), `step` (1 where an output of a
generator is right, else 0, S8). `unit` numbers what belongs together (a reply, a chain) and
`position` counts within it, from 0. Where a reply does not say the number without doubt, `value`
is NaN and `failure` says why.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pandera.pandas import Check, Column, DataFrameSchema

from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.stochasticity import maps, parsing, targets

CONDITIONS = ["experiment", "target", "style", "temperature", "top_p", "top_k", "batch"]
DRAWS = DataFrameSchema(
    {
        "experiment": Column(str),
        "target": Column(str),
        "style": Column(str),
        "temperature": Column(float),
        "top_p": Column(float),
        "top_k": Column(int),
        "batch": Column(int),  # draws asked for in one reply, or rounds of a chain
        "model": Column(str),
        "part": Column(str, Check.isin(["draw", "seed", "count", "step"])),
        "unit": Column(int),
        "position": Column(int),
        "value": Column(float, nullable=True),
        "failure": Column(str, nullable=True),
        "given": Column(str),  # what the prompt (or, for S10, the model itself) handed over
        "tokens": Column(int),  # of the whole reply
    },
    coerce=True,
    name="draws",
)

Entry = tuple[str, int, parsing.Parsed, str]  # part, position, what was read, given


def of(requests: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """Read every response, in the order of the responses."""
    columns = [*CONDITIONS, "given", "request_id"]
    asked: dict[str, Any] = {row["request_id"]: row for row in requests[columns].to_dict("records")}
    known = {name: targets.of(name) for name in set(requests["target"]) - {"steps"}}
    rows: dict[str, list[Any]] = {name: [] for name in DRAWS.columns}
    taken = responses[["request_id", "text", "completion_tokens", "model"]]
    for unit, (request_id, text, tokens, model) in enumerate(taken.itertuples(index=False)):
        request = asked[request_id]
        for part, position, parsed, given in _read(request, text, known.get(request["target"])):
            for name in CONDITIONS:
                rows[name].append(request[name])
            rows["model"].append(model)
            rows["part"].append(part)
            rows["unit"].append(unit)
            rows["position"].append(position)
            rows["value"].append(np.nan if parsed.value is None else parsed.value)
            rows["failure"].append(parsed.failure)
            rows["given"].append(given)
            rows["tokens"].append(tokens)
    return DRAWS.validate(pd.DataFrame(rows))


def _read(request: dict[str, Any], text: str, target: targets.Target | None) -> Iterator[Entry]:
    given = request["given"]
    match request["experiment"]:
        case "S8":
            yield from _steps(request, text)
        case "S7":
            assert target is not None
            yield from _list(request, text, target)
        case "S10":
            assert target is not None
            yield from _self_made(request["style"], text, target)
        case "S12":
            yield "draw", 0, parsing.key(text), given
        case _:
            assert target is not None
            yield "draw", 0, parsing.value(text, target), given


def _steps(request: dict[str, Any], text: str) -> Iterator[Entry]:
    truth = maps.sequence(request["style"], json.loads(request["given"]), request["batch"])
    found = parsing.steps(text)
    for position, value in enumerate(truth):
        hit = position < len(found) and found[position] == value
        # A missing output is a wrong one: the reply did not give it.
        yield "step", position, parsing.Parsed(float(hit), None), request["given"]


def _list(request: dict[str, Any], text: str, target: targets.Target) -> Iterator[Entry]:
    found = parsing.values(text, target)
    yield "count", 0, parsing.Parsed(float(len(found)), None), ""
    if not found:
        yield "draw", 0, parsing.Parsed(None, "no number"), ""
    for position, parsed in enumerate(found[: request["batch"]]):
        yield "draw", position, parsed, ""


def _self_made(name: str, text: str, target: targets.Target) -> Iterator[Entry]:
    seed = parsing.named(text, "u", targets.of("seed"))
    own = "" if seed.value is None else str(seed.value)
    yield "seed", 0, seed, ""
    yield "draw", 0, parsing.named(text, words.RESULT_NAMES[name], target), own
