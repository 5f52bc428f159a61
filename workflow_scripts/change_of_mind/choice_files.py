"""Multiple-choice questions from a file of the user's: SimpleQA- and GSM-MC-style.

JSON lines (`.jsonl`) or CSV with a header. A row holds `question`; `options` (a list; in CSV
not possible) or columns `A`, `B`, …; and `answer`: the letter or the text of the right option.
Keys in any case.
"""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

from workflow_scripts.change_of_mind.wording import LETTERS


class FileError(ValueError):
    """A row that cannot be used; the message names file, row and what is missing."""


class Item(NamedTuple):
    question: str
    options: tuple[str, ...]
    right: int


def read(path: str | Path) -> list[Item]:
    """The questions of a file, two to four options each. Raises `FileError`."""
    path = Path(path)
    with path.open(encoding="utf-8", newline="") as stream:
        if path.suffix == ".jsonl":
            rows: list[Any] = [json.loads(line) for line in stream if line.strip()]
        elif path.suffix == ".csv":
            rows = list(csv.DictReader(stream))
        else:
            raise FileError(f"{path}: found {path.suffix or 'no ending'}, allowed: .jsonl, .csv")
    if not rows:
        raise FileError(f"{path}: holds no questions")
    return [_item(row, f"{path}: row {number}") for number, row in enumerate(rows, start=1)]


def _item(row: dict[str, Any], where: str) -> Item:
    fields = {str(key).lower(): value for key, value in row.items()}
    for key in ("question", "answer"):
        if not str(fields.get(key) or "").strip():
            raise FileError(f"{where}: no {key}")
    listed = fields.get("options") or [fields.get(letter.lower()) for letter in LETTERS]
    options = tuple(str(option).strip() for option in listed if option not in (None, ""))
    if not 2 <= len(options) <= len(LETTERS):
        raise FileError(f"{where}: {len(options)} options, allowed: 2 to {len(LETTERS)}")
    answer = str(fields["answer"]).strip()
    letters = LETTERS[: len(options)]
    if answer.upper() in letters:
        right = letters.index(answer.upper())
    elif answer in options:
        right = options.index(answer)
    else:
        raise FileError(
            f"{where}: answer {answer!r} is neither a letter of {letters} nor an option"
        )
    return Item(str(fields["question"]).strip(), options, right)
