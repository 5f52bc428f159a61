"""Figures of accuracy: both arms, aggregators, cost, padding, instructions, feedback, controls."""

from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.parallel_sequential.dialogue import CODE, INSTRUCTIONS
from workflow_scripts.parallel_sequential.figures_common import (
    ARMS,
    Data,
    bars,
    curve,
    k_axis,
    name_lines,
    panels,
    points,
    zero,
)
from workflow_scripts.parallel_sequential.metrics import primary
from workflow_scripts.shared.figures import COLOURS, legend_below

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AGGREGATORS = {
    "majority": "majority",
    "any": "any right",
    "first": "first",
    "last": "last",
    "random": "random (mean)",
    "chosen": "model's choice",
    "logprob": "best log-prob.",
}
CONTROLS = {
    "resample": "repeats redrawn",
    "ban": "repeats forbidden",
    "other_seed": "history of another chain",
    "other_model": "history of another model",
}
FEEDBACK = {
    "none": ("sequential, no feedback", "vermilion", "-"),
    "weak": ("sequential, weak feedback", "purple", "-"),
    "parallel, weak": ("parallel, weak selection", "purple", "--"),
    "oracle": ("sequential, oracle", "blue", "-"),
    "parallel, oracle": ("parallel, oracle selection", "blue", "--"),
}


def accuracy(data: Data) -> "Figure":
    """P1: accuracy over the number of attempts, of the majority and of any right attempt."""
    figure, drawn = panels(data, 2.7)
    for panel, own in drawn:
        for name, style in (("any", "--"), ("majority", "-")):
            if name == "majority" and own["domain"] == CODE:
                continue
            for arm, (colour, marker) in ARMS.items():
                wanted = own | {"arm": arm, "aggregator": name, "experiment": ["P1", "P2"]}
                rows = data.pick("accuracy", **wanted)
                label = f"{arm}, {AGGREGATORS[name]}"
                curve(panel, rows, label, colour, marker=marker, linestyle=style)
        k_axis(panel, data.set_size)
    figure.axes[0].set(ylabel="accuracy (share of questions)", ylim=(0, 1.12))
    legend_below(figure, figure.axes, 4, handlelength=3)
    return figure


def aggregators(data: Data) -> "Figure":
    """P2: the gap at N under each aggregator."""
    figure, drawn = panels(data, 2.5, sharex=True)
    for panel, own in drawn:
        rows = data.pick("gap", k=data.set_size, **own)
        points(panel, rows, "aggregator", list(AGGREGATORS), "blue")
        zero(panel)
        panel.set_xlabel(f"gap at N = {data.set_size}\n(parallel minus sequential)")
    name_lines(figure.axes[0], list(AGGREGATORS.values()))
    return figure


def cost(data: Data) -> "Figure":
    """P1: accuracy over tokens, prompts and replies together."""
    figure, drawn = panels(data, 2.7)
    for panel, own in drawn:
        for arm, (colour, marker) in ARMS.items():
            name = primary(own["domain"])
            right = data.pick("accuracy", aggregator=name, experiment="P1", arm=arm, **own)
            spent = data.pick("tokens", arm=arm, **own)
            both = right.merge(spent[["k", "value"]], on="k", suffixes=("", "_tokens"))
            both = both.sort_values("k")
            if both.empty:  # the server does not count tokens
                continue
            bars(panel, both["value_tokens"], both, arm, colour, marker)
            if arm == "sequential":
                # As many parallel attempts as cost the same, drawn from all chains.
                same = data.pick("accuracy_equal_tokens", arm="parallel", **own)
                same = same.merge(spent[["k", "value"]], on="k", suffixes=("", "_tokens"))
                bars(panel, same["value_tokens"], same, "parallel, equal tokens", "sky", "^")
            last = both.iloc[-1]
            panel.annotate(
                f"k = {last['k']}",
                (last["value_tokens"], last["ci_high"]),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=6,
                color=COLOURS[colour],
            )
        panel.set_xscale("log", base=2)
        low, high = panel.get_xlim()
        ticks = [2**power for power in range(40) if low <= 2**power <= high]
        panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        panel.set_xlabel("tokens per question,\nprompts and replies")
    figure.axes[0].set(ylabel="accuracy", ylim=(0, 1.12))
    legend_below(figure, figure.axes, 3)
    return figure


