"""What one GPU does: training steps and replies, in shares of what the card can do.

    python benchmarks/gpu.py                   # within ten minutes
    python benchmarks/gpu.py --prepare         # only draw the graphs, where dm-clrs is installed

Each case runs in its own process and within its own time; one that fails or takes too long is
reported with what it measured until then, and the next one starts. Sizes are those of the paper
preset, or of Qwen3-0.6B; without a GPU they are tiny, to try the script. Every row has the card's
name. Shares are of the vendor's peak (`mfu`: dense, bfloat16) where it is known, and of what the
card reached in a large matrix product and in a large copy in the same run.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import comparison
import gpu_rows
import torch

from workflow_scripts.shared import devices
from workflow_scripts.shared.fingerprint import ROOT

FOLDER = ROOT / "work" / "benchmarks-gpu"


def rows_of(command: list[str], limit_s: float) -> tuple[list[dict[str, Any]], str]:
    """Rows that a command printed as lines of JSON, and why there are no more of them."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        printed = error.stdout or b""
        text = printed.decode() if isinstance(printed, bytes) else printed
        return _parsed(text), f"ended after {limit_s:.0f} s"
    reason = ""
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return _parsed(done.stdout), reason


def _parsed(text: str) -> list[dict[str, Any]]:
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [json.loads(line) for line in whole if line.startswith("{")]


def main(cases: list[str], folder: Path, factor: float) -> int:
    """Run the cases one after another; the number of those that failed."""
    import gpu_cases

    gpu_cases.prepare(folder, tiny=not torch.cuda.is_available())
    card: dict[str, Any] = {}
    failed = 0
    for case in dict.fromkeys(["card", *cases]):
        start = time.perf_counter()
        limit_s = gpu_cases.CASES[case].seconds * factor
        command = [sys.executable, __file__, "--case", case, "--folder", str(folder)]
        rows, reason = rows_of([*command, "--factor", str(factor)], limit_s)
        if reason:
            failed += 1
            rows = [*rows, {"case": case, "failed": reason}]
        if case == "card" and not reason:
            card = rows[0]
        note = {"card": gpu_rows.name(), "wall_s": round(time.perf_counter() - start, 1)}
        comparison.report("gpu", [row | gpu_rows.shares(row, card) | note for row in rows])
    return failed


def child(case: str, folder: Path, factor: float) -> None:
    """Run one case in this process and print its rows as lines of JSON."""
    start = time.perf_counter()
    import gpu_cases

    own = gpu_cases.CASES[case]
    left_s = own.seconds * factor - (time.perf_counter() - start)
    for row in own.run(folder, devices.for_tensors(), left_s):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", help="all by default")
    parser.add_argument("--factor", type=float, default=1.0, help="of the time of each case")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for the graphs")
    parser.add_argument("--prepare", action="store_true", help="only draw the graphs")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        child(given.case, given.folder, given.factor)
    else:
        import gpu_cases

        if given.prepare:
            gpu_cases.prepare(given.folder, tiny=False)
        else:
            chosen = given.cases or list(gpu_cases.CASES)
            sys.exit(main(chosen, given.folder, given.factor))
