"""Figures of study transnar: scores, families, ablations, reasoners, training, a drawing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.shared import figures, job, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, margins
from workflow_scripts.shared.readings import select
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.transnar import variants

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOK = {
    "text": ("black", "o", "text alone"),
    "hybrid": ("blue", "s", "with the reasoner"),
    "untrained": ("orange", "^", "with an untaught one"),
    "nodes": ("sky", "v", "with its nodes"),
    "edges": ("purple", "P", "with its edges"),
    "text_adaptive": ("grey", "D", "text, adaptive in training"),
    "hybrid_adaptive": ("green", "X", "reasoner, adaptive in training"),
    "reasoner": ("vermilion", "*", "the reasoner by itself"),
}
PANELS = (
    ("clrs_score", "free", "CLRS score"),
    ("clrs_score", "given", "CLRS score, shape given"),
    ("shape_score", "free", "shape score"),
    ("parse_score", "free", "parse score"),
)
READINGS = {
    "plain": "as trained",
    "nodes_only": "nodes alone",
    "edges_only": "edges alone",
    "shuffled": "another graph's",
    "closed": "none",
    "adaptive": "adaptive temperature",
}
SMALL = "small decoders"
SHORT = {"interpolation": "between", "trained": "trained", "extrapolation": "beyond"}


@dataclass(frozen=True)
class Data:
    scores: pd.DataFrame
    curves: dict[str, pd.DataFrame]
    sizes: dict[str, int]
    trained: list[int]


def _whole(data: Data, **wanted: object) -> pd.DataFrame:
    return select(data.scores, experiment="E1", algorithm="all", family="all", **wanted)


def scores(data: Data) -> "Figure":
    """Figures 4 to 6 of the paper, means over algorithms, against size."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(PAGE_IN, 2.5), sharey=True)
    for place, (metric, form, title) in zip(axes, PANELS, strict=True):
        rows = _whole(data, metric=metric, form=form, reading="plain")
        for shift, arm in enumerate(name for name in LOOK if name in set(rows["arm"])):
            own = rows[rows["arm"] == arm].sort_values("nodes")
            colour, marker, label = LOOK[arm]
            place.errorbar(
                own["nodes"].astype(float) + 0.06 * shift,
                own["value"],
                margins(own),
                color=COLOURS[colour],
                marker=marker,
                label=label,
            )
        place.set_title(title)
        place.set_xlabel("nodes")
        roles = {size: role for role, size in data.sizes.items()}
        place.set_xticks(sorted(roles), [f"{size}\n{SHORT[roles[size]]}" for size in sorted(roles)])
        place.set_ylim(-0.03, 1.06)
    axes[0].set_ylabel("score, mean over prompts")
    figures.mark_stand_in(axes[1], SMALL)
    handles, labels = axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def families(data: Data) -> "Figure":
    """Figure 1: families of algorithms, out of distribution."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(PAGE_IN, 2.4), sharey=True)
    for place, role in zip(axes, ("interpolation", "extrapolation"), strict=True):
        rows = select(
            data.scores, experiment="E1", metric="clrs_score", form="free", reading="plain",
            role=role, algorithm="all",
        )  # fmt: skip
        rows = rows[(rows["family"] != "all") & rows["arm"].isin(["text", "hybrid"])]
        names = sorted(set(rows["family"]))
        for shift, arm in ((-0.2, "text"), (0.2, "hybrid")):
            own = rows[rows["arm"] == arm].set_index("family").reindex(names)
            colour, _, label = LOOK[arm]
            place.bar(
                np.arange(len(names)) + shift,
                own["value"],
                0.36,
                yerr=margins(own),
                color=COLOURS[colour],
                label=label,
                ecolor=COLOURS["grey"],
            )
        place.set_xticks(range(len(names)), names, rotation=20, ha="right")
        place.set_xlim(-1.0, len(names))
        place.set_ylim(0, 1.05)
        place.set_title(f"{data.sizes[role]} nodes ({role})")
    axes[0].set_ylabel("CLRS score")
    axes[0].legend(loc="upper left")
    figures.mark_stand_in(axes[1], SMALL)
    return figure


def ablations(data: Data) -> "Figure":
    """What trained decoders lose when they see less, or something else; below, other arms."""
    import matplotlib.pyplot as plt

    more = not variants.LOOK.keys().isdisjoint(data.scores["arm"])
    height = 4.4 if more else 2.3
    figure, grid = plt.subplots(1 + more, 3, figsize=(PAGE_IN, height), sharey="row", squeeze=False)
    if more:
        wanted = {"metric": "clrs_score", "form": "free", "reading": "plain"}
        variants.draw(grid[1], data.sizes, lambda role: _whole(data, **wanted, role=role))
    axes, names = grid[0], list(READINGS)
    for place, (role, size) in zip(axes, data.sizes.items(), strict=True):
        for shift, arm in ((0.15, "text"), (-0.15, "hybrid")):
            rows = _whole(data, metric="clrs_score", form="given", arm=arm, role=role)
            own = rows.set_index("reading").reindex(names).dropna(subset="value")
            colour, marker, label = LOOK[arm]
            place.errorbar(
                own["value"],
                [names.index(name) + shift for name in own.index],
                xerr=margins(own),
                linestyle="none",
                marker=marker,
                color=COLOURS[colour],
                label=label,
            )
        place.set_title(f"{size} nodes ({role})")
        place.set_xlabel("CLRS score, shape given")
        place.set_xlim(-0.02, 1.06)
    axes[0].set_yticks(range(len(names)), READINGS.values())
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    axes[0].set_ylabel("what is seen of the reasoner")
    figures.mark_stand_in(axes[2], SMALL)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def reasoners(data: Data) -> "Figure":
    """Triplet-GMPNN on the package's test sets beside Table 2 of Ibarz et al. (2022)."""
    import matplotlib.pyplot as plt

    rows = select(data.scores, experiment="reasoner")
    far = rows[(rows["role"] == "extrapolation") & (rows["metric"] == "score")]
    near = rows[(rows["role"] == "trained") & (rows["metric"] == "score")]
    less = rows[rows["metric"] == "score_less_published"].set_index(["arm", "algorithm"])["value"]
    far = far.sort_values("value", ascending=False)
    names = list(zip(far["arm"], far["algorithm"], strict=True))
    figure, axes = plt.subplots(figsize=(PAGE_IN, 2.6))
    place = np.arange(len(names), dtype=float)
    known = far["value"].to_numpy() - less.reindex(names).to_numpy()
    axes.plot(place, known, label="published, 10,000 steps, 64 nodes", **figures.PUBLISHED)  # type: ignore[arg-type]
    for shift, found, colour, marker, label in (
        (0.0, far, "blue", "s", "here, longest test size"),
        (0.18, near, "sky", "o", "here, sizes as in training"),
    ):
        own = found.set_index(["arm", "algorithm"]).reindex(names)
        axes.errorbar(
            place + shift,
            own["value"],
            margins(own),
            linestyle="none",
            marker=marker,
            color=COLOURS[colour],
            label=label,
        )
    steps = far["steps"].tolist()
    labels = [
        f"{algorithm.replace('_', ' ')}\n{step:,} steps"
        for (_, algorithm), step in zip(names, steps, strict=True)
    ]
    few = len(names) <= 8
    axes.set_xticks(place, labels, rotation=0 if few else 90)
    axes.set_ylim(-0.03, 1.06)
    axes.set_ylabel("score")
    figures.mark_stand_in(axes, "trained for fewer steps than published")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def curves(data: Data) -> "Figure":
    """Training losses of every arm, seeds apart."""
    import matplotlib.pyplot as plt

    few = len(data.curves) <= 4
    figure, axes = plt.subplots(figsize=(figures.COLUMN_IN, 2.4) if few else (PAGE_IN, 3.2))
    for arm, curve in data.curves.items():
        colour, _, label = (LOOK | variants.LOOK)[arm]
        for number, (_, own) in enumerate(curve.groupby("seed")):
            smooth = own["loss_nats"].rolling(5, min_periods=1).mean()
            axes.plot(
                own["step"],
                smooth,
                color=COLOURS[colour],
                linewidth=0.9,
                linestyle=variants.DASHES.get(arm, "-"),
                label=label if number == 0 else None,
            )
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats a token")
    axes.set_ylim(bottom=0)
    if few:
        axes.legend()
    else:
        figure.legend(loc="outside lower center", ncols=3)
    figures.mark_stand_in(axes, SMALL)
    return figure


