"""Which rows of a table of scores were read, by a claim's test or by a figure.

Both read scores through `measurements.select` and `measurements.measured`, which note here what
they were given. A row is known by its number in `scores.parquet`, from 0. Nothing is noted outside
of `noting`.
"""

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ROWS = "rows"  # in `attrs` of a row that stands for several, their numbers
SAME = ["experiment", "model", "metric"]  # a row has these in common with the row of its number

Ranges = list[list[int]]  # [first, last] of neighbouring rows, both included


@dataclass
class Read:
    """The numbers of the rows of `table` that were read so far."""

    table: "pd.DataFrame"
    rows: set[int] = field(default_factory=set)

    def known(self, rows: "pd.DataFrame") -> list[int]:
        """The numbers of the rows, or none for a frame that has rows of its own.

        A merged or pivoted frame counts anew from 0: its rows differ from those of these numbers.
        """
        numbered = self.table.index.is_unique and rows.index.isin(self.table.index).all()
        if rows.empty or not numbered or not set(SAME) <= set(rows):
            return []
        there = self.table.loc[rows.index, SAME]
        if any((there[name].to_numpy() != rows[name].to_numpy()).any() for name in SAME):
            return []
        return [int(number) for number in rows.index]


_open: ContextVar[Read | None] = ContextVar("_open", default=None)


@contextlib.contextmanager
def noting(table: "pd.DataFrame") -> Iterator[Read]:
    """Note which rows of `table`, numbered from 0 by its index, the block reads."""
    read = Read(table)
    token = _open.set(read)
    try:
        yield read
    finally:
        _open.reset(token)


def note(rows: "pd.DataFrame") -> None:
    """Note that these rows were selected."""
    if (read := _open.get()) is not None:
        read.rows.update(read.known(rows))


def mark(row: "pd.Series", rows: "pd.DataFrame") -> None:
    """Note in a row that it stands for several, as the least of them does."""
    if (read := _open.get()) is not None:
        row.attrs[ROWS] = read.known(rows)


def behind(row: "pd.Series") -> tuple[int, ...]:
    """The numbers of the rows that a measured row is taken from; none if they are not known."""
    if (read := _open.get()) is None:
        return ()
    return tuple(row.attrs.get(ROWS) or read.known(row.to_frame().T))


def ranges(rows: Iterable[int]) -> Ranges:
    """The row numbers as ascending ranges."""
    found: Ranges = []
    for row in sorted(set(rows)):
        if found and found[-1][1] == row - 1:
            found[-1][1] = row
        else:
            found.append([row, row])
    return found


def numbers(found: Ranges) -> list[int]:
    """The row numbers in the ranges."""
    return [row for first, last in found for row in range(first, last + 1)]
