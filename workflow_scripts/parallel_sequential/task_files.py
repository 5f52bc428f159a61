"""Questions from the user's files: AIME-style mathematics, LiveCodeBench-style code.

Files are JSON lines, or CSV with these columns, in upper or lower case. Mathematics has `problem`
(or `question`), `answer` and optionally `id` and `level`. Code has the fields of LiveCodeBench's
releases: `question_id`, `question_content`, `starter_code`, `contest_date`, `difficulty`,
`metadata` (with `func_name`), `public_test_cases` and `private_test_cases`; tests are JSON or in
LiveCodeBench's packed form.
"""

import base64
import io
import json
import pickle
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflow_scripts.shared import user_files
from workflow_scripts.shared.user_files import FileError, Row

DATE = re.compile(r"\d{4}-\d\d-\d\d")


class _TextOnly(pickle.Unpickler):
    """Loads a pickled string and refuses anything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"expected tests as pickled text, found {module}.{name}")


def mathematics(path: str | Path) -> Iterator[dict[str, Any]]:
    """Questions of a file of mathematics. Raises `FileError` for a line without its fields."""
    for number, line in _named(path, "id"):
        where = f"{path}: line {number}"
        yield {
            "question": _name(line, "id", number),
            "level": _name(line, "level", "file"),
            "text": user_files.value(line, where, "problem", "question"),
            "answer": user_files.value(line, where, "answer"),
        }


def code(path: str | Path, since: str = "") -> Iterator[dict[str, Any]]:
    """Tasks of a LiveCodeBench-style file whose contest is on or after `since` (ISO date).

    Raises `FileError` for a line without the fields, or with tests that cannot be unpacked.
    """
    for number, line in _named(path, "question_id"):
        where = f"{path}: line {number}"
        date = _name(line, "contest_date", "")
        if date and not DATE.match(date):
            raise FileError(
                f"{where}: expected contest_date as year-month-day, found {date!r}; write it so"
            )
        if date < since:
            continue
        text = user_files.value(line, where, "question_content")
        try:
            name = _metadata(line).get("func_name") or ""
            public, hidden = (
                [_test(test, bool(name)) for test in _unpacked(line[key])]
                for key in ("public_test_cases", "private_test_cases")
            )
            if starter := line.get("starter_code") or "":
                text += f"\n\nStart from:\n{starter}"
            yield {
                "question": user_files.value(line, where, "question_id"),
                "level": _name(line, "difficulty", "file"),
                "text": text if name else text + "\n\nRead standard input, write standard output.",
                "kind": "call" if name else "stdin",
                "function": name,
                "public": json.dumps(public),
                "hidden": json.dumps(hidden),
            }
        except FileError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise _not_a_task(where, error) from error
        except (EOFError, pickle.UnpicklingError, zlib.error) as error:
            raise _not_a_task(where, error) from error


def _not_a_task(where: str, error: Exception) -> FileError:
    return FileError(
        f"{where}: expected the fields of LiveCodeBench, found {type(error).__name__}: {error}; "
        "take the line from a release again"
    )


def _named(path: str | Path, key: str) -> Iterator[tuple[int, Row]]:
    """The rows of a file. Raises `FileError` for a second one with the same name under `key`."""
    seen: dict[str, int] = {}
    for number, found in user_files.rows(path):
        row = {str(column).lower(): value for column, value in found.items()}
        name = _name(row, key, number)
        if name in seen:
            raise FileError(
                f"{path}: line {number}: found {key} {name!r} again, as in line {seen[name]}; "
                "give each question its own"
            )
        seen[name] = number
        yield number, row


def _name(row: Row, key: str, otherwise: object) -> str:
    """A value of a row as text, or another one where it is missing or null."""
    found = row.get(key)
    return str(otherwise if found is None or found == "" else found)


def _metadata(line: dict[str, Any]) -> dict[str, Any]:
    found = line.get("metadata") or {}
    return json.loads(found) if isinstance(found, str) else found


def _unpacked(tests: Any) -> list[dict[str, Any]]:
    if isinstance(tests, list):
        return tests
    try:
        return json.loads(tests)
    except json.JSONDecodeError:
        packed = zlib.decompress(base64.b64decode(tests))
        return json.loads(_TextOnly(io.BytesIO(packed)).load())


def _test(test: dict[str, Any], call: bool) -> dict[str, Any]:
    """A test with JSON values: for a call its arguments, one per line; otherwise text."""
    for key in ("input", "output"):
        if not isinstance(test[key], str):
            raise TypeError(f"expected text as {key} of a test, found {json.dumps(test[key])}")
    if not call:
        return {"input": test["input"], "expected": test["output"]}
    arguments = [json.loads(line) for line in test["input"].split("\n") if line.strip()]
    return {"input": arguments, "expected": json.loads(test["output"])}
