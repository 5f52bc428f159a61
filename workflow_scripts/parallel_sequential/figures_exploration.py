"""Figures of exploration: similarity, distinct answers, steps, and what repeats explain."""

from typing import TYPE_CHECKING, Any

from workflow_scripts.parallel_sequential.figures_common import (
    ARMS,
    Data,
    curve,
    k_axis,
    name_lines,
    panels,
    points,
    zero,
)
from workflow_scripts.parallel_sequential.worlds import WORLDS
from workflow_scripts.shared.figure_text import ink
from workflow_scripts.shared.figures import COLOURS, PAGE_IN, legend_below, missing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = {
    "right to right": "green",
    "wrong to right": "sky",
    "right to wrong": "orange",
    "wrong to wrong": "vermilion",
}


def similarity(data: Data) -> "Figure":
    """P4: histograms of the similarity of solutions to one question, both arms."""
    shown = [
        own | {"cell": measure}
        for own in data.domains()
        for measure in ("lexical", "embedding")
        if len(data.pick("similarity", **own, cell=measure))
    ]
    figure, drawn = panels(data, 2.5, shown)
    for panel, own in drawn:
        rows = data.pick("similarity_share", model=own["model"], domain=own["domain"])
        rows = rows[rows["cell"].str.startswith(own["cell"])]
        for arm, (colour, _) in ARMS.items():
            bins = rows[rows["arm"] == arm]
            edges = bins["cell"].str.split().str[1].astype(float).to_numpy()
            panel.stairs(
                bins["value"].to_numpy(),
                [*edges, 2 * edges[-1] - edges[-2]],
                color=COLOURS[colour],
                linewidth=1.4,
                label=arm,
            )
            mean = data.pick("similarity", **own, arm=arm)["value"].iloc[0]
            panel.axvline(mean, color=COLOURS[colour], linestyle=":", linewidth=1)
        panel.set_xlabel(f"{own['cell']} cosine of two solutions")
    figure.axes[0].set(ylabel="share of pairs", ylim=(0, 1.12 * figure.axes[0].get_ylim()[1]))
    legend_below(figure, figure.axes, 2)
    return figure


def unique(data: Data) -> "Figure":
    """P4: number of distinct answers among the first k."""
    figure, drawn = panels(data, 2.5)
    for panel, own in drawn:
        for arm, (colour, marker) in ARMS.items():
            rows = data.pick("unique", experiment="P4", arm=arm, **own)
            curve(panel, rows, arm, colour, marker=marker)
        k_axis(panel, data.set_size)
    figure.axes[0].set(ylabel="distinct answers", ylim=(0, 1.08 * figure.axes[0].get_ylim()[1]))
    legend_below(figure, figure.axes, 2)
    return figure


def transitions(data: Data) -> "Figure":
    """P4: steps from one attempt to the next between right and wrong, and repeats."""
    figure, drawn = panels(data, 2.0, sharex=True)
    for panel, own in drawn:
        for place, arm in enumerate(ARMS):
            shares: Any = data.pick("transition", arm=arm, **own).set_index("cell")["value"]
            left = 0.0
            for step, colour in STEPS.items():
                share = float(shares[step])
                panel.barh(place, share, left=left, color=COLOURS[colour], height=0.55, label=step)
                if share > 0.07:
                    text = f"{share:.2f}".removeprefix("0")
                    panel.text(left + share / 2, place, text, ha="center", va="center", fontsize=6,
                               color=ink(COLOURS[colour]))  # fmt: skip
                left += share
        repeats = data.pick("repeat_rate", experiment="P4", **own)
        points(panel, repeats, "arm", list(ARMS), "black", "repeats the previous answer", "|", -0.4)
        panel.set_xlim(0, 1)
        panel.grid(axis="y", visible=False)
        panel.set_xlabel("share of steps")
    name_lines(figure.axes[0], list(ARMS))
    legend_below(figure, figure.axes, 5)
    return figure


def attribution(data: Data) -> "Figure":
    """P4: the gap, the part of it that repeats explain, and the same for simulated answerers."""
    import matplotlib.pyplot as plt

    rows = data.pick("gap_to_explain")
    labels = {
        (model, domain): f"{data.models.label(model)}, {domain}"
        for model, domain in zip(rows["model"], rows["domain"], strict=True)
    }
    labels |= {(world, "math"): f"simulated: {world}" for world in WORLDS}
    figure, axes = plt.subplots(
        1, 2, figsize=(PAGE_IN, 1.2 + 0.3 * max(len(labels), 3)), sharey=True
    )
    names = list(labels.values())
    found = {
        metric: _labelled(data.pick(metric), labels)
        for metric in ("gap_to_explain", "gap_explained", "gap_explained_share", "true_share")
    }
    points(axes[0], found["gap_to_explain"], "label", names, "vermilion", "gap", "s", -0.15)
    explained = found["gap_explained"]
    points(axes[0], explained, "label", names, "blue", "explained by repeats", "o", 0.15)
    zero(axes[0])
    axes[0].set_xlabel("accuracy")
    share = found["gap_explained_share"].dropna(subset="ci_low")
    points(axes[1], share, "label", names, "blue")
    points(axes[1], found["true_share"], "label", names, "black", "true share", "|", 0.25)
    axes[1].axvline(0.5, color=COLOURS["black"], linestyle=":", linewidth=0.8)
    axes[1].set(xlabel="share of the gap explained by repeats", xlim=(-0.5, 2.0))
    name_lines(axes[0], names)
    if rows.empty:
        missing(axes[0])
    legend_below(figure, figure.axes, 3)
    return figure


def _labelled(rows: Any, labels: dict[tuple[str, str], str]) -> Any:
    keys = zip(rows["model"], rows["domain"], strict=True)
    return rows.assign(label=[labels.get(key, "") for key in keys])
