"""Multiple-choice questions from a user's file, in the style of SimpleQA or GSM-MC.

JSON lines (`.jsonl`) or CSV with a header. A row has `question`; `options` (a list, JSON lines
only) or columns `A`, `B`, …; and `answer`, the letter or the text of the right option. Keys may be
in upper or lower case.
"""

from pathlib import Path
from typing import Any, NamedTuple

from workflow_scripts.change_of_mind.wording import LETTERS
from workflow_scripts.shared import user_files
from workflow_scripts.shared.user_files import FileError

__all__ = ["FileError", "Item", "read"]

TOO_MANY = "EFGHIJ"  # columns of options that a question cannot have


class Item(NamedTuple):
    """A question; `right` is the index of the right option."""

    question: str
    options: tuple[str, ...]
    right: int


def read(path: str | Path) -> list[Item]:
    """The questions of a file, with two to four options each.

    Raises `FileError` for another kind of file, an empty one, or a line that lacks something.
    """
    return [_item(row, f"{path}: line {number}") for number, row in user_files.rows(path)]


def _item(row: dict[str, Any], where: str) -> Item:
    fields = {str(key).lower(): value for key, value in row.items()}
    question, answer = (user_files.value(fields, where, key) for key in ("question", "answer"))
    options = _options(fields, where)
    if not 2 <= len(options) <= len(LETTERS):
        raise FileError(
            f"{where}: found {len(options)} options, allowed: 2 to {len(LETTERS)}; give them as "
            "`options`, or in columns A, B, …"
        )
    if len(set(options)) < len(options):
        raise FileError(f"{where}: found equal options, expected distinct ones; change one")
    letters = LETTERS[: len(options)]
    right = {options.index(answer)} if answer in options else set()
    right |= {letters.index(answer.upper())} if answer.upper() in letters else set()
    if not right:
        raise FileError(
            f"{where}: found answer {answer!r}, allowed: a letter of {letters} or an option's text"
        )
    if len(right) > 1:
        raise FileError(
            f"{where}: found answer {answer!r}, the letter of one option and the text of another; "
            "give the right option's letter and change its text"
        )
    return Item(question, options, right.pop())


def _options(fields: dict[str, Any], where: str) -> tuple[str, ...]:
    """The options in order. Raises `FileError` for a gap, which would move the letters."""
    listed = fields.get("options")
    if listed is None:
        names = [letter.lower() for letter in LETTERS + TOO_MANY]
        given = [fields.get(name) for name in names]
        filled = [at for at, each in enumerate(given) if each is not None and str(each).strip()]
        listed = given[: max(filled, default=-1) + 1]
    if not isinstance(listed, list):
        raise FileError(f"{where}: expected a list of options, found {listed!r}; write [...]")
    found = {f"option {number}": option for number, option in enumerate(listed, start=1)}
    return tuple(user_files.value(found, where, name) for name in found)
