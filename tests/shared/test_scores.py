"""Rows of scores and their selection: what cannot be right is refused in one line."""

import numpy as np
import pytest

from workflow_scripts.shared import measurements, scores


@pytest.fixture
def table():
    rows = [
        scores.mean("E1", "loss", [1.0, 2.0 + size], model="a", size=size) for size in (1, 2, 3)
    ]
    return scores.table([rows], ["size"], whole=["size"])


def pick(table, **wanted):
    return measurements.select(table, seeds="any", undefined="keep", **wanted)["size"].tolist()


@pytest.mark.parametrize("kind", [list, tuple, set, range, "array"])
def test_one_of_several_values_whatever_holds_them(table, kind):
    values = {range: range(2, 5), "array": np.array([2, 9, 3])}.get(kind)
    assert pick(table, size=kind([2, 3]) if values is None else values) == [2, 3]


def test_an_unknown_column_is_named(table):
    with pytest.raises(LookupError, match="no column 'sise' among experiment, size"):
        pick(table, sise=1)


def test_a_table_without_rows_says_so():
    with pytest.raises(ValueError, match="expected rows, found none"):
        scores.table([[]], ["size"])


@pytest.mark.parametrize("hits", [-1, 3])
def test_a_share_lies_between_0_and_1(hits):
    with pytest.raises(ValueError, match=f"E1 right: expected 0 to 2 hits, found {hits}"):
        scores.share("E1", "right", hits, 2, units="questions")
