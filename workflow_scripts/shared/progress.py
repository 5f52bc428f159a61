"""Progress lines that read well both on a terminal and in a log file."""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bar(total: int | None = None, description: str = "", unit: str = "it", done: int = 0) -> tqdm:
    """A tqdm bar on stderr; in a file it becomes one plain line every ten seconds.

    The bar starts at `done`, the part of the total that an earlier, killed job completed.
    """
    in_file = not sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=done,
        desc=description,
        unit=unit,
        mininterval=10 if in_file else 0.1,
        ascii=True,
        ncols=90,
        file=_Lines() if in_file else sys.stderr,
    )


def track(
    items: Iterable[T], total: int | None = None, description: str = "", unit: str = "it"
) -> Iterator[T]:
    """Iterate with a bar."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with bar(total, description, unit) as progress:
        for item in items:
            yield item
            progress.update()


class _Lines:
    """Turn the carriage returns with which tqdm rewrites its line into line ends, for log files."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()
