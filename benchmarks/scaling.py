"""How each study's cost grows with its work, and the estimated cost of the paper preset.

    python benchmarks/scaling.py                 # measure (about 25 CPU minutes), fit, draw
    python benchmarks/scaling.py --missing       # measure only points that are not in the history
    python benchmarks/scaling.py --shares        # measure what the training steps reach here
    python benchmarks/scaling.py --from-history  # fit and draw the latest measurements again

Each point runs in its own process: median CPU seconds of three calls of the rule's own code and
peak memory of the first, after a call at the smallest size that loads what is loaded only once.
Each call starts in an empty folder, so that it finds no work of the last one. One thread. Writes
docs/scaling.png and prints the table of docs/scaling.md. The estimate's assumptions are in
`scaling_paper.py`.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import comparison
import numpy as np
import operations
import scaling_fit as fitting
import scaling_paper as paper
from scaling_work import WORKLOADS, make, message_steps

from workflow_scripts.shared import figures, job
from workflow_scripts.shared.fingerprint import ROOT

FIGURE = ROOT / "docs" / "scaling.png"
CALLS = 3  # per point
MATRIX = 1024  # side of the matrix product that gives this processor's speed

Rows = list[dict[str, Any]]


def point(rule: str, size: int) -> dict[str, Any]:
    """One point, in this process and folder."""
    job.set_threads(1)
    work, made = WORKLOADS[rule], Path.cwd()
    _enter(made, "loading")
    work.prepare(min(work.sizes))()
    noted: dict[str, float] = {}
    seconds: list[float] = []

    def timed(call: Callable[[], Any]) -> None:
        start = time.process_time()
        result = call()
        seconds.append(time.process_time() - start)
        if isinstance(result, dict):
            noted.update(result)

    for number in range(CALLS):
        _enter(made, f"timed{number}")
        call = work.prepare(size)
        if number:
            timed(call)
        else:
            memory = comparison.peak_mb(partial(timed, call))
    return {
        "rule": rule,
        "size": size,
        "cpu_s": float(np.median(seconds)),
        "cpu_s_range": [min(seconds), max(seconds)],
        "memory_mb": memory,
        **noted,
    }


# Rules that train networks, and the size at which their operations are counted.
STEPS = {
    "models_train": 16,
    "softmax_train": 20,
    "perplexity_copiers": 20,
    "cocycles_train": 16,
    "clrs_train": 16,
    "transnar_train": 8,
}


def share(rule: str) -> dict[str, Any]:
    """The share of this processor's matrix-product rate that a rule's training steps reach.

    Both are measured in turns, so that a busy machine slows both.
    """
    job.set_threads(1)
    call = WORKLOADS[rule].prepare(STEPS[rule])
    call()
    found = []
    for _ in range(3):
        start = time.process_time()
        call()
        found.append((time.process_time() - start) * processor_flops())
    done = operations.counted(call, "cpu")
    return {"rule": f"share/{rule}", "size": STEPS[rule], "share": done / min(found)}


def _enter(made: Path, name: str) -> None:
    """Change to an empty folder with links to the prepared files."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=made))
    for entry in made.iterdir():
        if "-" not in entry.name:
            (folder / entry.name).symlink_to(entry)
    os.chdir(folder)


def measure_shares() -> None:
    """Measure the shares, each in its own process, and add them to the history."""
    with tempfile.TemporaryDirectory() as scratch:
        _child(Path(scratch), "--make")
        texts = (_child(Path(scratch), "--share", rule) for rule in STEPS)
        comparison.report("scaling", [json.loads(text.splitlines()[-1]) for text in texts])


def measure(rules: list[str], known: set[tuple[str, int]]) -> None:
    """Measure the sizes that are not known, each in its own process, and add them to the
    history."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _child(folder, "--make")
        if ("processor", MATRIX) not in known:
            speed = {"rule": "processor", "size": MATRIX, "flops": processor_flops()}
            comparison.report("scaling", [speed])
            _child(folder, "--lengths")
        for rule in rules:
            left = [n for n in WORKLOADS[rule].sizes if (rule, n) not in known]
            texts = (_child(folder, "--point", rule, str(n)) for n in left)
            if points := [json.loads(text.splitlines()[-1]) for text in texts]:
                comparison.report("scaling", points)


def last(history: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The latest row of each point, in ascending order of size."""
    if not history.exists():
        return {}
    lines = (json.loads(line) for line in history.read_text(encoding="utf-8").splitlines())
    rows = {(row["rule"], row["size"]): row for row in lines}
    return dict(sorted(rows.items()))


