"""What each claim reads from the scores: one function per quantity."""

from functools import partial

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured, NotMeasured
from workflow_scripts.shared.measurements import (
    EvidenceOf,
    Found,
    counted,
    measured,
    one,
    select,
)

pick = partial(select, seeds="pooled", undefined="drop")

STEPS, TASKS = 10_000, 30  # of the paper's protocol
RESOLUTION = 0.005  # of values read off figure 2


def counterexamples(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Cocycles of proposition 4.1's form whose arguments are not idempotent."""
    row = one(scores, experiment="algebra", metric="forwarding_counterexamples")
    rules = one(scores, experiment="algebra", metric="forwarding_rules")
    smallest = one(scores, experiment="algebra", metric="smallest_counterexample")
    note = f"of the {int(row['n'])} cocycles among {int(rules['value'])} functions, small monoids"
    if smallest["value"]:
        note += "; another: M = {1, z}, z·z = z, z•s = 0 on S = A = (ℕ, +)"
    return [measured(row, Evidence.THEORY, note)]


def fell_silent(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of runs with proposition 4.2's argument function that came to an end."""
    row = one(scores, experiment="rules", metric="runs_that_fell_silent", rule="silent")
    most = one(scores, experiment="rules", metric="most_messages", rule="silent")
    note = f"{int(row['n'])} random graphs, at most {int(most['value'])} messages each"
    return counted(row["value"] / row["n"], row["n"], note)


def never_silent(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Deliveries that lowered the number of messages in transit, for δ_m(s) = m ∨ s."""
    metric, rule = "deliveries_that_lowered_it", "never silent"
    row = one(scores, experiment="rules", metric=metric, rule=rule)
    silent = one(scores, experiment="rules", metric="runs_that_fell_silent", rule=rule)
    note = f"{int(row['n'])} random graphs, {int(silent['value'])} of them fell silent"
    return [measured(row, Evidence.THEORY, note)]


def bellman_ford(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Random schedules that ended in other distances than rounds or Dijkstra's algorithm."""
    small = pick(scores, experiment="schedules", layer="bellman_ford")
    large = pick(scores, experiment="messages", metric="ends_unlike_rounds")
    runs = pick(small, metric="ends_unlike_rounds")["n"].sum() + large["n"].sum()
    wrong = small["value"].sum() + large["value"].sum()
    note = (
        "loss, duplication, delay, any order, grouping; integer and real lengths; against rounds "
        f"and Dijkstra; up to {int(large['nodes'].max()):,} nodes"
    )
    return counted(wrong, runs, note)


def differing(
    layers: tuple[str, ...], kinds: tuple[str, ...], scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Asynchronous runs of the layers, over all degrees, whose result differs in any bit."""
    rows = pick(scores, experiment="schedules", metric="runs_that_differ", layer=layers, kind=kinds)
    note = f"{', '.join(kinds)}; degrees to {rows['degree'].max():g}; random weights"
    return counted(rows["value"].sum(), rows["n"].sum(), note)


def furthest(
    layers: tuple[str, ...], kinds: tuple[str, ...], scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """The largest relative error of the layers' asynchronous runs."""
    own = pick(scores, experiment="schedules", layer=layers, kind=kinds)
    rows, means = (pick(own, metric=metric) for metric in ("largest_error", "relative_error"))
    note = (
        f"{', '.join(kinds)}; degrees to {rows['degree'].max():g}; random weights; "
        f"mean {means['value'].mean():.2g}"
    )
    return counted(rows["value"].max(), rows["n"].sum(), note)


def map_violations(layer: str, aggregator: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Largest gap of ψ(a ⊕ b) = ψ(a) ⊕ ψ(b) over random float32 cases."""
    rows = pick(scores, experiment="algebra", layer=layer, aggregator=aggregator)
    row, broken = (one(rows, metric=metric) for metric in ("map_largest_gap", "map_violations"))
    note = f"violated in {int(broken['value'])} of {int(row['n'])} random cases, float32"
    if layer == "logarithmic" and aggregator == "max":
        note += f"; bound log k = {one(rows, metric='map_gap_bound')['value']:.2f}"
    return [measured(row, Evidence.THEORY, note)]


def shortfall(scores: pd.DataFrame, algorithm: str) -> str | None:
    """Why our training of a task (or of `all`) cannot represent the paper's; None if it can."""
    steps = pick(scores, experiment="training", metric="training_steps")
    tasks = set(steps["algorithm"]) - {"all"}
    if algorithm == "all" and len(tasks) < TASKS:
        return f"{len(tasks)} of {TASKS} tasks, {steps['value'].min():.0f} of {STEPS:,} steps"
    if algorithm != "all":
        steps = pick(steps, algorithm=algorithm)
    fewest = steps["value"].min()
    if fewest < STEPS:
        return f"trained for {fewest:.0f} of {STEPS:,} steps; the paper preset trains for all"
    return None


def difference(
    algorithm: str, pairs: tuple[tuple[str, str], ...], scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """By how much one level's score outside the training sizes exceeds another's."""
    trained = pick(scores, experiment="training", metric="ood_score")
    own = pick(trained, algorithm=algorithm)
    rows = pick(scores, experiment="training", metric="ood_difference", algorithm=algorithm)
    if rows.empty:
        return NotMeasured(
            "no processor was trained at this scale"
            if trained.empty
            else f"{algorithm} is not among `cocycles.training.algorithms` at this scale"
        )
    found = []
    for model, other in pairs:
        row = one(rows, model=model, other=other)
        first, second = (one(own, model=name)["value"] for name in (model, other))
        note = f"{model} {first:.3f}, {other} {second:.3f}; {int(row['n'])} seeds"
        reason = shortfall(scores, algorithm)
        found.append(measured(row, Evidence.PROTOCOL, note, model=model, reason=reason))
    return found


def tasks_won(model: str, other: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Tasks on which one level's mean exceeds another's by more than the figure can show."""
    rows = pick(scores, experiment="training", metric="ood_score").pivot(
        index="algorithm", columns="model", values="value"
    )
    rows = rows.drop(index="all", errors="ignore")
    if not {model, other} <= set(rows.columns):
        return NotMeasured("no processor was trained at this scale")
    won = int((rows[model] > rows[other] + RESOLUTION).sum())
    reason, n = shortfall(scores, "all"), len(rows)
    return [
        Measured(won, won, won, n, Evidence.PROTOCOL, f"of {n} tasks", model=model, reason=reason)
    ]


def gap(aggregator: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Largest gap of the trained level-3 maps, over all trained tasks and seeds."""
    maps = pick(scores, experiment="trained", model="L3", aggregator=aggregator)
    rows, means = (pick(maps, metric=metric) for metric in ("map_largest_gap", "map_mean_gap"))
    if rows.empty:
        return NotMeasured("no level-3 processor was trained at this scale")
    worst = rows.sort_values("value").iloc[-1]
    note = f"{worst['algorithm']}; mean {means['value'].mean():.2g} over {len(rows)} tasks"
    bounds = pick(maps, metric="map_gap_bound")
    if not bounds.empty:
        note += f"; bound log 2 = {bounds['value'].max():.2f}"
    value = float(worst["value"])
    return [Measured(value, value, value, int(rows["n"].sum()), Evidence.PROTOCOL, note)]
