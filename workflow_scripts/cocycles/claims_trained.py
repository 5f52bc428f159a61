"""Claims about trained processors: what figure 2 shows, and what our trainings say about it.

The published numbers are read off the figure (± 0.005). A difference is decided only by a training
of the paper's length; a shorter one, or fewer tasks, is read and not decided.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from workflow_scripts.shared.claims import (
    Claim,
    Evidence,
    Measured,
    NotMeasured,
    Published,
    Region,
)
from workflow_scripts.shared.readings import EvidenceOf, Found, measured, one, select

PROTOCOL = frozenset({Evidence.PROTOCOL})
POSITIVE = Region(low=1.0e-9)
LEVELS = {"sum-phi (L1)": "L1", "max-max (L2)": "L2", "logsumexp (L3)": "L3"}
PARALLEL = ("bfs", "bellman_ford", "floyd_warshall")
SEQUENTIAL = ("dfs", "articulation_points", "bridges", "topological_sort")
STEPS, TASKS = 10_000, 30  # of the paper's protocol
RESOLUTION = 0.005  # of what was read off the figure
ROUNDING = 1.0e-4  # float32, values of some tens


def published(path: str | Path) -> pd.DataFrame:
    """Figure 2 as read off: rows algorithms, columns L1, L2, L3."""
    table = pd.read_csv(path)
    table["model"] = table["model"].map(LEVELS)
    return table.pivot(index="algorithm", columns="model", values="ood_micro_f1_mean_digitised")


def ran(scores: pd.DataFrame) -> bool:
    return bool(((scores["experiment"] == "training") & (scores["metric"] == "ood_score")).any())


def shortfall(scores: pd.DataFrame, algorithm: str) -> str | None:
    """Why our training of a task (or of `all`) cannot stand for the paper's, if it cannot."""
    steps = select(scores, experiment="training", metric="training_steps")
    tasks = set(steps["algorithm"]) - {"all"}
    if algorithm == "all" and len(tasks) < TASKS:
        return f"{len(tasks)} of {TASKS} tasks, {steps['value'].min():.0f} of {STEPS:,} steps"
    fewest = steps["value"].min()
    if algorithm != "all":
        fewest = steps[steps["algorithm"] == algorithm]["value"].min()
    if fewest < STEPS:
        return f"trained for {fewest:.0f} of {STEPS:,} steps; the paper preset trains for all"
    return None


