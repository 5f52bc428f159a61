"""Two runs side by side: which measurements are equal, within their intervals, or apart.

    python -m workflow_scripts.publish.compare RUN RUN [--models NAME NAME]

Each run is a folder with `results/scorecard.parquet`, or a file with a scorecard (Parquet, or the
CSV that `--keep` writes). With `--models`, a model of the first run is compared with one of the
second.
"""

import argparse
import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from workflow_scripts.publish.scorecard import about, measured_text, records
from workflow_scripts.shared import files, tables, terminal_text
from workflow_scripts.shared.fingerprint import ROOT

KEY = ["study", "id", "model", "condition"]
NUMBERS = ["value", "ci_low", "ci_high"]
COLUMNS = [*KEY, "quantity", *NUMBERS, "exact", "n", "units", "verdict", "scale"]
# The same number, computed in another order: relative, and for errors that are 0 but for rounding.
TOLERANCE, ROUNDING = 1.0e-6, 1.0e-12
REFERENCE = ROOT / "resources/reference/default.csv"  # of a default run, kept in the repository
MOST_LINES = 20


class Relation(StrEnum):
    """How two measurements of one quantity lie to each other."""

    EQUAL = "equal"  # to the digits that the scorecard shows
    WITHIN = "within their intervals"
    APART = "apart"
    UNKNOWN = "no interval"


def read(path: str | Path) -> pd.DataFrame:
    """The scorecard of a run's folder, or of a file. Raises `TableError` if there is none."""
    path = Path(path)
    if path.is_dir():
        places = [path / "results/scorecard.parquet", path / "scorecard.parquet"]
        path = next((place for place in places if place.exists()), places[0])
    if path.suffix == ".csv":
        blanks = {name: "" for name in (*NUMBERS, "n")}
        card = pd.read_csv(path, dtype={"id": str}, keep_default_na=False, na_values=blanks)
        # Rows without a measurement have a blank here, which makes the others text.
        if "exact" in card:
            card["exact"] = card["exact"].astype(str).map({"True": True, "False": False})
    else:
        card = tables.read(path)
    if lost := [name for name in COLUMNS if name not in card]:
        raise tables.TableError(f"{path}: expected a scorecard, found none of {', '.join(lost)}")
    return card[COLUMNS].fillna({"model": "", "condition": "", "units": ""})


def side_by_side(
    first: pd.DataFrame, second: pd.DataFrame, models: tuple[str, str] | None = None
) -> pd.DataFrame:
    """One row per measurement that both runs have, with both numbers and their relation.

    With `models`, only lines of the first model of the first run and of the second of the second
    are compared. Columns: study, id, model, condition, quantity; value, ci_low, ci_high, n, verdict
    of each run with the suffixes _a and _b; relation.
    """
    sides = []
    for place, card in enumerate((first, second)):
        rows = card[card["value"].notna()]
        if models:
            rows = rows[rows["model"] == models[place]].assign(model=" / ".join(models))
        sides.append(rows.assign(number=rows.groupby(KEY).cumcount()))
    both = sides[0].merge(
        sides[1].drop(columns="quantity"), on=[*KEY, "number"], suffixes=("_a", "_b")
    )
    relations = [str(_relation(row)) for row in records(both)]
    return both.assign(relation=relations)


def _relation(row: dict[str, Any]) -> Relation:
    a, b = float(row["value_a"]), float(row["value_b"])
    shown = [measured_text(_own(row, side)) for side in ("_a", "_b")]
    if shown[0] == shown[1] or math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=ROUNDING):
        return Relation.EQUAL
    ends = [row[f"{end}_{side}"] for side in "ab" for end in ("ci_low", "ci_high")]
    if any(end is None for end in ends):
        return Relation.UNKNOWN
    # Two independent estimates of one quantity lie further apart than this in 5 % of cases.
    low = a - b - ((a - ends[0]) ** 2 + (ends[3] - b) ** 2) ** 0.5
    high = a - b + ((ends[1] - a) ** 2 + (b - ends[2]) ** 2) ** 0.5
    return Relation.WITHIN if low <= 0 <= high else Relation.APART


