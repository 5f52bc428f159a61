"""From a reply to numbers: only what the reply says without doubt counts; the rest is a failure.

Nothing is repaired and nothing is asked again: a reply that names two numbers where one was asked
for, a digit that is no digit, or a program in place of a number is a failure with its reason.
"""

import re
from typing import NamedTuple

from workflow_scripts.inference.replies import THINKING
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.stochasticity.targets import Target

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w%]|\.\d)")
DRAW = re.compile(r"\bdraw\b\W*:", re.IGNORECASE)
KEY = re.compile(r"\b(?i:key|answer|correct option)\b[^\w\n]*(?:is\b)?[^\w\n]*([A-D])\b(?!')")
ENUMERATED = re.compile(r"^\s*\d+[.)]\s+(?=\S)")


class Parsed(NamedTuple):
    """A value, or why there is none. Exactly one of the two is None."""

    value: float | None
    failure: str | None


def plain(reply: str) -> str:
    """The reply without traces of thinking, mark-up and typographic minus signs."""
    text = THINKING.sub("", reply)
    text = text.replace("\u2212", "-").replace("\u2013", "-")
    return re.sub(r"[*`_$]+", "", text).strip()


def value(reply: str, target: Target) -> Parsed:
    """The one number (or, for letter targets, the one letter) that a reply gives.

    Where the reply has a line "Draw:", what follows the last one counts. Letters map to 0, 1, ….
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
    """The numbers of a reply that holds a list of draws, in order.

    What stands before the last colon is an announcement, not a draw; so is the number that opens a
    line of an enumeration when every line has one.
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
    """The letter of a multiple-choice question's key as 0 to 3: the last one that is stated."""
    found = KEY.findall(plain(reply))
    if not found:
        return Parsed(None, "no key")
    return Parsed(float(words.LETTERS.index(found[-1])), None)


def steps(reply: str) -> list[int]:
    """The outputs of a generator run in text: the last whole number of each line with a "=".

    A reply without such lines is read as a plain list of the outputs.
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
    # "A" alone may be the article of a sentence; in a reply of one word it cannot be.
    if len(found) > 1:
        return Parsed(None, "several letters")
    if not found or (found == ["A"] and len(text.split()) > 1):
        return Parsed(None, "no letter")
    if found[0] not in target.labels:
        return Parsed(None, "outside the support")
    return Parsed(float(target.labels.index(found[0])), None)