def architecture(data: Data) -> "Figure":
    """Figures 2 and 3: what is frozen, what is trained, where the two meet."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(PAGE_IN, 2.2))
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 3)
    axes.axis("off")
    axes.grid(visible=False)
    _box(axes, 0.2, 1.9, 1.7, "graph of\nthe sample", "grey")
    _box(axes, 2.7, 1.9, 2.2, "reasoner, frozen\nlast step", "vermilion")
    _box(axes, 5.7, 2.3, 2.0, "vectors of nodes", "sky")
    _box(axes, 5.7, 1.5, 2.0, "vectors of edges", "purple")
    _box(axes, 0.2, 0.2, 1.7, "CLRS-Text", "grey")
    _box(axes, 2.7, 0.2, 2.2, "self-attention\nof the decoder", "black")
    _box(axes, 5.7, 0.2, 2.0, "cross-attention\n+ gate tanh(a)", "blue")
    _box(axes, 8.4, 0.2, 1.5, "next token", "green")
    for start, end in (
        ((1.9, 2.2), (2.7, 2.2)),
        ((4.9, 2.3), (5.7, 2.6)),
        ((4.9, 2.1), (5.7, 1.8)),
        ((1.9, 0.5), (2.7, 0.5)),
        ((4.9, 0.5), (5.7, 0.5)),
        ((7.7, 0.5), (8.4, 0.5)),
        ((6.4, 1.5), (6.4, 0.8)),
    ):
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "linewidth": 0.9})
    axes.annotate(
        "",
        (7.2, 0.8),
        (7.7, 2.6),
        arrowprops={"arrowstyle": "->", "linewidth": 0.9, "connectionstyle": "arc3,rad=-0.45"},
    )
    axes.text(6.7, -0.12, "after every layer", fontsize=7, ha="center", color="0.35")
    return figure


def _box(axes: "Axes", x: float, y: float, width: float, text: str, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            width,
            0.6,
            boxstyle="round,pad=0.02,rounding_size=0.08",
            facecolor="white",
            edgecolor=COLOURS[colour],
            linewidth=1.2,
        )
    )
    axes.text(x + width / 2, y + 0.3, text, ha="center", va="center", fontsize=7.5)


FIGURES: dict[str, Callable[[Data], "Figure"]] = {
    "scores": scores,
    "families": families,
    "ablations": ablations,
    "reasoners": reasoners,
    "curves": curves,
    "architecture": architecture,
}


def main(
    table: str, curve_tables: dict[str, str], sizes: dict[str, int], trained: list[int],
    pngs: list[str],
) -> None:  # fmt: skip
    figures.use_style()
    read = {arm: tables.read(path) for arm, path in curve_tables.items()}
    data = Data(tables.read(table, SCORES), read, sizes, trained)
    for png in pngs:
        figures.save(FIGURES[Path(png).stem](data), png)


if __name__ == "__main__":
    with job.running(snakemake):
        given, params = snakemake.input, snakemake.params
        main(
            given.scores,
            dict(zip(params.arms, given.curves, strict=True)),
            params.sizes,
            params.trained,
            [path for path in snakemake.output if path.endswith(".png")],
        )