def _child(folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | dict.fromkeys(job.POOLS, "1")
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def processor_flops() -> float:
    """Floating-point operations per second of one thread in a large float32 product."""
    import torch

    torch.set_num_threads(1)
    a = torch.randn(MATRIX, MATRIX)
    fastest = np.inf
    for _ in range(6):
        start = time.process_time()
        a @ a
        fastest = min(fastest, time.process_time() - start)
    return 2 * MATRIX**3 / fastest


def fits(rows: Rows) -> dict[str, fitting.Fit]:
    return {
        rule: fitting.power(*zip(*((r["size"], r["cpu_s"]) for r in own), strict=True))
        for rule in WORKLOADS
        if (own := [row for row in rows if row["rule"] == rule])
    }


def draw(rows: Rows, found: dict[str, fitting.Fit], path: Path = FIGURE) -> None:
    """CPU seconds of each rule with the fit, and peak memory, against size."""
    figures.use_style()  # with DejaVu as its only font
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
    from PIL import Image

    plt.rcParams["mathtext.fontset"] = "dejavusans"
    plain = FuncFormatter(lambda value, _: f"{value:,g}")
    columns = 5
    lines = -(-(len(found) + 1) // columns)
    figure, every = plt.subplots(lines, columns, figsize=(11.5, 2.1 * lines))
    for axes, (rule, fit) in zip(every.flat, found.items(), strict=False):
        own = [row for row in rows if row["rule"] == rule]
        sizes = np.array([row["size"] for row in own], float)
        grid = np.geomspace(sizes.min(), sizes.max(), 60)
        axes.plot(grid, [fit.at(n) for n in grid], color=figures.COLOURS["blue"])
        seconds = [row["cpu_s"] for row in own]
        axes.plot(sizes, seconds, "o", color=figures.COLOURS["blue"])
        axes.set(xscale="log", yscale="log", xlabel=WORKLOADS[rule].grows)
        axes.set_title(f"{rule}: $n^{{{fit.p:.2f}}}$", fontsize=8)
        low, high = min(seconds), max(seconds)
        axes.set_ylim(low / 2, high * 2)
        axes.set_xticks(sizes, labels=_labels(sizes.astype(int).tolist()))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_minor_locator(plt.NullLocator())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(plain)
        axes.yaxis.set_minor_formatter(NullFormatter())
        beside = axes.twinx()
        memory = [row["memory_mb"] for row in own]
        beside.plot(
            sizes, memory, "s--", color=figures.COLOURS["vermilion"], linewidth=0.9, markersize=3
        )
        beside.set_ylim(0, max(20.0, 1.6 * max(memory)))
        beside.grid(False)
        beside.spines["right"].set_visible(True)
        beside.tick_params(axis="y", colors=figures.COLOURS["vermilion"])
        axes.tick_params(axis="y", colors=figures.COLOURS["blue"])
    rest = every.flat[len(found) :]
    for axes in rest:
        axes.axis("off")
    legend = rest[0]
    legend.plot(
        [], [], "o-", color=figures.COLOURS["blue"], label="CPU time (s), left, with the fit"
    )
    legend.plot([], [], "s--", color=figures.COLOURS["vermilion"], label="peak memory (MB), right")
    legend.legend(loc="center left", fontsize=8)
    stream = io.BytesIO()
    figure.savefig(stream, dpi=110)
    plt.close(figure)
    # A palette of few colours suffices and takes a third of the bytes.
    Image.open(stream).convert("RGB").quantize(48).save(path, optimize=True)


def _labels(sizes: list[int]) -> list[str]:
    """Short labels, and none that would overlap the next one."""
    texts = [f"{n / 1024:g}k" if n % 1024 == 0 else f"{n:,}" for n in sizes]
    tight = [after / n < 1.4 for n, after in pairwise(sizes)] + [False]
    return ["" if near and len(text) > 2 else text for text, near in zip(texts, tight, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rules", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--missing", action="store_true", help="only points not yet measured")
    parser.add_argument("--from-history", action="store_true", help="measure nothing")
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--lengths", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--share", help=argparse.SUPPRESS)
    parser.add_argument("--shares", action="store_true", help="only shares of the product rate")
    given = parser.parse_args()
    if given.make:
        make(Path.cwd())
        return
    if given.lengths:
        names = paper.config_of("presets/paper.yaml")["cocycles"]["training"]["algorithms"]
        found = message_steps(names)
        rows = [{"rule": f"steps/{name}", "size": 16, "ratio": r} for name, r in found.items()]
        comparison.report("scaling", rows)
        return
    if given.share:
        print(json.dumps(share(given.share)))
        return
    if given.shares:
        measure_shares()
        return
    if given.point:
        print(json.dumps(point(given.point[0], int(given.point[1]))))
        return
    history = comparison.HISTORY / "scaling.jsonl"
    if not given.from_history:
        measure(given.rules, set(last(history)) if given.missing else set())
    wanted = {(rule, n) for rule, work in WORKLOADS.items() for n in work.sizes}
    rows = [row for key, row in last(history).items() if key in wanted or key[0] not in WORKLOADS]
    fitted = fits(rows)
    draw(rows, fitted)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        print(paper.table(rows, fitted))


if __name__ == "__main__":
    main()
