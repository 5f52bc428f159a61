"""What the benchmarks share: alternating measurements, a table, a history file.

Ways of doing the same work alternate, so that a busy machine slows all of them equally. Times are
those of the fastest round, as `timeit` recommends; the spread is the range of the ratios over
rounds. `history/` is not part of the project: each machine has its own.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

HISTORY = Path(__file__).parent / "history"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workflow_scripts.shared import provenance  # noqa: E402

Ways = Mapping[Any, Callable[[], Any]]


def in_turns(
    ways: Ways,
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> dict[Any, list[float]]:
    """Seconds of each way in each round, after `warm_up` rounds that are not counted."""
    taken: dict[Any, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + rounds):
        for name, way in ways.items():
            start = clock()
            way()
            if turn >= warm_up:
                taken[name].append(clock() - start)
    return taken


def rows(case: str, taken: dict[str, list[float]], **notes: Any) -> list[dict[str, Any]]:
    """One row per baseline; the first way is ours. `ratio` is the baseline's time over ours."""
    ours, *peers = taken
    found = []
    for peer in peers:
        ratios = sorted(theirs / own for theirs, own in zip(taken[peer], taken[ours], strict=True))
        found.append(
            {
                "case": case,
                "ours": ours,
                "peer": peer,
                "ours_ms": round(1000 * min(taken[ours]), 3),
                "peer_ms": round(1000 * min(taken[peer]), 3),
                "ratio": round(min(taken[peer]) / min(taken[ours]), 2),
                "spread": [round(ratios[0], 2), round(ratios[-1], 2)],
                "rounds": len(ratios),
                **notes,
            }
        )
    return found


def peak_mb(run: Callable[[], Any]) -> float:
    """Peak memory of a call in MB, beyond what the process held before it (Linux)."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    reset.write_text("5")  # resets the peak to what is held now
    before = _held_mb(status, "VmRSS")
    run()
    return round(max(0.0, _held_mb(status, "VmHWM") - before), 1)


def _held_mb(status: Path, name: str) -> float:
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines[name].split()[0]) / 1024


def report(benchmark: str, found: Iterable[dict[str, Any]]) -> None:
    """Print the rows as a table and add them to the benchmark's history."""
    from rich.console import Console
    from rich.table import Table

    found = list(found)
    note = {
        "commit": provenance.commit(),
        "versions": provenance.versions(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    HISTORY.mkdir(exist_ok=True)
    with (HISTORY / f"{benchmark}.jsonl").open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row | note) + "\n" for row in found)
    columns = list(dict.fromkeys(key for row in found for key in row))
    table = Table(*columns, title=benchmark, title_justify="left")
    for row in found:
        table.add_row(*(_text(row.get(column)) for column in columns))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " to ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value if value else "")
