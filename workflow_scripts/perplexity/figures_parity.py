"""Figures of the parity checkpoints and of choosing among checkpoints."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.shared.figures import COLOURS, PAGE_IN, PUBLISHED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

READINGS = {
    "prefix": ("target after every bit", "blue"),
    "final": ("target after the last bit", "vermilion"),
}
POOLS = {
    "parity, prefix": "parity checkpoints,\ntarget after every bit",
    "parity, final": "parity checkpoints,\ntarget after the last bit",
    "copiers": "small copiers,\none of each encoding",
    "language models": "language models\n(embedded: stand-ins)",
}
MARKERS = ("o", "s", "^", "v", "D", "P", "X")
CRITERIA = {
    "nats": "perplexity",
    "long_range_nats": "long-range perplexity",
    "calibration_error": "calibration error",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "random": "random pick",
}


def parity(scores: pd.DataFrame, longest: int) -> "Figure":
    """Figure 4: log-perplexity against micro-F1 over checkpoints, in and out of distribution."""
    import matplotlib.pyplot as plt

    rows = scores[(scores["experiment"] == "E4") & scores["step"].notna()]
    furthest = int(rows["size"].max())
    table = rows.pivot(
        index=["reading", "size", "seed", "step"], columns="metric", values="value"
    ).reset_index()
    limits = (0.0, float(np.log(2.0)))
    figure, grid = plt.subplots(2, 2, figsize=(PAGE_IN, 5.2))
    for panels, (reading, (label, _)) in zip(grid, READINGS.items(), strict=True):
        for axes, size in zip(panels, (longest, furthest), strict=True):
            own = table[(table["reading"] == reading) & (table["size"] == size)]
            for marker, (_, run) in zip(MARKERS, own.groupby("seed"), strict=False):
                dots = axes.scatter(
                    run["nats"],
                    run["accuracy"],
                    c=run["entropy_nats"],
                    cmap="viridis",
                    vmin=limits[0],
                    vmax=limits[1],
                    marker=marker,
                    s=12,
                    linewidths=0.3,
                    edgecolors="white",
                )
            best = own.iloc[int(own["accuracy"].to_numpy().argmax())]
            axes.plot(
                best["nats"],
                best["accuracy"],
                marker="*",
                markersize=13,
                color=COLOURS["vermilion"],
                markeredgecolor="black",
                markeredgewidth=0.5,
                linestyle="none",
                zorder=3,
            )
            axes.set_title(
                f"size {size}: {'held out' if size == longest else 'out of distribution'}, {label}",
                fontsize=7,
            )
            axes.annotate(
                _r_text(scores, reading, size),
                (0.5, 1.0),
                (0, -3),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=6.5,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1},
            )
            axes.margins(x=0.08, y=0.18)
            axes.set_xlabel("log-perplexity, nats a label")
            axes.set_ylabel("micro-F1")
    figure.colorbar(dots, ax=grid, label="mean entropy, nats", shrink=0.7, pad=0.01)
    return figure


def _r_text(scores: pd.DataFrame, reading: str, size: int) -> str:
    rows = scores[
        (scores["metric"] == "correlation")
        & (scores["reading"] == reading)
        & (scores["size"] == size)
        & scores["seed"].isna()
    ]
    if rows.empty:
        return "r not defined"
    row = rows.iloc[0]
    return f"r = {row['value']:+.2f} ({row['ci_low']:+.2f} to {row['ci_high']:+.2f})"


def correlation(
    scores: pd.DataFrame, published: dict[str, tuple[float, str]], longest: int
) -> "Figure":
    """Pearson r against the size of the test strings, with the published values."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN * 0.75, 2.9))
    rows = scores[scores["metric"] == "correlation"]
    sizes = np.sort(rows["size"].unique()).astype(float)
    for shift, (reading, (label, colour)) in zip((0.97, 1.03), READINGS.items(), strict=True):
        own = rows[rows["reading"] == reading]
        pooled = own[own["seed"].isna()].sort_values("size")
        each = own[own["seed"].notna()]
        x = pooled["size"].to_numpy(float) * shift
        value = pooled["value"].to_numpy(float)
        ends = np.stack([value - pooled["ci_low"], pooled["ci_high"] - value]).astype(float)
        axes.errorbar(
            x, value, ends, color=COLOURS[colour], marker="o", markersize=4, capsize=2, label=label
        )
        axes.plot(
            each["size"].to_numpy(float) * shift,
            each["value"],
            ".",
            color=COLOURS[colour],
            alpha=0.4,
            markersize=4,
            label=f"{label}: one training",
        )
    places = {"in-distribution": float(longest), "out-of-distribution": 128.0}
    style: dict[str, Any] = PUBLISHED
    values = [published[split][0] for split in places]
    axes.plot(list(places.values()), values, label="paper (right: second-hand)", **style)
    axes.axhline(0, color=COLOURS["black"], linewidth=0.6)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{int(size)}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlabel("bits in the test string")
    axes.set_ylabel("r of log-perplexity\nand micro-F1")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6.5)
    return figure


def selection(scores: pd.DataFrame) -> "Figure":
    """How often each criterion picks the best checkpoint, and what its picks lose."""
    import matplotlib.pyplot as plt

    rows = scores[scores["experiment"] == "selection"]
    pools = [pool for pool in POOLS if (rows["pool"] == pool).any()]
    figure, grid = plt.subplots(
        2, len(pools), figsize=(PAGE_IN, 4.4), sharey=True, sharex="row", squeeze=False
    )
    places = np.arange(len(CRITERIA))
    for line, (metric, label) in enumerate(
        (("hit_rate", "picks the best, %"), ("regret", "accuracy lost, points"))
    ):
        for axes, pool in zip(grid[line], pools, strict=True):
            for shift, side, colour, marker in (
                (-0.15, "in distribution", "blue", "o"),
                (0.15, "out of distribution", "vermilion", "s"),
            ):
                own = rows[
                    (rows["pool"] == pool)
                    & (rows["measured_on"] == side)
                    & (rows["metric"] == metric)
                ].set_index("criterion")
                own = 100 * own.loc[list(CRITERIA), ["value", "ci_low", "ci_high"]].astype(float)
                value = own["value"].to_numpy()
                ends = np.stack([value - own["ci_low"], own["ci_high"] - value])
                axes.errorbar(
                    value,
                    places + shift,
                    xerr=ends,
                    color=COLOURS[colour],
                    marker=marker,
                    markersize=3.5,
                    linestyle="none",
                    elinewidth=0.8,
                    label=f"criterion taken {side}",
                )
            axes.set_yticks(places, list(CRITERIA.values()))
            axes.set_xlabel(label)
            axes.grid(axis="y", visible=False)
            if line == 0:
                axes.set_title(POOLS[pool], fontsize=8)
                axes.set_xlim(-5, 105)
    # A few trainings can give an interval far beyond every value; it may leave the panel.
    lost = rows[rows["metric"] == "regret"]
    most = 100 * min(float(lost["ci_high"].max()), 1.5 * float(lost["value"].max()))
    grid[1, 0].set_xlim(-0.05 * most, 1.05 * max(most, 1.0))
    grid[0, 0].invert_yaxis()
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
