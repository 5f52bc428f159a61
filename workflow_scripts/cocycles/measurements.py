"""What each claim reads from the scores: one function per quantity.

`run` is the protocol of the run's trained processors.
"""

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
from workflow_scripts.shared.protocol import Protocol

pick = partial(select, seeds="pooled", undefined="drop")

RESOLUTION = 0.005  # of values read off figure 2
DUST = 1.0e-12
TOO_SMALL = (
    "cocycles.certificate lacks the known layers, or searches less than 3 nodes with all states of "
    "the entries -1, 0 and 1, which they need"
)


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
    return counted(row["value"], row["n"], note)


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


def levels(scores: pd.DataFrame, metric: str = "level") -> pd.DataFrame:
    """Levels that the certificate found, or those that are known: modules by arithmetic."""
    rows = pick(scores, experiment="certificate", metric=metric)
    return rows.pivot(index="layer", columns="variant", values="value")


def runs_compared(scores: pd.DataFrame) -> int:
    """Runs that the certificate compared, over all modules."""
    return int(pick(scores, experiment="certificate", metric="level")["n"].sum())


def misjudged(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Known levels that the certificate misses."""
    known = levels(scores, "known_level")
    if known.empty:
        return NotMeasured(TOO_SMALL)
    found = levels(scores).loc[known.index, known.columns]
    note = f"{len(known)} layers, {runs_compared(scores):,} runs; " + "; ".join(
        f"{name} {int(row['bits'])}, {int(row['rounding'])}" for name, row in found.iterrows()
    )
    return counted((found != known).to_numpy().sum(), known.size, note)


def levels_gained(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Level to the last bit of the tropical layer less that of the paper's log-bilinear one."""
    if not {"logarithmic", "tropical"} <= set(levels(scores, "known_level").index):
        return NotMeasured(TOO_SMALL)
    bits = levels(scores)["bits"]
    rows = pick(scores, experiment="certificate", layer="logarithmic", variant="bits")
    example = pick(rows, metric="counterexample_gap", kind="increments")
    note = f"logarithmic {int(bits['logarithmic'])}, tropical {int(bits['tropical'])}"
    if len(example):
        note += f"; smallest counterexample off by {example['value'].iloc[0]:.2g}"
    return counted(bits["tropical"] - bits["logarithmic"], runs_compared(scores), note)


def lost_to_rounding(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Modules with a higher level up to rounding than to the last bit."""
    if levels(scores, "known_level").empty:
        return NotMeasured(TOO_SMALL)
    found = levels(scores)
    lost = found.index[found["rounding"] > found["bits"]]
    return counted(len(lost), len(found), ", ".join(lost) or "none")


def _trained(
    row: pd.Series, run: Protocol, note: str, condition: str = "", reason: str | None = None
) -> Measured:
    """One row on trained processors; the note names what the run reduced."""
    text = f"{note}; reduced: {run.reduced}" if run.reduced else note
    return measured(row, run.evidence, text, condition=condition, reason=reason)


def _absent(scores: pd.DataFrame, algorithm: str = "all") -> NotMeasured:
    if pick(scores, experiment="training", metric="ood_score").empty or algorithm == "all":
        return NotMeasured("no processor was trained at this scale")
    return NotMeasured(f"{algorithm} is not among `cocycles.training.algorithms` at this scale")


def difference(
    run: Protocol,
    algorithm: str,
    pairs: tuple[tuple[str, str], ...],
    scores: pd.DataFrame,
    _: EvidenceOf,
) -> Found:
    """By how much one level's score outside the training sizes exceeds another's."""
    own = pick(scores, experiment="training", metric="ood_score", algorithm=algorithm)
    rows = pick(scores, experiment="training", metric="ood_difference", algorithm=algorithm)
    if rows.empty:
        return _absent(scores, algorithm)
    found = []
    for model, other in pairs:
        row = one(rows, model=model, other=other)
        levels = [float(one(own, model=name)["value"]) for name in (model, other)]
        note = f"{model} {levels[0]:.3f}, {other} {levels[1]:.3f}"
        same = min(levels) >= 1 - DUST or max(levels) <= DUST
        reason = f"both score {levels[0]:.0f}: no difference can be measured" if same else None
        found.append(_trained(row, run, note, f"{model} - {other}", reason))
    return found


def advantage(
    run: Protocol, algorithm: str, model: str, other: str, scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """The larger of two advantages of a level over another: a higher mean, a smaller spread."""
    rows = pick(scores, experiment="training", metric="better_or_steadier", algorithm=algorithm)
    if rows.empty:
        return _absent(scores, algorithm)
    row = one(rows, model=model, other=other)
    own = select(
        scores, seeds="single", undefined="drop", experiment="training", metric="ood_score",
        algorithm=algorithm,
    )  # fmt: skip
    values = {name: pick_level["value"] for name, pick_level in own.groupby("model")}
    note = ", ".join(
        f"{name} {values[name].mean():.3f} (s.d. {values[name].std():.3f})"
        for name in (other, model)
    )
    return [_trained(row, run, note)]


def tasks_won(run: Protocol, model: str, other: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """The difference of two levels on the task where it is largest."""
    rows = pick(scores, experiment="training", metric="ood_difference", model=model, other=other)
    largest = pick(scores, experiment="training", metric="largest_difference")
    if rows.empty:
        return _absent(scores)
    tasks = rows[rows["algorithm"] != "all"].sort_values("value")
    won = int((tasks["value"] > RESOLUTION).sum())
    note = f"{tasks['algorithm'].iloc[-1]}; above {RESOLUTION} on {won} of {len(tasks)} tasks"
    return [_trained(one(largest, model=model, other=other), run, note)]


def gap(run: Protocol, aggregator: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Largest gap of the trained level-3 maps, mean over trained seeds and tasks."""
    maps = pick(scores, experiment="trained", model="L3", aggregator=aggregator)
    rows = pick(maps, metric="map_gap")
    if rows.empty:
        return NotMeasured("no level-3 processor was trained at this scale")
    each, means = (pick(maps, metric=metric) for metric in ("map_largest_gap", "map_mean_gap"))
    worst = each.sort_values("value").iloc[-1]
    note = (
        f"mean over {len(each)} tasks and their seeds; largest {worst['value']:.2g} on "
        f"{worst['algorithm']}; over all pairs of arguments {means['value'].mean():.2g}"
    )
    bounds = pick(maps, metric="map_gap_bound")
    if not bounds.empty:
        note += f"; bound log 2 = {bounds['value'].max():.2f}"
    return [_trained(rows.iloc[0], run, note)]