def difference(
    algorithm: str, pairs: tuple[tuple[str, str], ...], scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """How much one level's score outside the training sizes exceeds another's."""
    rows = select(scores, experiment="training", metric="ood_difference", algorithm=algorithm)
    if rows.empty:
        return NotMeasured(
            f"{algorithm} is not among `cocycles.training.algorithms` at this scale"
            if ran(scores)
            else "no processor was trained at this scale"
        )
    found: list[Measured] = []
    for model, other in pairs:
        row = one(rows, model=model, other=other)
        means = {
            name: one(
                scores,
                experiment="training",
                metric="ood_score",
                algorithm=algorithm,
                model=name,
            )["value"]
            for name in (model, other)
        }
        note = f"{model} {means[model]:.3f}, {other} {means[other]:.3f}; {int(row['n'])} seeds"
        reason = shortfall(scores, algorithm)
        found.append(measured(row, Evidence.PROTOCOL, note, model=model, reason=reason))
    return found


def tasks_won(model: str, other: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Tasks on which one level's mean exceeds another's by more than the figure can show."""
    rows = select(scores, experiment="training", metric="ood_score").pivot(
        index="algorithm", columns="model", values="value"
    )
    rows = rows.drop(index="all", errors="ignore")
    if not {model, other} <= set(rows.columns):
        return NotMeasured("no processor was trained at this scale")
    won = int((rows[model] > rows[other] + RESOLUTION).sum())
    reason = shortfall(scores, "all")
    note = f"of {len(rows)} tasks"
    kind = Evidence.PROTOCOL
    return [Measured(won, won, won, len(rows), kind, note, model=model, reason=reason)]


def gap(aggregator: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Largest gap of the trained level-3 maps, over all trained tasks and seeds."""
    rows = select(
        scores, experiment="trained", metric="map_largest_gap", model="L3", aggregator=aggregator
    )
    if rows.empty:
        return NotMeasured("no level-3 processor was trained at this scale")
    worst = rows.sort_values("value").iloc[-1]
    mean = select(
        scores, experiment="trained", metric="map_mean_gap", model="L3", aggregator=aggregator
    )["value"].mean()
    note = f"{worst['algorithm']}; mean {mean:.2g} over {len(rows)} tasks"
    bounds = select(scores, experiment="trained", metric="map_gap_bound", model="L3")
    if aggregator == "max" and not bounds.empty:
        note += f"; bound log 2 = {bounds['value'].max():.2f}"
    value = float(worst["value"])
    return [Measured(value, value, value, int(rows["n"].sum()), Evidence.PROTOCOL, note)]


def compared(
    id_: str,
    statement: str,
    algorithm: str,
    pairs: tuple[tuple[str, str], ...],
    values: str,
) -> Claim:
    quantity = "difference in score outside the training sizes: " + ", ".join(
        f"{model} - {other}" for model, other in pairs
    )
    return Claim(
        id_,
        statement,
        "figure 2",
        quantity,
        POSITIVE,
        PROTOCOL,
        partial(difference, algorithm, pairs),
        Published(values, "digitised", "figure 2"),
    )


def told(table: pd.DataFrame, algorithm: str, levels: tuple[str, ...]) -> str:
    row = table.mean() if algorithm == "all" else table.loc[algorithm]
    return ", ".join(f"{level} {row[level]:.2f}" for level in levels)


def all_claims(csv: str | Path) -> list[Claim]:
    table = published(csv)
    everyone = ("L1", "L2", "L3")
    mean = told(table, "all", everyone)
    levels_help = (
        "On average over CLRS-30, level {} does better outside the training sizes than {}."
    )
    ahead = int((table["L2"] > table["L3"] + RESOLUTION).sum())
    return [
        compared("C11a", levels_help.format(3, 2), "all", (("L3", "L2"),), mean),
        compared("C11b", levels_help.format(2, 1), "all", (("L2", "L1"),), mean),
        *(
            compared(
                f"C12{letter}",
                f"Levels 2 and 3 do well above level 1 on {task}, a parallel task.",
                task,
                (("L2", "L1"), ("L3", "L1")),
                told(table, task, everyone),
            )
            for letter, task in zip("abc", PARALLEL, strict=True)
        ),
        *(
            compared(
                f"C13{letter}",
                f"Level 3 does better than level 2 on {task}, a sequential task.",
                task,
                (("L3", "L2"),),
                told(table, task, ("L2", "L3")),
            )
            for letter, task in zip("abcd", SEQUENTIAL, strict=True)
        ),
        Claim(
            "C14a",
            "The order is not uniform: on some tasks level 2 does better than level 3.",
            "derived from figure 2",
            "tasks on which level 2 is above level 3 by more than 0.005",
            Region(low=1.0),
            PROTOCOL,
            partial(tasks_won, "L2", "L3"),
            Published(ahead, "derived", "figure 2, digitised"),
        ),
        compared(
            "C14b",
            "On quickselect level 1 does best.",
            "quickselect",
            (("L1", "L2"), ("L1", "L3")),
            told(table, "quickselect", everyone),
        ),
        Claim(
            "C16a",
            "A trained level-3 layer does not keep max, the sum that it is trained under, and so "
            "is asynchronous only in part.",
            "derived from section 5",
            "largest gap between the map of a maximum and the maximum of the maps",
            POSITIVE,
            PROTOCOL,
            partial(gap, "max"),
        ),
        Claim(
            "C16b",
            "A trained level-3 layer keeps logsumexp, to rounding.",
            "derived from section 5",
            "largest gap between the map of a sum and the sum of the maps",
            Region(0.0, ROUNDING),
            PROTOCOL,
            partial(gap, "logsumexp"),
        ),
    ]
