"""Tables in parts: the same bytes as whole ones, and no more memory for more parts."""

import math
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pandera.pandas import Column, DataFrameSchema

from workflow_scripts.shared import schemas, tables

NOTE = {"seed": 1, "commit": "abc"}


def frame(rows, start=0):
    at = np.arange(start, start + rows)
    text = [None if i % 7 == 0 else f"reply {i} " * (i % 5) for i in at]
    return pd.DataFrame({"id": at, "text": pd.Series(text, dtype="string"), "x": at / 3})


@pytest.mark.parametrize("cuts", [[4096, 4096, 3000], [11192], [4096, 7096]])
def test_parts_give_the_bytes_of_the_whole(tmp_path, cuts):
    whole = frame(sum(cuts))
    starts = np.cumsum([0, *cuts[:-1]])
    tables.write(whole, tmp_path / "whole", provenance=NOTE)
    tables.write_parts(
        (whole[at : at + rows] for at, rows in zip(starts, cuts, strict=True)),
        tmp_path / "parts",
        NOTE,
    )
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    assert tables.provenance(tmp_path / "parts") == NOTE


def test_a_large_table_is_cut_into_row_groups_without_a_changed_value(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "GROUP_BYTES", 50_000)
    tables.write_parts((frame(500, at) for at in range(0, 10_000, 500)), tmp_path / "parts", NOTE)
    assert pq.ParquetFile(tmp_path / "parts").num_row_groups > 5
    pd.testing.assert_frame_equal(tables.read(tmp_path / "parts"), frame(10_000))


def test_a_part_that_fails_leaves_no_file(tmp_path):
    def parts():
        yield frame(10)
        raise RuntimeError("engine gone")

    with pytest.raises(RuntimeError, match="engine gone"):
        tables.write_parts(parts(), tmp_path / "parts", NOTE)
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_number_of_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "GROUP_BYTES", 200_000)

    def peak(parts):
        tracemalloc.start()
        try:
            made = (frame(1000, 1000 * i) for i in range(parts))
            tables.write_parts(made, tmp_path / str(parts), NOTE)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)
    few, many = peak(4), peak(40)
    assert many < 2 * few


def test_missing_columns_are_named_in_one_line(tmp_path):
    tables.write(frame(3), tmp_path / "old.parquet")
    with pytest.raises(tables.TableError) as error:
        tables.read(tmp_path / "old.parquet", schemas.REQUESTS)
    (line,) = str(error.value).splitlines()
    assert "expected columns of requests, missing: request_id, item, messages" in line


CONTRACT = DataFrameSchema(
    {
        "correct": Column(bool),
        "chain": Column(int),
        "tokens": Column("Int64", nullable=True),
        "text": Column(str),
    },
    coerce=True,
    name="made",
)


def row(**changes):
    return pd.DataFrame([{"correct": True, "chain": 0, "tokens": 3, "text": "a"} | changes])


@pytest.mark.parametrize(
    ("changes", "found", "expected"),
    [
        ({"correct": None}, "None", "a value"),
        ({"correct": math.nan}, "nan", "a value"),
        ({"correct": "False"}, "'False'", "true or false"),
        ({"correct": 2}, "2", "true or false"),
        ({"chain": 0.9}, "0.9", "a whole number"),
        ({"chain": "one"}, "'one'", "a whole number"),
        ({"tokens": 3.99}, "3.99", "a whole number"),
        ({"text": None}, "None", "a value"),
    ],
)
def test_a_value_that_coercion_would_change_is_refused(changes, found, expected):
    table = pd.concat([row(), row(**changes)], ignore_index=True)
    with pytest.raises(tables.TableError, match=f"row 1: found .*{found}.*, expected {expected}"):
        tables.check(table, "made.parquet", CONTRACT)


def test_what_coercion_keeps_is_accepted():
    table = pd.concat([row(chain=2.0, tokens=None), row(correct=False, chain="7")])
    checked = tables.check(table, "made.parquet", CONTRACT)
    assert checked["chain"].tolist() == [2, 7]
    assert checked["correct"].tolist() == [True, False]
    assert checked["tokens"].isna().tolist() == [True, False]


def test_large_whole_numbers_beside_missing_ones_keep_every_digit():
    table = pd.concat([row(tokens=2**62 + 1), row(tokens=None), row(tokens=str(2**62 + 3))])
    checked = tables.check(table.reset_index(drop=True), "made.parquet", CONTRACT)
    assert checked["tokens"].tolist()[::2] == [2**62 + 1, 2**62 + 3]
