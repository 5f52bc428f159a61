"""What one GPU does: training steps and the runner, in shares of what the card can do.

    python benchmarks/gpu.py                   # within ten minutes
    python benchmarks/gpu.py --prepare         # only draw the graphs, where dm-clrs is installed

Each case runs in its own process and within its own time; one that fails or takes too long is
reported and the next one starts. Sizes are those of the paper preset, or of Qwen3-0.6B; without a
GPU they are tiny, to try the script. Every row has the card's name. Shares are of the vendor's peak
(dense, bfloat16) where it is known, and of what the card reached in a large matrix product and in a
large copy in the same run.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import comparison
import gpu_cases
import torch

from workflow_scripts.shared import devices
from workflow_scripts.shared.fingerprint import ROOT

FOLDER = ROOT / "work" / "benchmarks-gpu"
CASE_S = 85.0  # six cases, with loading, stay below ten minutes
GRACE_S = 10.0  # until a case that has overrun its time is ended


def rows_of(case: str, folder: Path, budget_s: float) -> tuple[list[dict[str, Any]], str]:
    """Rows of a case that runs in a process of its own, and why there are none."""
    command = [sys.executable, __file__, "--case", case, "--folder", str(folder)]
    command += ["--seconds", str(budget_s)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, timeout=budget_s + GRACE_S
        )
    except subprocess.TimeoutExpired:
        return [], f"took more than {budget_s + GRACE_S:.0f} s"
    if done.returncode:
        return [], (done.stderr.strip().splitlines() or ["no message"])[-1]
    return json.loads(done.stdout.splitlines()[-1]), ""


def main(cases: list[str], folder: Path, budget_s: float) -> int:
    """Run the cases one after another; the number of those that failed."""
    gpu_cases.prepare(folder, tiny=not torch.cuda.is_available())
    card: dict[str, Any] = {}
    failed = 0
    for case in dict.fromkeys(["card", *cases]):
        start = time.perf_counter()
        rows, reason = rows_of(case, folder, budget_s)
        if reason:
            failed += 1
            rows = [{"case": case, "failed": reason}]
        if case == "card" and not reason:
            card = rows[0]
        note = {"card": gpu_cases.name(), "wall_s": round(time.perf_counter() - start, 1)}
        comparison.report("gpu", [row | gpu_cases.shares(row, card) | note for row in rows])
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(gpu_cases.CASES))
    parser.add_argument("--seconds", type=float, default=CASE_S, help="per case")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for graphs and models")
    parser.add_argument("--prepare", action="store_true", help="only draw the graphs")
    parser.add_argument("--case", choices=list(gpu_cases.CASES), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        gpu_cases.prepare(given.folder, tiny=False)
    elif given.case:
        device = devices.for_tensors()
        found = gpu_cases.CASES[given.case](given.folder, device, given.seconds)
        print(json.dumps(found))
    else:
        sys.exit(main(given.cases, given.folder, given.seconds))
