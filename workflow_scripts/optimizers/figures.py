"""The study's figures: one function draws one figure from the scores."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workflow_scripts.optimizers import figures_exact, figures_solutions
from workflow_scripts.optimizers.plots import (
    OPTIMIZERS,
    line,
    points,
    pooled,
    present,
    stand_in,
)
from workflow_scripts.shared import figures, job, tables
from workflow_scripts.shared.figures import COLOURS, PAGE_IN
from workflow_scripts.shared.schemas import SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAIR_LABELS = ["0, 1", "2, 3", "4, 5", "6, 7", "8, 9"]
WAYS = {  # the panels' rows: how optimisers are made comparable
    "same steps": {"metric": "forgetting", "protocol": "steps", "state": "kept"},
    "same steps, state reset": {"metric": "forgetting", "protocol": "steps", "state": "reset"},
    "same training loss": {"metric": "forgetting", "protocol": "matched", "state": "kept"},
    "same distance, task 2": {"metric": "forgetting_at_distance", "protocol": "steps"},
}


def shared_legend(figure: "Figure", axes: "Axes", columns: int) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def last(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows after the last task; those that know no task stay."""
    return rows[(rows["task"] == rows["task"].max()) | rows["task"].isna()]


def forgetting(scores: pd.DataFrame) -> "Figure":
    """R2: accuracy and forgetting on permuted tasks, and what the updates share."""
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=(PAGE_IN, 2.9), width_ratios=[1, 1.25, 1]
    )
    rows = pooled(scores, experiment="continual", stream="permuted", rate="tuned")
    plain = rows[(rows["protocol"] == "steps") & (rows["state"] == "kept")]
    average = plain[plain["metric"] == "average_accuracy"]
    overlap = plain[(plain["metric"] == "update_overlap") & (plain["layer"] == "layer1")]
    for name in present(rows):
        line(left, average[average["optimizer"] == name], "task", name, marker="o", markersize=2.5)
        line(right, overlap[overlap["optimizer"] == name], "task", name)
    names = present(rows)
    for at, wanted in enumerate(WAYS.values()):
        found = last(pooled(rows, **wanted)).set_index("optimizer")
        for index, name in enumerate(names):
            if name in found.index:
                shift = (index - (len(names) - 1) / 2) * 0.095
                colour = COLOURS[OPTIMIZERS[name][1]]
                style = {"color": colour, "marker": "o", "markersize": 2.5, "capsize": 0}
                value = found.loc[[name]]
                around = np.abs(
                    value[["ci_low", "ci_high"]].to_numpy(float).T - value["value"].iloc[0]
                )
                middle.errorbar(
                    value["value"], [at + shift], xerr=around, linestyle="none", **style
                )
    middle.set_yticks(range(len(WAYS)), [way.replace(", ", ",\n") for way in WAYS])
    middle.invert_yaxis()
    middle.set_xlabel("accuracy forgotten")
    middle.set_title("b  forgetting")
    left.set_xlabel("tasks learned")
    left.set_ylabel("mean accuracy on them")
    left.set_title("a  permuted tasks")
    right.set_xlabel("task")
    right.set_ylabel("overlap with the update before")
    right.set_title("c  update subspaces")
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    stand_in(left, rows)
    shared_legend(figure, left, 8)
    return figure


