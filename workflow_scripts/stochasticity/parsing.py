"""From a reply to numbers: only what the reply states unambiguously counts.

Nothing is repaired and no question is repeated: a reply with two numbers where one was requested, a
number outside the support, or a program in place of a number is a failure with its reason. So is a
reply that was cut off, whatever it contains: what it would have said next is not known. The rules
of reading are in `inference/numbers.py` and docs/add_a_model.md.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from workflow_scripts.inference import letters, numbers
from workflow_scripts.inference.replies import LOST
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.stochasticity import maps, targets
from workflow_scripts.stochasticity.draw_table import CONDITIONS, DRAWS
from workflow_scripts.stochasticity.targets import Target

NUMBER = numbers.NUMBER
KEY = re.compile(
    r"\b(?i:key|answer|correct option|correct choice|solution)\b[^\w\n]*(?i::|=|\bis\b)\W*"
    r"(?i:(?:option|letter|choice)\b\W*)?(?P<key>[A-Da-d])(?![\w'])(?=(?P<after>[^\n]*))"
)
# Lines before the first step of a generator.
INTRODUCTION = re.compile(
    r"->.*\bfrom\b|\b(?:run|start\w*|given|initial\w*|we have|let|generator|formula)\b",
    re.IGNORECASE,
)


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
        found = steps(text, request["batch"])
        if isinstance(found, str):
            yield from _lost(request, Parsed(None, found))
            return
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
                held = NUMBER.search(numbers.plain(text) or "")
                why = numbers.NO_LIST if held else numbers.NO_NUMBER
                yield from _lost(request, Parsed(None, why))
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


def value(reply: str, target: Target) -> Parsed:
    """The one number (or, for letter targets, the one letter) that a reply gives.

    Letters map to 0, 1, ….
    """
    if target.labels[0] == "A":
        return _letter(reply, target)
    if NUMBER.fullmatch(reply):  # most replies
        return _in_support(reply, target)
    number, failure = numbers.one(reply, signed=_signed(target))
    return Parsed(None, failure) if number is None else _in_support(number, target)


def values(reply: str, target: Target) -> list[Parsed]:
    """The numbers in a reply that lists several draws, in order; empty without a single list."""
    return [_in_support(number, target) for number in numbers.listed(reply, _signed(target)) or []]


def key(reply: str) -> Parsed:
    """The stated key of a multiple-choice question, A to D as 0 to 3; the last one counts.

    "Key: A violin" has the article, not the letter.
    """
    found = [
        each["key"].upper()
        for each in KEY.finditer(numbers.plain(reply) or "")
        if not (each["key"] in "Aa" and re.match(r"\s+[a-z]", each["after"]))
        and not (each["key"].islower() and re.search(r"\w", each["after"]))
    ]
    if not found:
        return Parsed(None, "no key")
    return Parsed(float(words.LETTERS.index(found[-1])), None)


def steps(reply: str, count: int) -> list[int] | str:
    """The outputs of a generator run in text, or why they cannot be read.

    They are the last integers of the lines with a "=", the introduction excepted. Where a reply has
    more such lines than the `count` of steps, those that give x or a remainder count. A reply
    without such lines is read as a plain list of outputs.
    """
    text = numbers.plain(reply) or ""
    lines = [line for line in text.splitlines() if "=" in line and re.search(r"\d", line)]
    lines = [line for line in lines if not INTRODUCTION.search(line)]
    if lines:
        if len(lines) > count:
            for wanted in (r"\bmod\b|%", r"^\W*(?:step\s*\d+\W+)?x\S{0,4}\s*="):
                some = [line for line in lines if re.search(wanted, line, re.IGNORECASE)]
                if len(some) == count:
                    lines = some
                    break
            else:
                if not all(re.search(r"\bmod\b|\bx = \d+\W*\Z", line) for line in lines):
                    return "several outputs per step"
        return [int(re.findall(r"-?\d+", line)[-1]) for line in lines]
    found = [
        each for each in numbers.listed(reply, signed=False) or [] if re.fullmatch(r"-?\d+", each)
    ]
    return [int(each) for each in found] or "no output"


def named(reply: str, name: str, target: Target) -> Parsed:
    """The last number that the reply gives as "name = number"."""
    text = numbers.plain(reply) or ""
    found = re.findall(
        rf"(?<!\w){re.escape(name)}[\"']?\s*(?:=|:|≈|~|\bis\b|\bof\b)\s*({NUMBER.pattern})"
        r"(?!\s*[-/*+×·^])",
        text,
        re.IGNORECASE,
    )
    return _in_support(found[-1], target) if found else Parsed(None, f"no {name}")


def _signed(target: Target) -> bool:
    return target.edges is not None and target.low < 0


def _in_support(number: str, target: Target) -> Parsed:
    if target.edges is None and not re.fullmatch(r"\+?\d+(?:\.0*)?", number):
        return Parsed(None, "outside the support" if NUMBER.fullmatch(number) else "no number")
    try:
        result = float(number)
    except ValueError:
        return Parsed(None, "no number")
    if not target.holds(result):
        return Parsed(None, "outside the support")
    return Parsed(result, None)


def _letter(reply: str, target: Target) -> Parsed:
    found, failure = letters.letter(reply, target.labels)
    return Parsed(None if found is None else float(found), failure)
