"""Questions from the user's files: AIME-style mathematics, LiveCodeBench-style code.

Files are JSON lines. Mathematics has `problem` (or `question`), `answer` and optionally `id` and
`level`. Code has the fields of LiveCodeBench's releases: `question_id`, `question_content`,
`starter_code`, `contest_date`, `difficulty`, `metadata` (with `func_name`), `public_test_cases` and
`private_test_cases`; tests are JSON or in LiveCodeBench's packed form.
"""

import base64
import io
import json
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class TaskFileError(ValueError):
    """A line that is not a question; the message names file, line and field."""


class _TextOnly(pickle.Unpickler):
    """Loads a pickled string and refuses anything that could run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"expected tests as pickled text, found {module}.{name}")


def mathematics(path: str | Path) -> Iterator[dict[str, Any]]:
    """Questions of a file of mathematics. Raises `TaskFileError` for a line without its fields."""
    for number, line in _lines(path):
        text = line.get("problem", line.get("question"))
        if not isinstance(text, str) or "answer" not in line:
            raise TaskFileError(
                f"{path}, line {number}: expected problem (or question) and answer, found "
                f"{', '.join(line)}"
            )
        yield {
            "question": str(line.get("id", number)),
            "level": str(line.get("level", "file")),
            "text": text,
            "answer": str(line["answer"]),
        }


def code(path: str | Path, since: str = "") -> Iterator[dict[str, Any]]:
    """Tasks of a LiveCodeBench-style file whose contest is on or after `since` (ISO date).

    Raises `TaskFileError` for a line without the fields, or with tests that cannot be unpacked.
    """
    for number, line in _lines(path):
        try:
            if str(line.get("contest_date", "")) < since:
                continue
            name = _metadata(line).get("func_name", "")
            public, hidden = (
                [_test(test, bool(name)) for test in _unpacked(line[key])]
                for key in ("public_test_cases", "private_test_cases")
            )
            starter = line.get("starter_code", "")
            text = line["question_content"] + (f"\n\nStart from:\n{starter}" if starter else "")
            yield {
                "question": str(line["question_id"]),
                "level": str(line.get("difficulty", "file")),
                "text": text if name else text + "\n\nRead standard input, write standard output.",
                "kind": "call" if name else "stdin",
                "function": name,
                "public": json.dumps(public),
                "hidden": json.dumps(hidden),
            }
        except (KeyError, TypeError, ValueError, pickle.UnpicklingError, zlib.error) as error:
            raise TaskFileError(
                f"{path}, line {number}: expected the fields of LiveCodeBench, found "
                f"{type(error).__name__}: {error}"
            ) from error


def _lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise TaskFileError(f"{path}, line {number}: expected JSON: {error}") from error


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
    if not call:
        return {"input": test["input"], "expected": test["output"]}
    arguments = [json.loads(line) for line in test["input"].splitlines() if line.strip()]
    return {"input": arguments, "expected": json.loads(test["output"])}
