"""Figures of accuracy: both arms, aggregators, cost, padding, instructions, feedback, controls."""

from typing import TYPE_CHECKING

import pandas as pd

from workflow_scripts.parallel_sequential.dialogue import CODE, INSTRUCTIONS
from workflow_scripts.parallel_sequential.plots import (
    ARMS,
    Cast,
    curve,
    grid,
    k_axis,
    panels,
    points,
    zero,
)
from workflow_scripts.parallel_sequential.scoring import pick
from workflow_scripts.shared.figures import COLOURS, CYCLE, PAGE_IN, margins

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
    "resample": "repeats drawn again",
    "ban": "repeats forbidden",
    "other_seed": "history of another chain",
    "other_model": "history of another model",
}


def primary(domain: str) -> str:
    """The aggregator of P1, as `accuracy.primary` has it."""
    return "any" if domain == CODE else "majority"


def accuracy(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P1: accuracy against the number of attempts, by the vote and by a right one among them."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.7, sharey=True)
    for panel, (model, domain) in zip(axes, shown, strict=False):
        own = {"model": model, "domain": domain}
        for name, line in (("any", "--"), ("majority", "-")):
            if name == "majority" and domain == CODE:
                continue
            for arm, (label, colour, marker) in ARMS.items():
                rows = pick(scores, "accuracy", aggregator=name, arm=arm, **own)
                rows = rows[rows["experiment"].isin(["P1", "P2"])]
                text = f"{label}, {AGGREGATORS[name]}"
                curve(panel, rows, text, colour, marker, linestyle=line)
        k_axis(panel, cast.attempts)
        cast.title(panel, model, domain)
    axes[0].set_ylabel("accuracy (share of questions)")
    axes[0].set_ylim(0, 1.12)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, handlelength=3)
    return figure


