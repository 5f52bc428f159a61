"""Parquet tables, checked at every boundary and carrying their own provenance."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_integer_dtype

from workflow_scripts.shared import files

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

PROVENANCE_KEY = b"faultlines"
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
    note = json.dumps(provenance or {}, sort_keys=True, default=str).encode()
    rest = iter(parts)
    first = pa.Table.from_pandas(next(rest), preserve_index=False)
    schema = first.schema.with_metadata({**(first.schema.metadata or {}), PROVENANCE_KEY: note})
    with (
        files.atomic(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for group in _groups(first, rest, schema):
            writer.write_table(group)


def _groups(first: pa.Table, rest: Iterator[pd.DataFrame], schema: pa.Schema) -> Iterator[pa.Table]:
    """The parts gathered into tables of at least `GROUP_BYTES`, except the last one."""
    held = [first.cast(schema)]
    for part in rest:
        if sum(table.nbytes for table in held) >= GROUP_BYTES:
            # One chunk per column: pages then end where they end in a table of one part.
            yield pa.concat_tables(held).combine_chunks()
            held.clear()
        held.append(pa.Table.from_pandas(part, preserve_index=False).cast(schema))
    yield pa.concat_tables(held).combine_chunks()


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

    _refuse_lossy(frame, path, schema)
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


def _refuse_lossy(frame: pd.DataFrame, path: str | Path, schema: "DataFrameSchema") -> None:
    """Raise `TableError` for a value that coercion would turn into another one.

    Coercion makes a missing truth value True, the text "False" True, and 3.99 three.
    """
    for name, column in schema.columns.items():
        if name not in frame:
            continue
        values, kind = frame[name], str(column.dtype).lower()
        wrong = None
        if not column.nullable and values.isna().any():
            wrong, expected = values.isna(), "a value"
        elif kind == "bool" and values.dtype != bool:
            wrong, expected = ~values.isin([True, False]) & values.notna(), "true or false"
        elif kind.startswith("int") and not is_integer_dtype(values):
            numbers = pd.to_numeric(values, errors="coerce")
            wrong, expected = values.notna() & ~(numbers % 1 == 0), "a whole number"
        if wrong is not None and wrong.any():
            row = wrong.to_numpy().argmax()
            more = f" ({int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
            raise TableError(
                f"{path}: column {name!r}, row {row}: found {values.iloc[row]!r}, "
                f"expected {expected}{more}"
            )
