"""What servers say when they refuse, in the words of their public error messages."""

import csv
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from workflow_scripts.inference import refusals

with Path(__file__).with_name("refusal_words.tsv").open(encoding="utf-8", newline="") as stream:
    WORDS = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def body(code, words):
    return json.dumps({"error": {"message": words, "type": code}}).encode()


@pytest.mark.parametrize("row", WORDS, ids=lambda row: f"{row['server']}: {row['words'][:40]}")
def test_a_prompt_that_does_not_fit_is_known_by_its_words(row):
    status, expected = int(row["status"]), row["does not fit"] == "yes"
    said = refusals.complaint(body(row["code"], row["words"]))
    assert said.words == row["words"][: refusals.WORDS]
    assert said.too_long(status) == expected
    # A router in between may drop the code.
    if row["code"] != "request_too_large":
        assert refusals.complaint(body("", row["words"])).too_long(status) == expected


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ({"error": {"message": "no", "code": "x", "type": "y"}}, "x y", "no"),
        ([{"error": {"message": "no", "code": 400, "status": "INVALID"}}], "400", "no"),
        ({"error": "no", "error_type": "validation"}, "validation", "no"),
        ({"object": "error", "message": "no", "code": 400}, "400", "no"),
        ({"detail": "Not Found"}, "", "Not Found"),
        ({"error": None, "message": "no"}, "", "no"),
        (
            {"error": {"message": "Provider returned error", "metadata": {"raw": "too hot"}}},
            "",
            "Provider returned error: too hot",
        ),
        ("no\n  service", "", "no service"),
    ],
)
def test_the_words_of_an_error_are_found_in_every_shape(data, code, words):
    assert refusals.complaint(json.dumps(data).encode()) == (code, words)


def test_the_words_of_an_error_that_is_no_json():
    assert refusals.complaint(b"<html>bad\n gateway \xff</html>").words == (
        "<html>bad gateway \ufffd</html>"
    )


def test_a_wait_is_read_from_seconds_milliseconds_and_dates():
    then = datetime.now(UTC) + timedelta(seconds=30)
    without_zone = then.strftime("%a, %d %b %Y %H:%M:%S")
    for date in (format_datetime(then, usegmt=True), without_zone, f"{without_zone} -0000"):
        assert 27 < refusals.retry_after_s({"retry-after": date}) <= 30
    assert refusals.retry_after_s({"retry-after": "7"}) == 7
    assert refusals.retry_after_s({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    for nothing in ({}, {"retry-after": "soon"}, {"retry-after": "-3"}, {"retry-after": ""}):
        assert refusals.retry_after_s(nothing) == 0