def aggregators(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P2: the gap at N under each aggregator."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.5, sharey=True, sharex=True)
    names = list(AGGREGATORS)
    for panel, (model, domain) in zip(axes, shown, strict=False):
        rows = pick(scores, "gap", k=cast.attempts, model=model, domain=domain)
        rows = rows.set_index("aggregator").reindex(names).dropna(subset=["value"])
        points(panel, rows, [names.index(name) for name in rows.index], "blue")
        zero(panel)
        panel.set_xlabel(f"gap at N = {cast.attempts}\n(parallel less sequential)")
        cast.title(panel, model, domain)
    axes[0].set_yticks(range(len(names)), list(AGGREGATORS.values()))
    axes[0].set_ylim(len(names) - 0.5, -1.0)
    return figure


def cost(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P1: accuracy against tokens, prompts and replies together."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.7, sharey=True)
    for panel, (model, domain) in zip(axes, shown, strict=False):
        for arm, (label, colour, marker) in ARMS.items():
            own = {"model": model, "domain": domain, "arm": arm}
            right = pick(scores, "accuracy", aggregator=primary(domain), experiment="P1", **own)
            spent = pick(scores, "tokens", **own)
            both = right.merge(spent[["k", "value"]], on="k", suffixes=("", "_tokens"))
            both = both.sort_values("k")
            panel.errorbar(
                both["value_tokens"],
                both["value"],
                margins(both),
                color=COLOURS[colour],
                marker=marker,
                markersize=3,
                label=label,
            )
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
        panel.set_xlabel("tokens a question, prompts and replies")
        panel.legend(loc="lower right")
        cast.title(panel, model, domain)
    axes[0].set_ylabel("accuracy")
    axes[0].set_ylim(0, 1.12)
    return figure


def padding(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P3: accuracy behind unrelated text, with the sequential arm for comparison."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.7, sharey=True)
    for panel, (model, domain) in zip(axes, shown, strict=False):
        own = {"model": model, "domain": domain, "k": cast.attempts}
        for name, colour, marker in ((primary(domain), "blue", "o"), ("random", "sky", "^")):
            bare = pick(scores, "accuracy", arm="parallel", aggregator=name, **own)
            rows = pick(scores, "accuracy", experiment="P3", aggregator=name, **own)
            rows = pd.concat([bare.head(1).assign(cell="0"), rows])
            rows = rows.assign(factor=rows["cell"].astype(float)).sort_values("factor")
            panel.errorbar(
                rows["factor"],
                rows["value"],
                margins(rows),
                color=COLOURS[colour],
                marker=marker,
                markersize=3,
                label=f"parallel, {AGGREGATORS[name]}",
            )
        sequential = pick(
            scores, "accuracy", arm="sequential", aggregator=primary(domain), **own
        ).iloc[0]
        low, high = sequential["ci_low"], sequential["ci_high"]
        panel.axhspan(low, high, color=COLOURS["vermilion"], linewidth=0, alpha=0.15)
        panel.axhline(
            sequential["value"],
            color=COLOURS["vermilion"],
            linestyle="--",
            label=f"sequential, {AGGREGATORS[primary(domain)]}",
        )
        panel.set_xticks(sorted(rows["factor"]))
        panel.set_xlabel("unrelated text, in lengths of the history")
        cast.title(panel, model, domain)
    axes[0].set_ylabel(f"accuracy at N = {cast.attempts}")
    axes[0].set_ylim(-0.02, 1.12)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def instructions(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P5: what each wording does to the attempts from the second on."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.0, sharey=True, sharex=True)
    names = list(INSTRUCTIONS)
    series = (
        ("later_accuracy", "P5", "right", "blue", "o", -0.2),
        ("repeat_rate", "P5", "as the one before", "orange", "s", 0.0),
        ("similarity", "P4", "lexical similarity", "green", "^", 0.2),
    )
    for panel, (model, domain) in zip(axes, shown, strict=False):
        for metric, experiment, label, colour, marker, shift in series:
            rows = pick(scores, metric, experiment=experiment, model=model, domain=domain)
            if metric == "similarity":
                rows = rows[rows["cell"] == "lexical"]
                rows = rows.assign(arm=rows["arm"].replace("sequential", "plain"))
            rows = rows.set_index("arm").reindex(names).dropna(subset=["value"])
            places = [names.index(name) + shift for name in rows.index]
            points(panel, rows, places, colour, label, marker)
        panel.set_xlim(-0.03, 1.03)
        panel.set_xlabel("share of later attempts; mean cosine")
        cast.title(panel, model, domain)
    axes[0].set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axes[0].set_ylim(len(names) - 0.5, -0.9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def feedback(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P7: the last attempt after k rounds without feedback, with weak and with oracle feedback."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.8, sharey=True)
    series = {
        "none": ("sequential, no feedback", "vermilion", "-"),
        "weak": ("sequential, weak feedback", "purple", "-"),
        "parallel, weak": ("parallel, weak selection", "purple", "--"),
        "oracle": ("sequential, oracle", "blue", "-"),
        "parallel, oracle": ("parallel, oracle selection", "blue", "--"),
    }
    for panel, (model, domain) in zip(axes, shown, strict=False):
        own = {"model": model, "domain": domain}
        for arm, (label, colour, line) in series.items():
            rows = pick(scores, "accuracy", experiment="P7", arm=arm, **own)
            curve(panel, rows, label, colour, linestyle=line)
        k_axis(panel, cast.attempts, "rounds")
        cast.title(panel, model, domain)
    axes[0].set_ylabel("accuracy of the answer held")
    axes[0].set_ylim(0, 1.12)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3)
    return figure


def controls(scores: pd.DataFrame, cast: Cast) -> "Figure":
    """P8 and P9: repeats rejected, and histories of others, against the plain sequential arm."""
    shown = panels(scores, cast)
    figure, axes = grid(len(shown), PAGE_IN, 2.2, sharey=True, sharex=True)
    names = list(CONTROLS)
    for panel, (model, domain) in zip(axes, shown, strict=False):
        own = {"model": model, "domain": domain}
        gains = pick(scores, "gain_over_sequential", aggregator=primary(domain), **own)
        changes = pick(scores, "later_accuracy_change", experiment="P9", **own)
        for rows, label, colour in (
            (gains, f"{AGGREGATORS[primary(domain)]} of {cast.attempts}", CYCLE[0]),
            (changes, "share of right later attempts", CYCLE[4]),
        ):
            rows = rows.set_index("arm").reindex(names).dropna(subset=["value"])
            points(panel, rows, [names.index(name) for name in rows.index], colour, label)
        zero(panel)
        panel.set_xlabel("accuracy less that of\nthe sequential arm")
        cast.title(panel, model, domain)
    axes[0].set_yticks(range(len(names)), list(CONTROLS.values()))
    axes[0].set_ylim(len(names) - 0.5, -0.9)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure
