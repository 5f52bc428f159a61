"""What a server says when it gives no reply: error bodies in many shapes, and their meaning."""

import email.utils
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

WORDS = 300  # characters of a server's words in a message
ROOMS = 8  # limits to try; a refused request costs nothing

# A prompt that does not fit has no status or code of its own, so it is recognised by what the words
# are about: the context, or a prompt whose length exceeds something.
TOO_LONG_CODES = {"context_length_exceeded", "exceed_context_size_error", "request_too_large"}
TOO_LONG_STATUSES = {200, 400, 413, 422, 500}
CONTEXT = re.compile(
    r"context[ _-]?(?:length|window|size|limit)|\bcontext\b.*\btokens|\bn_ctx\b"
    r"|max(?:imum)?[ _](?:model|prompt|input|sequence)[ _]len(?:gth)?",
    re.I,
)
INPUT = re.compile(r"\b(?:prompt|inputs?|messages?|request(?:ed)?|conversation|sequence)\b", re.I)
LENGTH = re.compile(r"\b(?:tokens?|length|too (?:long|large))\b", re.I)
TOO_MUCH = re.compile(
    r"too (?:long|large|many|big)|exceed|(?:longer|greater|larger|more|less) than|at most|<=|>"
    r"|not enough|\bmax(?:imum)?\b|should be|reduce|does not fit|overflow",
    re.I,
)
# Limits on something else: a rate, a credit, a list, or a named field that is not the prompt.
OTHER_LIMIT = re.compile(
    r"rate.?limit|\bper[ -](?:second|min|minute|hour|day)|\b[rt]p[mds]\b|quota|credit"
    r"|\barray\b|\bitems\b|logprobs"
    r"|'(?!(?:messages\[\d+\]\.content|prompt|input)\b)[^']*': string too long",
    re.I,
)
PASSING = re.compile(
    r"overload|unavailable|busy|capacity|rate.?limit|too many requests|time[d ]*out|try again"
    r"|temporar|server_error|internal",
    re.I,
)


class Complaint(NamedTuple):
    """A server's code and type of an error, as one text, and its words, on one short line."""

    code: str
    words: str

    def too_long(self, status: int) -> bool:
        """Whether the prompt (or prompt and reply limit together) does not fit the context."""
        if status not in TOO_LONG_STATUSES:
            return False
        if TOO_LONG_CODES & set(self.code.split()):
            return True
        if OTHER_LIMIT.search(self.words) or not TOO_MUCH.search(self.words):
            return False
        about = INPUT.search(self.words) and LENGTH.search(self.words)
        return bool(CONTEXT.search(self.words) or (about and status != 500))

    def no_credit(self) -> bool:
        """Whether the account cannot pay."""
        return "insufficient_quota" in self.code

    def passing(self) -> bool:
        """Whether the words say that a later attempt may succeed."""
        return bool(PASSING.search(f"{self.code} {self.words}"))


def rooms(words: str, limit: int) -> list[int]:
    """Lower limits of a reply that may fit by the numbers in a refusal, from the highest.

    A number is the room itself, the context, the prompt's length, or their sum with the limit. So
    the room is a number, a difference of two, or the limit less a difference.
    """
    numbers = {int(each) for each in re.findall(r"(?<![\w.-])\d{1,8}(?![\w-])", words)}
    differences = {a - b for a in numbers for b in numbers if a > b}
    found = numbers | differences | {limit - each for each in differences}
    return sorted((each for each in found if 0 < each < limit), reverse=True)[:ROOMS]


def complaint(data: bytes) -> Complaint:
    """What the body of an error reply says, in any of the usual shapes."""
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except ValueError:
        return Complaint("", _line(text))
    if isinstance(found, list) and found:  # Google's
        found = found[0]
    if not isinstance(found, dict):
        return Complaint("", _line(found))
    error = found.get("error") or found
    if not isinstance(error, dict):
        return Complaint(_code(found), _line(error))
    words = error.get("message") or error.get("detail") or error
    more = error.get("metadata")
    if isinstance(more, dict) and more.get("raw"):  # a router's: the words of the server behind it
        words = f"{words}: {more['raw']}"
    return Complaint(_code(error), _line(words))


def status_of(reply: Mapping[str, Any]) -> int:
    """The status that a reply of status 200 states in its error; 200 if it states none."""
    error = reply.get("error")
    told = (error if isinstance(error, dict) else reply).get("code")
    try:
        status = int(told or 0)
    except (TypeError, ValueError):
        return 200
    return status if 400 <= status < 600 else 200


def is_error(reply: Mapping[str, Any]) -> bool:
    """Whether a reply of status 200 is an error."""
    return bool(reply.get("error")) or reply.get("object") == "error"


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds to wait, from a number or a date; 0 if there is none that can be parsed."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return max(0.0, float(value) * unit_s)
        except ValueError:
            pass
        try:
            then = email.utils.parsedate_to_datetime(value)
        except (TypeError, ValueError):
            continue
        if then.tzinfo is None:  # the standard's dates are in UTC
            then = then.replace(tzinfo=UTC)
        return max(0.0, (then - datetime.now(UTC)).total_seconds())
    return 0.0


def _code(error: Mapping[str, Any]) -> str:
    told = (error.get(key) for key in ("code", "type", "error_type"))
    return " ".join(str(each) for each in told if each)


def _line(words: Any) -> str:
    return " ".join(str(words).split())[:WORDS]
