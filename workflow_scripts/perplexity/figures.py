"""The study's figures: one function draws one figure from the scores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workflow_scripts.perplexity import figures_parity, figures_theory
from workflow_scripts.perplexity.measurements import published_correlations
from workflow_scripts.shared import figures, job, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, mark_stand_in
from workflow_scripts.shared.schemas import SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENCODINGS = {
    "rope": ("rotary", "blue"),
    "nope": ("no positions", "green"),
    "sinusoidal": ("sinusoidal", "orange"),
}
MODEL_COLOURS = ("vermilion", "purple", "sky", "black", "grey")
SKETCHED = 32  # bits, or the size nearest to it
LEAST_GAP = 1.0e-4  # the lower end of logarithmic axes


@dataclass(frozen=True)
class Data:
    """What the figures show: our scores, every step of one copier, and the published numbers."""

    scores: pd.DataFrame
    steps: pd.DataFrame
    published: dict[str, tuple[float, str]]
    longest: int


def curve(axes: "Axes", rows: pd.DataFrame, colour: str, label: str | None, **style: Any) -> None:
    """A line over sizes, with its interval as a band where it has one."""
    rows = rows.sort_values("size")
    x = rows["size"].to_numpy(float)
    axes.plot(x, rows["value"], color=COLOURS[colour], label=label, **style)
    if rows["ci_low"].notna().any():
        low, high = rows["ci_low"].to_numpy(float), rows["ci_high"].to_numpy(float)
        axes.fill_between(x, low, high, color=COLOURS[colour], alpha=0.12, linewidth=0)


def sizes_axis(axes: "Axes", rows: pd.DataFrame, label: str = "bits in the string, n") -> None:
    axes.set_xscale("log", base=2)
    top = float(rows["size"].max())
    ticks = [tick for tick in (2, 8, 32, 128, 512, 2048) if tick <= top]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.set_xlabel(label)


def sketch(data: Data) -> "Figure":
    """Figure 1: every bit of alpha and beta, what one copier writes, and what it costs."""
    import matplotlib.pyplot as plt

    steps = data.steps[data.steps["seed"] == 0]
    sizes = np.sort(steps["size"].unique())
    size = int(sizes[np.abs(sizes - SKETCHED).argmin()])
    own = steps[steps["size"] == size]
    figure, panels = plt.subplots(2, 1, figsize=(PAGE_IN, 2.6), sharex=True, sharey=True)
    for axes, string, name in zip(panels, ("alpha", "beta"), ("\\alpha", "\\beta"), strict=True):
        rows = own[own["string"] == string].sort_values("step")
        asked = np.zeros(size, int)
        asked[-1] = int(string == "beta")
        p = np.where(asked == 1, rows["p_one"], 1.0 - rows["p_one"])
        nats = -np.log(np.maximum(p, 1.0e-12))
        wrong = rows["written"].to_numpy() != asked
        colours = [COLOURS["vermilion" if bad else "blue"] for bad in wrong]
        axes.bar(np.arange(size), nats, color=colours, width=0.8)
        for at in range(size):
            axes.annotate(
                f"{asked[at]}\n{rows['written'].iloc[at]}",
                (at, 0),
                (0, -3),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=6 if size <= 40 else 3,
                color=colours[at],
            )
        verdict = "copied wrongly" if wrong.any() else "copied"
        axes.annotate(
            f"${name}_{{{size}}}$: {verdict}, log-perplexity {nats.mean():.3g} nats",
            (0.01, 0.9),
            xycoords="axes fraction",
            va="top",
            fontsize=8,
        )
        axes.set_xticks([])
        axes.set_ylabel("nats")
        axes.annotate(
            "asked\nwritten",
            (-0.012, 0),
            (0, -3),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=6,
        )
        axes.grid(axis="x", visible=False)
    return figure


PANELS = (
    ("gap", "largest difference of\noutput probabilities"),
    ("alpha_least", "probability"),
    ("nats_alpha", "log-perplexity, nats"),
)


def copying(data: Data) -> "Figure":
    """Figure 2: small copiers above, language models below."""
    import matplotlib.pyplot as plt

    pooled = data.scores[data.scores["seed"].isna() & (data.scores["flip"] == "last")]
    ours, models = (pooled[pooled["experiment"] == name] for name in ("E1", "E2"))
    groups: list[list[tuple[str, str, pd.DataFrame]]] = [
        [
            (label, colour, ours[ours["encoding"] == name])
            for name, (label, colour) in ENCODINGS.items()
            if (ours["encoding"] == name).any()
        ],
        [
            (str(model), colour, own)
            for colour, (model, own) in zip(MODEL_COLOURS, models.groupby("model"), strict=False)
        ],
    ]
    figure, grid = plt.subplots(2, 3, figsize=(PAGE_IN, 4.6))
    for line, (panels, group) in enumerate(zip(grid, groups, strict=True)):
        for axes, (metric, label) in zip(panels, PANELS, strict=True):
            for name, colour, own in group:
                _panel(axes, metric, name, colour, own)
            axes.set_ylabel(label)
            sizes_axis(axes, pd.concat([own for _, _, own in group]))
            if line == 0:
                axes.axvline(data.longest, color=COLOURS["grey"], linewidth=0.8, linestyle=":")
            if metric != "alpha_least":
                axes.set_yscale("log")
                axes.set_ylim(LEAST_GAP / 20, 10.0)  # room for the mark
        panels[0].set_title("a  small copiers" if line == 0 else "d  language models")
        panels[1].set_title("be"[line])
        panels[2].set_title("cf"[line])
        panels[1].set_ylim(-0.03, 1.12)
        panels[0].legend(loc="lower left", fontsize=6)
    _keys(grid[0, 1], ("$\\alpha$: least of any bit", "$\\beta$: flipped bit"), "center right")
    _keys(grid[0, 2], ("$\\alpha$", "$\\beta$"), "upper right")
    for axes in grid[1]:
        mark_stand_in(axes, "embedded: stand-ins")
    return figure


def _panel(axes: "Axes", metric: str, name: str, colour: str, own: pd.DataFrame) -> None:
    def rows(wanted: str) -> pd.DataFrame:
        found = own[own["metric"] == wanted].copy()
        low = 0.0 if metric == "alpha_least" else LEAST_GAP / 10
        high = 10.0 if metric == "nats_alpha" else 1.0
        for column in ("value", "ci_low", "ci_high"):
            found[column] = found[column].clip(low, high)
        return found

    small = {"marker": "o", "markersize": 2.5}
    second = {"alpha_least": "beta_flip", "nats_alpha": "nats_beta"}.get(metric)
    curve(axes, rows(metric), colour, name, **small)
    if second:
        curve(axes, rows(second), colour, None, linestyle="--", **small)


def _keys(axes: "Axes", texts: tuple[str, str], place: str) -> None:
    """Say what solid and dashed lines are."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=COLOURS["black"], linestyle=style) for style in ("-", "--")]
    axes.legend(handles, texts, loc=place, fontsize=6)  # type: ignore[call-overload]


FIGURES: dict[str, Callable[[Data], "Figure"]] = {
    "sketch": sketch,
    "copying": copying,
    "isoperplexity": lambda data: figures_theory.isoperplexity(data.scores),
    "parity": lambda data: figures_parity.parity(data.scores, data.longest),
    "correlation": lambda data: figures_parity.correlation(
        data.scores, data.published, data.longest
    ),
    "theory": lambda data: figures_theory.theory(data.scores, curve, sizes_axis),
    "selection": lambda data: figures_parity.selection(data.scores),
}


def main(scores: str, steps: str, published_csv: str, longest: int, pngs: list[str]) -> None:
    figures.use_style()
    data = Data(
        tables.read(scores, SCORES),
        tables.read(steps),
        published_correlations(published_csv),
        longest,
    )
    for png in pngs:
        figures.save(FIGURES[Path(png).stem](data), png)


if __name__ == "__main__":
    with job.running(snakemake):
        given = snakemake.input
        pngs = [path for path in snakemake.output if path.endswith(".png")]
        main(given.scores, given.steps, given.published, snakemake.params.parity_longest, pngs)
