"""From a reply to numbers: only what the reply states unambiguously counts.

Nothing is repaired and no question is repeated: a reply with two numbers where one was requested, a
number outside the support, or a program in place of a number is a failure with its reason. So is a
reply that was cut off, whatever it contains: what it would have said next is not known.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.inference.replies import THINKING
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.stochasticity import maps, targets
from workflow_scripts.stochasticity.draw_table import CONDITIONS, DRAWS
from workflow_scripts.stochasticity.targets import Target

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w%]|\.\d)")
DRAW = re.compile(r"\bdraw\b\W*:", re.IGNORECASE)
KEY = re.compile(r"\b(?i:key|answer|correct option)\b[^\w\n]*(?:is\b)?[^\w\n]*([A-D])\b(?!')")
# Failures of replies that did not end by themselves, by their `finish_reason`.
LOST = {"length": "cut off", "context": "cut off", "filtered": "filtered by the server"}
ENUMERATED = re.compile(r"^\s*\d+[.)]\s+(?=\S)")


class Parsed(NamedTuple):
    """A value, or why there is none. Exactly one of the two is None."""

    value: float | None
    failure: str | None


Entry = tuple[str, int, Parsed, str]  # part, position, number, given


def draws(requests: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """The table of draws (`DRAWS`) in the replies, in the order of the responses.

    Raises `KeyError` for a response to a request that is not in `requests`.
    """
    columns = [*CONDITIONS, "given", "max_tokens", "request_id"]
    asked: dict[str, Any] = {row["request_id"]: row for row in requests[columns].to_dict("records")}
    known = {name: targets.of(name) for name in set(requests["target"]) - {"steps"}}
    rows: dict[str, list[Any]] = {name: [] for name in DRAWS.columns}
    replies = responses[["request_id", "text", "finish_reason", "completion_tokens", "model"]]
    for unit, (request_id, text, finish, tokens, model) in enumerate(
        replies.itertuples(index=False)
    ):
        request = asked[request_id]
        target = known.get(request["target"])
        for part, position, parsed, given in _entries(request, text, finish, target):
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
            rows["max_tokens"].append(request["max_tokens"])
            rows["finish_reason"].append(finish)
    return DRAWS.validate(pd.DataFrame(rows))


def _entries(
    request: dict[str, Any], text: str, finish: str, target: Target | None
) -> Iterator[Entry]:
    if finish in LOST:
        yield from _lost(request, Parsed(None, LOST[finish]))
        return
    if request["experiment"] == "S8":
        truth = maps.sequence(request["style"], json.loads(request["given"]), request["batch"])
        found = steps(text)
        for position, output in enumerate(truth):
            hit = position < len(found) and found[position] == output
            # A missing output counts as wrong: the reply ended without it.
            yield "step", position, Parsed(float(hit), None), request["given"]
        return
    assert target is not None
    match request["experiment"]:
        case "S7":
            listed = values(text, target)
            if not listed:
                yield from _lost(request, Parsed(None, "no number"))
                return
            yield "count", 0, Parsed(float(len(listed)), None), ""
            for position, parsed in enumerate(listed[: request["batch"]]):
                yield "draw", position, parsed, ""
        case "S10":
            seed = named(text, "u", targets.of("seed"))
            own = "" if seed.value is None else str(seed.value)
            yield "seed", 0, seed, ""
            yield "draw", 0, named(text, words.RESULT_NAMES[request["style"]], target), own
        case "S12":
            yield "draw", 0, key(text), request["given"]
        case _:
            yield "draw", 0, value(text, target), request["given"]


def _lost(request: dict[str, Any], failure: Parsed) -> Iterator[Entry]:
    """The entries of a reply that gives nothing: every number that it was asked for fails."""
    match request["experiment"]:
        case "S8":
            for position in range(request["batch"]):
                yield "step", position, failure, request["given"]
        case "S7":
            yield "count", 0, failure, ""
            for position in range(request["batch"]):
                yield "draw", position, failure, ""
        case "S10":
            yield "seed", 0, failure, ""
            yield "draw", 0, failure, ""
        case _:
            yield "draw", 0, failure, request["given"]


def single(reply: str, finish: str, target: Target) -> Parsed:
    """The one number of a reply that ended for the reason `finish`."""
    return Parsed(None, LOST[finish]) if finish in LOST else value(reply, target)


def plain(reply: str) -> str:
    """The reply without reasoning traces, mark-up and typographic minus signs."""
    text = THINKING.sub("", reply)
    text = text.replace("\u2212", "-").replace("\u2013", "-")
    return re.sub(r"[*`_$]+", "", text).strip()


def value(reply: str, target: Target) -> Parsed:
    """The one number (or, for letter targets, the one letter) that a reply gives.

    In a reply with "Draw:", only what follows the last one counts. Letters map to 0, 1, ….
    """
    text = plain(reply)
    if not text:
        return Parsed(None, "empty")
    marked = list(DRAW.finditer(text))
    if marked:
        text = text[marked[-1].end() :]
    if target.labels[0] == "A":
        return _letter(text, target)
    found = NUMBER.findall(text)
    if not found:
        return Parsed(None, "no number")
    if len(found) > 1:
        return Parsed(None, "several numbers")
    return _in_support(found[0], target)


def values(reply: str, target: Target) -> list[Parsed]:
    """The numbers in a reply that lists several draws, in order.

    Text before the last colon is an introduction, not a draw. If every line begins with an item
    number, the item numbers are left out.
    """
    text = plain(reply)
    head, colon, tail = text.rpartition(":")
    if colon and NUMBER.search(tail) and re.search(r"[A-Za-z]", head):
        text = tail
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(ENUMERATED.match(line) for line in lines):
        text = "\n".join(ENUMERATED.sub("", line) for line in lines)
    return [_in_support(number, target) for number in NUMBER.findall(text)]


def key(reply: str) -> Parsed:
    """The stated key of a multiple-choice question, A to D as 0 to 3; the last one counts."""
    found = KEY.findall(plain(reply))
    if not found:
        return Parsed(None, "no key")
    return Parsed(float(words.LETTERS.index(found[-1])), None)


def steps(reply: str) -> list[int]:
    """The outputs of a generator run in text: the last integer of each line with a "=".

    A reply without such lines is read as a plain list of outputs.
    """
    text = plain(reply)
    worked = [line for line in text.splitlines() if "=" in line and re.search(r"\d", line)]
    if worked:
        return [int(re.findall(r"-?\d+", line)[-1]) for line in worked]
    return [int(number) for number in NUMBER.findall(text) if re.fullmatch(r"-?\d+", number)]


def named(reply: str, name: str, target: Target) -> Parsed:
    """The last number that the reply gives as "name = number"."""
    found = re.findall(
        rf"(?<!\w){re.escape(name)}\s*[=:]\s*({NUMBER.pattern})", plain(reply), re.IGNORECASE
    )
    return _in_support(found[-1], target) if found else Parsed(None, f"no {name}")


def _in_support(number: str, target: Target) -> Parsed:
    if target.edges is None and not re.fullmatch(r"\+?\d+", number.removesuffix(".")):
        return Parsed(None, "outside the support")
    result = float(number)
    if not target.holds(result):
        return Parsed(None, "outside the support")
    return Parsed(result, None)


def _letter(text: str, target: Target) -> Parsed:
    found = re.findall(r"(?<![\w'])[A-Z](?![\w'])", text)
    # "A" in a sentence may be the article; in a reply of one word it cannot be.
    if len(found) > 1:
        return Parsed(None, "several letters")
    if not found or (found == ["A"] and len(text.split()) > 1):
        return Parsed(None, "no letter")
    if found[0] not in target.labels:
        return Parsed(None, "outside the support")
    return Parsed(float(target.labels.index(found[0])), None)
