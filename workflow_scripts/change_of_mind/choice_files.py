"""Multiple-choice questions from a user's file, in the style of SimpleQA or GSM-MC.

JSON lines (`.jsonl`) or CSV with a header. A row has `question`; `options` (a list, JSON lines
only) or columns `A`, `B`, …; and `answer`, the letter or the text of the right option. Keys may be
in upper or lower case.
"""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

from workflow_scripts.change_of_mind.wording import LETTERS


class FileError(ValueError):
    """A file or row that cannot be used; the message names file, row and problem."""


class Item(NamedTuple):
    """A question; `right` is the index of the right option."""

    question: str
    options: tuple[str, ...]
    right: int


def read(path: str | Path) -> list[Item]:
    """The questions of a file, with two to four options each.

    Raises `FileError` for another kind of file, an empty one, or a row that lacks something.
    """
    path = Path(path)
    with path.open(encoding="utf-8", newline="") as stream:
        if path.suffix == ".jsonl":
            rows: list[Any] = [json.loads(line) for line in stream if line.strip()]
        elif path.suffix == ".csv":
            rows = list(csv.DictReader(stream))
        else:
            raise FileError(f"{path}: found {path.suffix or 'no suffix'}, allowed: .jsonl, .csv")
    if not rows:
        raise FileError(f"{path}: found no questions, expected at least one")
    return [_item(row, f"{path}: row {number}") for number, row in enumerate(rows, start=1)]


def _item(row: dict[str, Any], where: str) -> Item:
    fields = {str(key).lower(): value for key, value in row.items()}
    for key in ("question", "answer"):
        if not str(fields.get(key) or "").strip():
            raise FileError(f"{where}: expected a value for {key}, found none")
    listed = fields.get("options") or [fields.get(letter.lower()) for letter in LETTERS]
    options = tuple(str(option).strip() for option in listed if option not in (None, ""))
    if not 2 <= len(options) <= len(LETTERS):
        raise FileError(f"{where}: found {len(options)} options, allowed: 2 to {len(LETTERS)}")
    answer = str(fields["answer"]).strip()
    letters = LETTERS[: len(options)]
    if answer.upper() in letters:
        right = letters.index(answer.upper())
    elif answer in options:
        right = options.index(answer)
    else:
        raise FileError(
            f"{where}: found answer {answer!r}, allowed: a letter of {letters} or an option's text"
        )
    return Item(str(fields["question"]).strip(), options, right)