def summary(both: pd.DataFrame, first: pd.DataFrame, second: pd.DataFrame) -> str:
    """One line: numbers of measurements per relation, other verdicts, lines of one run only.

    Studies that only one of the runs has are named, and their lines are not counted.
    """
    counts = both["relation"].value_counts()
    parts = [f"{counts[str(each)]} {each}" for each in Relation if str(each) in counts]
    moved = int((both["verdict_a"] != both["verdict_b"]).sum())
    shared = set(first["study"]) & set(second["study"])
    only = [
        int(card["value"][card["study"].isin(shared)].notna().sum()) - len(both)
        for card in (first, second)
    ]
    lacking = [
        f" Studies only in the {place}: {', '.join(names)}."
        for place, card in (("first", first), ("second", second))
        if (names := [name for name in card["study"].unique() if name not in shared])
    ]
    return (
        f"{len(both)} measurements in both: {', '.join(parts) or 'none'}; other verdicts {moved}; "
        f"only in the first {only[0]}, only in the second {only[1]}.{''.join(lacking)}"
    )


def show(both: pd.DataFrame, console: Console) -> None:
    """Print the counts by study, and the measurements that are apart or have other verdicts."""
    table = Table(title="Measurements in both runs", title_justify="left")
    table.add_column("study", no_wrap=True)
    for name in (*Relation, "other verdict"):
        table.add_column(str(name), justify="right")
    for study, rows in both.groupby("study", sort=False):
        counts = rows["relation"].value_counts()
        moved = int((rows["verdict_a"] != rows["verdict_b"]).sum())
        numbers = [str(counts.get(str(relation), 0)) for relation in Relation]
        table.add_row(str(study), *numbers, str(moved))
    console.print(table)
    far = both[(both["relation"] == Relation.APART) | (both["verdict_a"] != both["verdict_b"])]
    for row in records(far.head(MOST_LINES)):
        sides = [_side(row, side) for side in ("_a", "_b")]
        text = f"  {row['study']} {row['id']}{about(row)}: {row['quantity']}: {' | '.join(sides)}"
        console.print(text, markup=False)
    if len(far) > MOST_LINES:
        console.print(f"  … and {len(far) - MOST_LINES} more")


def _own(row: dict[str, Any], side: str) -> dict[str, Any]:
    return {name: row[f"{name}{side}"] for name in (*NUMBERS, "exact", "n", "units", "verdict")}


def _side(row: dict[str, Any], side: str) -> str:
    own = _own(row, side)
    return f"{measured_text(own)}, {own['verdict']}"


def main(runs: list[str], models: tuple[str, str] | None, keep: str | None) -> int:
    """Compare two runs, or keep one as a CSV file; return 1 if one cannot be read."""
    try:
        cards = [read(run) for run in runs]
    except tables.TableError as error:
        print(error, file=sys.stderr)
        return 1
    if keep:
        files.write_text(keep, cards[0].to_csv(index=False, float_format="%.6g"))
        return 0
    both = side_by_side(cards[0], cards[1], models)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    scales = [", ".join(card["scale"].unique()) for card in cards]
    if scales[0] != scales[1]:
        console.print(f"The runs have different scales: {scales[0]} and {scales[1]}.")
    show(both, console)
    console.print(summary(both, *cards), markup=False)
    return 0


if __name__ == "__main__":
    terminal_text.tolerate()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="two runs; with --keep, one")
    parser.add_argument("--models", nargs=2, metavar="NAME", help="a model of each run")
    parser.add_argument("--keep", metavar="FILE", help="write the run's scorecard as CSV")
    given = parser.parse_args()
    if len(given.runs) != (1 if given.keep else 2):
        parser.error("expected two runs, or one with --keep")
    sys.exit(main(given.runs, given.models and tuple(given.models), given.keep))
