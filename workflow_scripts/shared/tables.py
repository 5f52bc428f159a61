"""Parquet tables, checked at every boundary and carrying their own provenance."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

from workflow_scripts.shared import files

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

PROVENANCE_KEY = b"faultlines"
INT64 = 2**63  # whole numbers of a table are below
GROUP_BYTES = 1 << 25  # held in memory of a table that is written in parts


class TableError(ValueError):
    """A table that does not fit its schema; the message names file, column and row."""


def write(
    frame: pd.DataFrame,
    path: str | Path,
    schema: "DataFrameSchema | None" = None,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Check `frame` and write it to `path`, whole or not at all, with its provenance.

    Raises `TableError` if a value does not fit the schema.
    """
    write_parts([check(frame, path, schema)], path, provenance)


def write_parts(
    parts: Iterable[pd.DataFrame], path: str | Path, provenance: dict[str, Any] | None = None
) -> None:
    """Write a table from one or more parts, already checked, whole or not at all.

    Parts are gathered into row groups of `GROUP_BYTES`, so memory does not grow with the table.
    Up to that size the file equals that of `write`, byte for byte.
    """
    with in_parts(path, provenance) as append:
        for part in parts:
            append(part)


@contextmanager
def in_parts(
    path: str | Path, provenance: dict[str, Any] | None = None
) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A function that appends parts to a table, which is written as `write_parts` writes it."""
    note = json.dumps(provenance or {}, sort_keys=True, default=str).encode()
    held: list[pa.Table] = []
    writers: list[pq.ParquetWriter] = []

    with files.atomic(path) as temporary, ExitStack() as stack:

        def append(part: pd.DataFrame) -> None:
            table = pa.Table.from_pandas(part, preserve_index=False)
            if not writers:  # the first part sets the types
                known = {**(table.schema.metadata or {}), PROVENANCE_KEY: note}
                schema = table.schema.with_metadata(known)
                writer = pq.ParquetWriter(temporary, schema, compression="zstd")
                writers.append(stack.enter_context(writer))
            if sum(each.nbytes for each in held) >= GROUP_BYTES:
                flush()
            held.append(table.cast(writers[0].schema))

        def flush() -> None:
            # One chunk per column: pages then end where they end in a table of one part.
            writers[0].write_table(pa.concat_tables(held).combine_chunks())
            held.clear()

        yield append
        flush()


def read(path: str | Path, schema: "DataFrameSchema | None" = None) -> pd.DataFrame:
    """Read and check a table. Raises `TableError` naming file, column and row."""
    try:
        frame = pq.read_table(path).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{path}: cannot be read as Parquet ({error})") from error
    return check(frame, path, schema)


def provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write` stored in the file."""
    return json.loads((pq.read_schema(path).metadata or {}).get(PROVENANCE_KEY, b"{}"))


def check(frame: pd.DataFrame, path: str | Path, schema: "DataFrameSchema | None") -> pd.DataFrame:
    """The frame with its columns coerced to the schema. Raises `TableError` if one does not fit."""
    if schema is None:
        return frame
    from pandera.errors import SchemaErrors

    frame = _exact(frame, path, schema)
    try:
        return schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        lost = cases[cases["check"] == "column_in_dataframe"]["failure_case"]
        if len(lost):
            names = ", ".join(map(str, lost))
            raise TableError(
                f"{path}: expected columns of {schema.name}, missing: {names}"
            ) from None
        first = cases.iloc[0]
        row = "" if pd.isna(first["index"]) else f", row {first['index']}"
        column = first["column"] if pd.notna(first["column"]) else first["failure_case"]
        if first["schema_context"] == "DataFrameSchema" and row:
            column = "(whole row)"
        more = f" ({len(cases) - 1} more)" if len(cases) > 1 else ""
        raise TableError(
            f"{path}: column {column!r}{row}: found {first['failure_case']!r}, "
            f"expected {first['check']}{more}"
        ) from errors


def _exact(frame: pd.DataFrame, path: str | Path, schema: "DataFrameSchema") -> pd.DataFrame:
    """The frame with numbers and truth values of other types converted, none of them changed.

    Coercion alone makes a missing truth value True, the text "False" True, 3.99 three and 1e30 any
    number. Raises `TableError` for such a value.
    """
    converted = {}
    for name, column in schema.columns.items():
        if name not in frame:
            continue
        values, kind = frame[name], str(column.dtype).lower()
        wrong, expected = (values.isna() & (not column.nullable)), "a value"
        if not wrong.any() and kind.startswith("bool") and not is_bool_dtype(values):
            wrong, expected = ~values.isin([True, False]) & values.notna(), "true or false"
            change: Any = bool
        elif not wrong.any() and kind.startswith("int") and not is_integer_dtype(values):
            numbers = pd.to_numeric(values, errors="coerce")
            if is_bool_dtype(values):  # a truth value is no number
                numbers = pd.Series(float("nan"), values.index)
            whole = (numbers % 1 == 0) & (numbers.abs() < INT64)
            wrong, expected, change = values.notna() & ~whole, "a whole number", _whole
        elif not wrong.any() and kind.startswith("float") and not is_numeric_dtype(values):
            numbers = pd.to_numeric(values, errors="coerce")
            wrong, expected, change = values.notna() & numbers.isna(), "a number", float
        elif not wrong.any():
            continue
        if wrong.any():
            row = wrong.to_numpy().argmax()
            more = f" ({int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
            raise TableError(
                f"{path}: column {name!r}, row {row}: found {values.iloc[row]!r}, "
                f"expected {expected}{more}"
            )
        listed = [
            None if missing else change(each)
            for each, missing in zip(values, values.isna(), strict=True)
        ]
        converted[name] = pd.Series(listed, frame.index, dtype=object)
    return frame.assign(**converted) if converted else frame


def _whole(value: Any) -> int:
    """A number that is known to be whole; text keeps digits that a float would lose."""
    try:
        return int(value)
    except ValueError:
        return int(float(value))
