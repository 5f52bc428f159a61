"""The user's files: text, and rows of JSON lines or CSV.

Everything that cannot be read is refused in one line with file, line and remedy.
"""

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

SUFFIXES = (".jsonl", ".json", ".csv")
UTF16 = (b"\xff\xfe", b"\xfe\xff")
AS_UTF8 = "save it as UTF-8 (Excel: CSV UTF-8)"

Row = dict[str, Any]


class FileError(ValueError):
    """A file or line that cannot be used; the message names file, line, problem and remedy."""


def text(path: str | Path) -> str:
    """The file's text without a byte order mark. Raises `FileError` for another encoding."""
    with Path(path).open("rb") as stream:
        return "".join(line for _, line in _lines(path, stream))


def rows(path: str | Path) -> Iterator[tuple[int, Row]]:
    """Line number and content of each row: an object of JSON lines, or a row of a CSV's columns.

    Raises `FileError` for a file of another kind, an empty one, and a line that is not a row.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        allowed = ", ".join(SUFFIXES)
        raise FileError(
            f"{path}: found {suffix or 'no suffix'}, allowed: {allowed}; save it as one of them"
        )
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise FileError(f"{path}: expected a file, found {found}; correct the path")
    none = True
    for each in _csv(path) if suffix == ".csv" else _json_lines(path):
        none = False
        yield each
    if none:
        raise FileError(f"{path}: found no rows, expected at least one; check the file")


def _lines(path: str | Path, stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """Number and text of each line. Only a line feed ends one: text may hold U+2028 or U+0085."""
    for number, line in enumerate(stream, start=1):
        where = f"{path}: line {number}"
        if number == 1 and (line.startswith(UTF16) or b"\0" in line):
            raise FileError(f"{where}: expected UTF-8, found UTF-16; {AS_UTF8}")
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            found = f"byte 0x{error.object[error.start]:02x}"
            raise FileError(f"{where}: expected UTF-8, found {found}; {AS_UTF8}") from None


def _json_lines(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as stream:  # line by line: releases of LiveCodeBench have gigabytes
        for number, line in _lines(path, stream):
            if line.strip():
                yield number, _object(line, f"{path}: line {number}")


def _object(line: str, where: str) -> Row:
    def refuse_constant(name: str) -> None:
        raise ValueError(f"expected a finite number, found {name}")

    try:
        # As text, a number keeps the digits that a float would lose.
        row = json.loads(line, parse_constant=refuse_constant, parse_float=str)
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise FileError(
            f"{where}: expected text, found half of a character (a lone surrogate); remove it"
        ) from None
    except json.JSONDecodeError as error:
        if line.lstrip().startswith("["):
            raise FileError(
                f"{where}: expected a JSON object, found an array; write one object per line"
            ) from None
        raise FileError(
            f"{where}: expected JSON, one object per line: {error.msg} at column {error.colno}; "
            "correct the line, or write the whole object on one line"
        ) from None
    except (ValueError, RecursionError) as error:
        raise FileError(
            f"{where}: expected JSON, one object per line: {error}; correct the line"
        ) from None
    if not isinstance(row, dict):
        raise FileError(
            f"{where}: expected a JSON object, found {type(row).__name__}; write one "
            "object per line"
        )
    return row


def _csv(path: Path) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(sys.maxsize)  # packed tests of a code task have megabytes
    lines = csv.reader(io.StringIO(text(path), newline=""), strict=True)
    header: list[str] = []
    start = 1
    while True:
        try:
            fields = next(lines, None)
        except csv.Error as error:
            raise FileError(f"{path}: line {start}: expected CSV: {error}; correct it") from None
        if fields is None:
            return
        where, first = f"{path}: line {start}", start
        start = lines.line_num + 1
        if not any(field.strip() for field in fields):
            continue
        if header:
            if len(fields) != len(header):
                raise FileError(
                    f"{where}: expected {len(header)} fields as in the header, found "
                    f"{len(fields)}; put text with commas or line breaks in double quotes"
                )
            yield first, dict(zip(header, fields, strict=True))
            continue
        header = [field.strip() for field in fields]
        if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
            raise FileError(
                f"{where}: expected commas between the columns, found {header[0]!r}; save it as "
                "CSV with commas"
            )
        if len(set(header)) < len(header) or "" in header:
            raise FileError(
                f"{where}: expected one distinct name per column, found {', '.join(header)!r}; "
                "name the columns in the first line"
            )


def value(row: Row, where: str, *keys: str) -> str:
    """Text of the first of the `keys` that has a value; a number is written as it stands.

    0 is a value; null, blank text, lists and objects are not. Raises `FileError`, which begins
    with `where`.
    """
    found = next((row[key] for key in keys if row.get(key) is not None), None)
    written = isinstance(found, str | int | float) and not isinstance(found, bool)
    if written and (stated := str(found).strip()):
        return stated
    names = " or ".join(keys)
    shown = "none" if found is None else json.dumps(found, ensure_ascii=False)
    raise FileError(
        f"{where}: expected text or a number for {names}, found {shown}; the line has "
        f"{', '.join(map(str, row)) or 'no keys'}"
    )
