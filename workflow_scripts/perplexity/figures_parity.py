"""Figures of the parity checkpoints and of choosing among checkpoints."""

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity.correlation import WHOLE
from workflow_scripts.perplexity.figures_common import Data
from workflow_scripts.perplexity.measurements import pick, single
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, PUBLISHED, legend_below, margins
from workflow_scripts.shared.scores import ENDS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TARGETS = {
    "prefix": ("target after every bit", "blue"),
    "final": ("target after the last bit", "vermilion"),
}
CORRELATED = TARGETS | {WHOLE: ("target after every bit, whole string", "grey")}
POOLS = {
    "parity, prefix": "parity checkpoints,\ntarget after every bit",
    "parity, final": "parity checkpoints,\ntarget after the last bit",
    "copiers": "small copiers,\none per encoding",
    "language models": "language models",
}
MARKERS = ("o", "s", "^", "v", "p", "P", "X")
DOT: dict[str, Any] = {"cmap": "viridis", "vmin": 0.0, "vmax": float(np.log(2.0))}
DOT |= {"s": 12, "linewidths": 0.3, "edgecolors": "white"}
STAR: dict[str, Any] = {"marker": "*", "s": 150, "color": COLOURS["vermilion"], "zorder": 3}
STAR |= {"linewidths": 0.5, "edgecolors": "black"}
BOX: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 6.5}
BOX |= {"bbox": {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}}
CRITERIA = {
    "nats": "perplexity",
    "long_range_nats": "long-range perplexity",
    "calibration_error": "calibration error",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "random": "random choice",
}


def parity(data: Data) -> "Figure":
    """Figure 4: log-perplexity against micro-F1 over checkpoints, in and out of distribution."""
    import matplotlib.pyplot as plt

    rows = single(data.scores, experiment="E4")
    rows = rows[rows["step"].notna()]
    index = ["target", "size", "seed", "step"]
    table = rows.pivot(index=index, columns="metric", values="value").reset_index()
    longest, furthest = data.longest["parity"], int(rows["size"].max())
    figure, grid = plt.subplots(2, 2, figsize=(PAGE_IN, 5.2))
    for panels, (target, (label, _)) in zip(grid, TARGETS.items(), strict=True):
        for axes, size in zip(panels, (longest, furthest), strict=True):
            own = table[(table["target"] == target) & (table["size"] == size)]
            for marker, (_, run) in zip(cycle(MARKERS), own.groupby("seed"), strict=False):
                dots = axes.scatter(
                    run["nats"], run["accuracy"], c=run["entropy_nats"], marker=marker, **DOT
                )
            best = own.iloc[int(own["accuracy"].to_numpy().argmax())]
            axes.scatter(best["nats"], best["accuracy"], **STAR)
            where = "held out" if size == longest else f"bits beyond {longest}"
            axes.set_title(f"size {size}: {where}, {label}", fontsize=7)
            text = _r_text(data.scores, target, size)
            axes.text(0.5, 0.97, text, transform=axes.transAxes, **BOX)
            axes.margins(x=0.08, y=0.18)
            axes.set_xlabel("log-perplexity, nats per label")
            axes.set_ylabel("micro-F1")
    figure.colorbar(dots, ax=grid, label="mean entropy, nats", shrink=0.7, pad=0.01)
    return figure


def _r_text(scores: pd.DataFrame, target: str, size: int) -> str:
    rows = pick(scores, metric="correlation", target=target, size=size)
    if rows.empty:
        return "all at chance"
    row = rows.iloc[0]
    if pd.isna(row["ci_low"]):
        return f"r = {row['value']:+.2f} (one training)"
    return f"r = {row['value']:+.2f} ({row['ci_low']:+.2f} to {row['ci_high']:+.2f})"


def correlation(data: Data) -> "Figure":
    """Pearson r against the size of the test strings, with the published values."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.75, 2.9))
    sizes: set[int] = set()
    for shift, (target, (label, colour)) in zip((0.97, 1.03, 1.0), CORRELATED.items(), strict=True):
        pooled = pick(data.scores, metric="correlation", target=target).sort_values("size")
        each = single(data.scores, metric="correlation", target=target)
        sizes |= set(pooled["size"])
        x, beside = (rows["size"].to_numpy(float) * shift for rows in (pooled, each))
        look: dict[str, Any] = {"color": COLOURS[colour], "label": label}
        axes.errorbar(x, pooled["value"], margins(pooled), marker="o", **look)
        look["label"] = f"{label}: one training"
        axes.plot(beside, each["value"], ".", alpha=0.4, **look)
    places = {"in-distribution": float(data.longest["parity"]), "out-of-distribution": 128.0}
    values = [data.published[split][0] for split in places]
    style: dict[str, Any] = PUBLISHED
    axes.plot(list(places.values()), values, label="paper (right: second-hand)", **style)
    axes.axhline(0, color=COLOURS["black"], linewidth=0.6)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(sizes), [f"{size}" for size in sorted(sizes)])
    axes.minorticks_off()
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlabel("bits in the test string")
    axes.set_ylabel("r of log-perplexity\nand micro-F1")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6.5)
    return figure


def selection(data: Data) -> "Figure":
    """How often each criterion chooses the best checkpoint, and the accuracy its choices lose."""
    import matplotlib.pyplot as plt

    rows = pick(data.scores, experiment="selection").set_index("criterion")
    rows = rows.assign(**{end: 100 * rows[end] for end in ENDS})
    pools = [pool for pool in POOLS if (rows["pool"] == pool).any()]
    figure, grid = plt.subplots(
        2, len(pools), figsize=(PAGE_IN, 4.4), sharey=True, sharex="row", squeeze=False
    )
    places = np.arange(len(CRITERIA))
    for line, (metric, label) in enumerate(
        (("hit_rate", "chooses the best, %"), ("regret", "accuracy lost, points"))
    ):
        for axes, pool in zip(grid[line], pools, strict=True):
            for shift, side, colour, marker in (
                (-0.15, "in distribution", "blue", "o"),
                (0.15, "out of distribution", "vermilion", "s"),
            ):
                own = rows[(rows["pool"] == pool) & (rows["measured_on"] == side)]
                own = own[own["metric"] == metric].loc[list(CRITERIA)]
                axes.errorbar(
                    own["value"],
                    places + shift,
                    xerr=margins(own),
                    color=COLOURS[colour],
                    marker=marker,
                    markersize=3.5,
                    linestyle="none",
                    elinewidth=0.8,
                    label=f"criterion measured {side}",
                )
            axes.set_yticks(places, list(CRITERIA.values()))
            axes.set_xlabel(label)
            axes.grid(axis="y", visible=False)
            if line == 0:
                mixed = pool == "language models" and data.models.stand_ins
                axes.set_title(POOLS[pool] + "\n(with stand-ins)" * bool(mixed), fontsize=8)
                axes.set_xlim(-5, 105)
    # A few trainings can give an interval far beyond every value; it may leave the panel.
    lost = rows[rows["metric"] == "regret"]
    most = min(float(lost["ci_high"].max()), 1.5 * float(lost["value"].max()))
    grid[1, 0].set_xlim(-0.05 * most, 1.05 * max(most, 1.0))
    grid[0, 0].invert_yaxis()
    legend_below(figure, grid[0, 0], 2)
    return figure