def padding(data: Data) -> "Figure":
    """P3: accuracy after unrelated text, with the sequential arm for comparison."""
    figure, drawn = panels(data, 2.7)
    for panel, own in drawn:
        main = primary(own["domain"])
        at = own | {"k": data.set_size}
        for name, colour, marker in ((main, "blue", "o"), ("random", "sky", "^")):
            bare = data.pick("accuracy", arm="parallel", aggregator=name, **at)
            rows = data.pick("accuracy", experiment="P3", aggregator=name, **at)
            rows = pd.concat([bare.head(1).assign(cell="0"), rows])
            rows = rows.assign(factor=rows["cell"].astype(float)).sort_values("factor")
            bars(panel, rows["factor"], rows, f"parallel, {AGGREGATORS[name]}", colour, marker)
        other = data.pick("accuracy", arm="sequential", aggregator=main, **at).iloc[0]
        colour = COLOURS["vermilion"]
        panel.axhspan(other["ci_low"], other["ci_high"], color=colour, linewidth=0, alpha=0.15)
        label = f"sequential, {AGGREGATORS[main]}"
        panel.axhline(other["value"], color=colour, linestyle="--", label=label)
        tried = data.pick("accuracy", experiment="P3", aggregator="any", **at)
        if bare["value"].max() > 0 and (tried["value"] == 0).all():
            text = "no right answer after unrelated text:\nthis model cannot do the task then"
            panel.text(0.97, 0.72, text, transform=panel.transAxes, ha="right", fontsize=6)
        panel.set_xticks(sorted(rows["factor"]))
        panel.set_xlabel("length of the unrelated text\n(multiple of the history)")
    figure.axes[0].set(ylabel=f"accuracy at N = {data.set_size}", ylim=(-0.02, 1.12))
    legend_below(figure, figure.axes, 3)
    return figure


def instructions(data: Data) -> "Figure":
    """P5: effect of each wording on the attempts from the second on."""
    figure, drawn = panels(data, 2.0, sharex=True)
    names = list(INSTRUCTIONS)
    for panel, own in drawn:
        alike = data.pick("similarity", experiment="P4", cell="lexical", **own)
        alike = alike.assign(arm=alike["arm"].replace("sequential", "plain"))
        right = data.pick("later_accuracy", experiment="P5", **own)
        same = data.pick("repeat_rate", experiment="P5", **own)
        points(panel, right, "arm", names, "blue", "right", "o", -0.2)
        points(panel, same, "arm", names, "orange", "repeats the previous answer", "s")
        points(panel, alike, "arm", names, "green", "lexical similarity", "^", 0.2)
        panel.set_xlim(-0.03, 1.03)
        panel.set_xlabel("share of later attempts;\nmean cosine")
    name_lines(figure.axes[0], [name.replace("_", " ") for name in names])
    legend_below(figure, figure.axes, 3)
    return figure


def feedback(data: Data) -> "Figure":
    """P7: the last attempt after k rounds without feedback, with weak and with oracle feedback."""
    figure, drawn = panels(data, 2.8)
    for panel, own in drawn:
        for arm, (label, colour, style) in FEEDBACK.items():
            rows = data.pick("accuracy", experiment="P7", arm=arm, **own)
            curve(panel, rows, label, colour, marker="o", linestyle=style)
        k_axis(panel, data.set_size, "rounds")
    figure.axes[0].set(ylabel="accuracy of the current answer", ylim=(0, 1.12))
    legend_below(figure, figure.axes, 3, handlelength=3)
    return figure


def controls(data: Data) -> "Figure":
    """P8 and P9: rejected repeats and foreign histories against the plain sequential arm."""
    figure, drawn = panels(data, 2.2, sharex=True)
    names = list(CONTROLS)
    for panel, own in drawn:
        main = primary(own["domain"])
        gains = data.pick("gain_over_sequential", aggregator=main, **own)
        changes = data.pick("later_accuracy_change", experiment="P9", **own)
        points(panel, gains, "arm", names, "blue", f"{AGGREGATORS[main]} of {data.set_size}")
        points(panel, changes, "arm", names, "orange", "share of right later attempts")
        zero(panel)
        panel.set_xlabel("accuracy minus that of\nthe sequential arm")
    name_lines(figure.axes[0], list(CONTROLS.values()))
    legend_below(figure, figure.axes, 2)
    return figure