def rank(scores: pd.DataFrame) -> "Figure":
    """R3: ranks of representations and weights over tasks, and spectra after the last."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(1, 4, figsize=(PAGE_IN, 2.6))
    rows = pooled(
        scores,
        experiment="continual",
        stream="permuted",
        rate="tuned",
        protocol="steps",
        state="kept",
    )
    panels = (
        ("activation_effective_rank", "hidden1", "a  representations", "effective rank"),
        ("weight_effective_rank", "layer1", "b  first weights", "effective rank"),
        ("activation_spectrum", "hidden1", "c  representations", "singular value / largest"),
        ("weight_spectrum", "layer1", "d  first weights", "singular value / largest"),
    )
    for axes, (metric, layer, title, unit) in zip(grid, panels, strict=True):
        found = rows[(rows["metric"] == metric) & (rows["layer"] == layer)]
        spectrum = metric.endswith("spectrum")
        for name in present(found):
            mine = found[found["optimizer"] == name]
            line(axes, mine, "index" if spectrum else "task", name, linewidth=1.1)
        if spectrum:
            axes.set_yscale("log")
            axes.set_ylim(1.0e-3, 1.2)
        axes.set_xlabel("index" if spectrum else "tasks learned")
        axes.set_ylabel(unit)
        axes.set_title(title)
    stand_in(grid[0], rows)
    shared_legend(figure, grid[0], 8)
    return figure


def classes(scores: pd.DataFrame) -> "Figure":
    """R4: accuracy on each pair after the whole stream; cosines between classes."""
    import matplotlib.pyplot as plt

    rows = pooled(scores, experiment="continual", stream="classes", protocol="steps", state="kept")
    rows = last(rows)
    wanted = [
        ("adam", "0.001", "Adam, rate 1e-3", "sky", "--"),
        ("adam", "0.0001", "Adam, rate 1e-4", "blue", "--"),
        ("shampoo", "tuned", "Shampoo", "vermilion", "-"),
    ]
    figure, grid = plt.subplots(1, 4, figsize=(PAGE_IN, 2.8), width_ratios=[1.5, 1, 1, 1])
    accuracy = rows[rows["metric"] == "task_accuracy"]
    others = [n for n in present(rows) if n not in ("adam", "shampoo", "adamw")]
    for name in others:
        mine = accuracy[(accuracy["optimizer"] == name) & (accuracy["rate"] == "tuned")]
        line(grid[0], mine, "of_task", name, linewidth=0.8, alpha=0.8)
    image = None
    for axes, (name, rate, text, colour, dashes) in zip(grid[1:], wanted, strict=True):
        mine = rows[(rows["optimizer"] == name) & (rows["rate"] == rate)]
        values = mine[mine["metric"] == "task_accuracy"].sort_values("of_task")
        style = {"color": COLOURS[colour], "marker": "o", "markersize": 3, "capsize": 2}
        grid[0].plot(
            values["of_task"].astype(float),
            values["value"],
            linestyle=dashes,
            color=COLOURS[colour],
            label=text,
        )
        points(grid[0], values, values["of_task"].to_numpy(float), 0.0, **style)
        cosines = mine[mine["metric"] == "class_cosine"]
        axes.set_title(text, fontsize=8)
        axes.grid(False)
        axes.set_xticks(range(0, 10, 3))
        axes.set_yticks(range(0, 10, 3))
        axes.set_xlabel("class")
        if cosines.empty:
            continue
        cosines = cosines.assign(other=cosines["other"].astype(int))
        matrix = cosines.pivot(index="index", columns="other", values="value").to_numpy(float)
        image = axes.imshow(matrix, cmap="viridis", vmin=0, vmax=1)
    grid[1].set_ylabel("class")
    grid[0].set_xticks(range(1, 6), PAIR_LABELS)
    grid[0].set_xlabel("pair of digits, in the order learned")
    grid[0].set_ylabel("final accuracy")
    grid[0].set_ylim(-0.03, 1.15)
    grid[0].axhline(0.1, color=COLOURS["grey"], linestyle=":", linewidth=0.8)
    if image is not None:
        figure.colorbar(image, ax=grid[1:], label="cosine of mean activations", shrink=0.7)
    stand_in(grid[0], rows)
    shared_legend(figure, grid[0], 4)
    return figure


def tuning(scores: pd.DataFrame) -> "Figure":
    """Accuracy on the task just learned against the rate, with the tuned one."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(1, 2, figsize=(PAGE_IN, 2.7), sharey=True)
    rows = pooled(scores, experiment="tuning")
    for axes, stream in zip(grid, ("permuted", "classes"), strict=True):
        found = rows[rows["stream"] == stream]
        for name in present(found):
            mine = found[found["optimizer"] == name]
            curve = mine[mine["metric"] == "validation_accuracy"]
            line(axes, curve, "learning_rate", name, linewidth=1.1)
            best = float(mine[mine["metric"] == "tuned_rate"]["value"].iloc[0])
            at = curve[np.isclose(curve["learning_rate"].astype(float), best)]
            colour = COLOURS[OPTIMIZERS[name][1]]
            axes.plot([best], at["value"], marker="o", color=colour, markersize=4)
        axes.set_xscale("log")
        axes.set_xlabel("learning rate")
        axes.set_title(f"{'a' if stream == 'permuted' else 'b'}  {stream}")
    grid[0].set_ylabel("accuracy on the task just learned")
    grid[0].set_ylim(0, 1.02)
    shared_legend(figure, grid[0], 8)
    return figure


DRAWN: dict[str, Callable[[pd.DataFrame], "Figure"]] = {
    "forgetting": forgetting,
    "rank": rank,
    "classes": classes,
    "tuning": tuning,
    "sparsity": figures_solutions.sparsity,
    "changes": figures_solutions.changes,
    "pairs": figures_solutions.pairs,
    "landscape": figures_exact.landscape,
    "linear": figures_exact.linear,
    "power": figures_exact.power,
    "reachable": figures_exact.reachable,
}


def main(scores: str, paths: dict[str, str]) -> None:
    figures.use_style()
    table = tables.read(scores, SCORES)
    for name, draw in DRAWN.items():
        figures.save(draw(table), paths[name])


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.input.scores,
            {name: getattr(snakemake.output, name) for name in DRAWN},
        )
