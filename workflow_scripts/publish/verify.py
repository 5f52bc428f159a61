"""Check that an archive is complete, valid, and reproducible here; prints a table.

    python -m workflow_scripts.publish.verify results/archive/latest.zip
    python -m workflow_scripts.publish.verify FILE.zip results/softmax/theory.parquet
    python -m workflow_scripts.publish.verify FILE.zip --no-replay

Exits with 0 if every check passes. Replaying runs the code in the archive, so do it only with
archives that you trust.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.publish import machine, packing, replay, validate
from workflow_scripts.publish.packing import ArchiveError, Member
from workflow_scripts.shared import terminal_text

COPIED = re.compile(r"( ?\(\d+\)| - Copy| copy)+$")  # what browsers and desktops append
BUDGET_S = 5.0  # seconds of recorded time per study for replayed jobs
GPU_TOLERANCE = 1e-3  # relative, if the results were computed on a GPU, then or now


@dataclass(frozen=True)
class Check:
    """One row of the table."""

    what: str
    passed: bool
    found: str


def check(
    archive: Path,
    only: list[str],
    again: bool,
    budget_s: float,
    tolerance: float | None,
    at_hand: list[Path],
) -> list[Check]:
    """All checks, in order; a damaged archive gets only those that are possible."""
    try:
        members, unreadable = packing.read(archive)
    except ArchiveError as error:
        return [Check("zip", False, str(error))]
    damage = [*unreadable, *packing.compare(members, unreadable)]
    checks = [Check("file", False, line) for line in damage]
    if packing.MANIFEST in members:
        checks.append(_name(archive, members))
    if not all(each.passed for each in checks):
        return checks
    found = f"{len(members) - 1} files, each with its SHA-256"
    checks = [Check("manifest", True, found), *checks, *_crate(members)]
    if again:
        checks += _replay(members, only, budget_s, tolerance, at_hand)
    return checks


def _name(archive: Path, members: Mapping[str, Member]) -> Check:
    """Check the hash in the file name against the manifest, which reveals a rewritten manifest."""
    digest = members[packing.MANIFEST].digest
    name = COPIED.sub("", archive.resolve().stem)
    stated = name.rpartition("-")[2]
    if not name.startswith("faultlines-"):
        return Check("name", True, f"renamed; the hash of {packing.MANIFEST} is {digest[:12]}")
    passed = digest.startswith(stated) and len(stated) == 12
    found = f"states {stated}, the hash of {packing.MANIFEST} is {digest[:12]}"
    return Check("name", passed, found)


def _crate(members: Mapping[str, Member]) -> list[Check]:
    with tempfile.TemporaryDirectory() as folder:
        replay.unpack(members, Path(folder))
        found = validate.problems(folder)
    if not found:
        return [Check("RO-Crate", True, f"conforms to profile {validate.PROFILE}")]
    return [Check("RO-Crate", False, problem) for problem in found]


def _replay(
    members: Mapping[str, Member],
    only: list[str],
    budget_s: float,
    tolerance: float | None,
    at_hand: list[Path],
) -> list[Check]:
    here = machine.hardware()
    there = json.loads(members["run/machine.json"].data)
    if tolerance is None:
        tolerance = GPU_TOLERANCE if here["gpus"] or there["gpus"] else 0.0
    then = set(members["run/environment.txt"].data.decode().split())
    now = set(machine.packages().split())
    checks = []
    if then - now:
        others = ", ".join(sorted(then - now)[:4])
        found = f"{len(then - now)} differ from the archived run: {others}"
        checks.append(Check("packages", True, found))
    try:
        results = replay.all_of(members, budget_s, tolerance, only, at_hand)
    except ArchiveError as error:
        return [*checks, Check("replay", False, str(error))]
    return checks + [Check("replay", each.equal, f"{each.path}: {each.how}") for each in results]


def show(checks: list[Check]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("check", "result", "found")
    for each in checks:
        verdict = "[green]ok[/]" if each.passed else "[red]FAILED[/]"
        table.add_row(each.what, verdict, each.found.replace("[", r"\["))
    # A pipe has no width; do not cut lines there.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def main(arguments: list[str]) -> int:
    """Status 0 if every check passed, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("archive", type=Path)
    parser.add_argument("results", nargs="*", help="results to reproduce; default: the quickest")
    parser.add_argument("--no-replay", action="store_true", help="only check the files")
    parser.add_argument("--budget-s", type=float, default=BUDGET_S, help="s of replay per study")
    parser.add_argument("--tolerance", type=float, help="relative, of numbers; 0 compares bytes")
    parser.add_argument(
        "--have", type=Path, action="append", default=[], help="an input that is not in the archive"
    )
    given = parser.parse_args(arguments)
    checks = check(
        given.archive,
        given.results,
        not given.no_replay,
        given.budget_s,
        given.tolerance,
        given.have,
    )
    show(checks)
    failed = sum(not each.passed for each in checks)
    print(f"{failed} of {len(checks)} checks failed" if failed else "Every check passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    terminal_text.tolerate()
    sys.exit(main(sys.argv[1:]))
