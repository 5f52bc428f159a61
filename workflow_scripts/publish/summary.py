"""What a run found, on one screen: verdicts by study, contradictions, changes since the last run.

    python -m workflow_scripts.publish.summary    # what `make run` prints at its end

Reads results/scorecard.parquet and compares it with the scorecard of the last call, which it keeps
in work/.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from workflow_scripts.publish import compare
from workflow_scripts.publish.compare import KEY
from workflow_scripts.publish.scorecard import VERDICTS, about, counted, measured_text, records
from workflow_scripts.shared import tables, terminal_text
from workflow_scripts.shared.claims import Kind, Verdict

SCORECARD = Path("results/scorecard.parquet")
LAST = Path("work/last_scorecard.parquet")
REPORT = Path("results/report.html")
MOST_CONTRADICTED = 12  # measurements that are listed
MOST_LINES = 8  # changed verdicts that are listed
NUMBERS = ["value", "ci_low", "ci_high", "n"]
COLUMNS = {*KEY, "kind", "statement", "source", "quantity", "verdict", "scale", *NUMBERS}
COLUMNS |= {"exact", "units", "note"}


def keyed(scorecard: pd.DataFrame) -> pd.DataFrame:
    """The rows under (study, id, model, condition, number)."""
    rows = scorecard.fillna({"model": "", "condition": ""})
    return rows.assign(number=rows.groupby(KEY).cumcount()).set_index([*KEY, "number"])


def changes(now: pd.DataFrame, before: pd.DataFrame, left_out: Sequence[str] = ()) -> list[str]:
    """One line on what differs between two scorecards, then one per changed verdict.

    Studies that are left out now are not compared.
    """
    new, old = keyed(now), keyed(before[~before["study"].isin(left_out)])
    both = new.index.intersection(old.index)
    new_rows, old_rows = new.loc[both], old.loc[both]
    moved = new_rows["verdict"] != old_rows["verdict"]
    numbers, previous = new_rows[NUMBERS].astype(float), old_rows[NUMBERS].astype(float)
    differ = ~((numbers == previous) | (numbers.isna() & previous.isna())).all(axis=1)
    added, gone = len(new.index.difference(old.index)), len(old.index.difference(new.index))
    if not (moved.any() or differ.any() or added or gone):
        return ["Since the last run: nothing changed."]
    lines = [
        f"Since the last run: changed verdicts {moved.sum()}, changed numbers {differ.sum()}, "
        f"new lines {added}, removed lines {gone}."
    ]
    changed = new_rows.assign(was=old_rows["verdict"])[moved].reset_index()
    for row in records(changed.head(MOST_LINES)):
        lines.append(f"  {row['study']} {row['id']}{about(row)}: {row['was']} → {row['verdict']}")
    if len(changed) > MOST_LINES:
        lines.append(f"  … and {len(changed) - MOST_LINES} more")
    return lines


def show(scorecard: pd.DataFrame, console: Console) -> None:
    """Print the counts by study and the rows that contradict a claim of a paper."""
    scale = ", ".join(scorecard["scale"].unique())
    table = Table(title=f"Verdicts, scale {scale}", title_justify="left")
    table.add_column("study", no_wrap=True)
    for name in ("claims", *VERDICTS):
        table.add_column(name, justify="right")
    for name, number, counts in counted(scorecard):
        table.add_row(name, str(number), *(str(counts[verdict]) for verdict in VERDICTS))
    console.print(table)
    against = scorecard[scorecard["verdict"] == Verdict.CONTRADICTED]
    papers = against["kind"] == Kind.PAPER
    _list(against[papers], "Contradicted claims of the papers", console)
    _list(against[~papers], "Contradicted, but no claim of a paper", console)


def _list(rows: pd.DataFrame, title: str, console: Console) -> None:
    """A title with the number of rows, then one entry per row with source and note."""
    if rows.empty:
        return
    console.print(f"{title} ({len(rows)}):", style="bold")
    for row in records(rows.head(MOST_CONTRADICTED)):
        kind = "" if row["kind"] == Kind.PAPER else f", {row['kind']}"
        text = f"  {row['study']} {row['id']}{about(row)}{kind}: {row['statement']}"
        measured = f"{row['quantity']}: {measured_text(row)}"
        note = f"; {row['note']}" if row["note"] else ""
        console.print(f"{text} ({row['source']}) {measured}{note}", markup=False)
    if len(rows) > MOST_CONTRADICTED:
        console.print(f"  … and {len(rows) - MOST_CONTRADICTED} more, in the scorecard")


def read(path: Path) -> pd.DataFrame:
    """A scorecard. Raises `TableError` if it cannot be read or lacks a column that is shown."""
    scorecard = tables.read(path)
    if lost := sorted(COLUMNS - set(scorecard.columns)):
        raise tables.TableError(f"{path}: written by another version, without {', '.join(lost)}")
    return scorecard


def compared(now: pd.DataFrame, last: Path, left_out: Sequence[str] = ()) -> list[str]:
    """The changes since the last scorecard, or why the two cannot be compared."""
    try:
        before = read(last)
    except tables.TableError as error:
        return [f"Not compared with the last run: {error}"]
    scales = [", ".join(card["scale"].unique()) for card in (now, before)]
    if scales[0] != scales[1]:
        return [f"Not compared with the last run, which had scale {scales[1]}."]
    return changes(now, before, left_out)


def against_reference(scorecard: Path, reference: Path) -> str | None:
    """How this run compares with the stored run of the same scale; None without one."""
    if not reference.exists():
        return None
    now, stored = compare.read(scorecard), compare.read(reference)
    if set(now["scale"]) != set(stored["scale"]):
        return None
    found = compare.summary(compare.side_by_side(now, stored), now, stored)
    return f"Compared with the reference run ({reference.name}): {found}"


def main(
    scorecard: Path = SCORECARD,
    last: Path = LAST,
    report: Path = REPORT,
    reference: Path = compare.REFERENCE,
) -> int:
    """Print the summary and keep the scorecard for the next comparison.

    Without a scorecard, as after a run of one study, say how to get one. Return 1 if the scorecard
    cannot be used.
    """
    if not scorecard.exists():
        print(f"No summary: {scorecard} not found; `snakemake scorecard` writes it.")
        return 0
    try:
        now = read(scorecard)
    except tables.TableError as error:
        print(
            f"{error}; `snakemake scorecard --forcerun publish_scorecard` writes it",
            file=sys.stderr,
        )
        return 1
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    show(now, console)
    written_s = scorecard.stat().st_mtime
    claims = scorecard.parent.glob("*/claims.json")
    left_out = tables.provenance(scorecard).get("settings", {}).get("left_out", [])
    if left_out:
        console.print(f"Studies that are not part of this run: {', '.join(left_out)}.")
    newer = sorted(
        path.parent.name
        for path in claims
        if path.stat().st_mtime > written_s and path.parent.name not in left_out
    )
    if newer:
        console.print(
            f"Without the latest claims of {', '.join(newer)}: `snakemake scorecard` adds them."
        )
    if last.exists():
        console.print("\n".join(compared(now, last, left_out)), markup=False)
    if line := against_reference(scorecard, reference):
        console.print(line, markup=False)
    last.parent.mkdir(exist_ok=True)
    shutil.copyfile(scorecard, last)
    console.print(f"Every claim: {scorecard.with_suffix('.md')}", markup=False)
    if report.exists():
        console.print(f"Report:      {report} (open it in a browser)", markup=False)
    return 0


if __name__ == "__main__":
    terminal_text.tolerate()
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    sys.exit(main())
