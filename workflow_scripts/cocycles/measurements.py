"""What the scores say about each claim: one function measures one quantity."""

import pandas as pd

from workflow_scripts.shared.claims import Evidence, Measured
from workflow_scripts.shared.readings import EvidenceOf, Found, measured, one, select

THEORY = Evidence.THEORY


def counted(value: float, n: float, note: str) -> list[Measured]:
    return [Measured(float(value), float(value), float(value), int(n), THEORY, note)]


def counterexamples(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Cocycles of proposition 4.1's rule whose arguments are not idempotent."""
    row = one(scores, experiment="algebra", metric="forwarding_counterexamples")
    rules = one(scores, experiment="algebra", metric="forwarding_rules")
    smallest = one(scores, experiment="algebra", metric="smallest_counterexample")
    note = f"of the {int(row['n'])} cocycles among {int(rules['value'])} rules over small monoids"
    if smallest["value"]:
        note += "; M = {1, z}, z·z = z, z•s = 0 on S = A = (ℕ, +) is one, too"
    return [measured(row, THEORY, note)]


def fell_silent(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Share of runs under proposition 4.2's rule that came to an end."""
    row = one(scores, experiment="rules", metric="runs_that_fell_silent", rule="silent")
    most = one(scores, experiment="rules", metric="most_messages", rule="silent")
    note = f"{int(row['n'])} random graphs, at most {int(most['value'])} messages each"
    return counted(row["value"] / row["n"], row["n"], note)


def never_silent(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Deliveries that lowered the number of messages under way, where the rule is m ∨ s."""
    metric, rule = "deliveries_that_lowered_it", "never silent"
    row = one(scores, experiment="rules", metric=metric, rule=rule)
    silent = one(scores, experiment="rules", metric="runs_that_fell_silent", rule=rule)
    note = f"{int(row['n'])} random graphs, {int(silent['value'])} of them fell silent"
    return [measured(row, THEORY, note)]


def bellman_ford(scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Random schedules that ended elsewhere than rounds or Dijkstra's algorithm."""
    small = select(scores, experiment="schedules", layer="bellman_ford")
    large = select(scores, experiment="messages", metric="ends_unlike_rounds")
    runs = select(small, metric="ends_unlike_rounds")["n"].sum() + large["n"].sum()
    wrong = small["value"].sum() + large["value"].sum()
    note = (
        "loss, doubling, delay, any order, grouping; whole and real lengths; against rounds and "
        f"Dijkstra; up to {int(large['nodes'].max()):,} nodes"
    )
    return counted(wrong, runs, note)


def differing(
    layers: tuple[str, ...], kinds: tuple[str, ...], scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """Asynchronous runs of the layers, over all degrees, that moved a bit of the result."""
    rows = select(scores, experiment="schedules", metric="runs_that_differ")
    rows = rows[rows["layer"].isin(layers) & rows["kind"].isin(kinds)]
    note = f"{', '.join(kinds)}; degrees to {rows['degree'].max():g}; random weights"
    return counted(rows["value"].sum(), rows["n"].sum(), note)


def furthest(
    layers: tuple[str, ...], kinds: tuple[str, ...], scores: pd.DataFrame, _: EvidenceOf
) -> Found:
    """The largest relative error of the layers' asynchronous runs."""
    rows, means = (
        select(scores, experiment="schedules", metric=metric)
        for metric in ("largest_error", "relative_error")
    )
    rows, means = (
        part[part["layer"].isin(layers) & part["kind"].isin(kinds)] for part in (rows, means)
    )
    note = (
        f"{', '.join(kinds)}; degrees to {rows['degree'].max():g}; random weights; "
        f"mean {means['value'].mean():.2g}"
    )
    return counted(rows["value"].max(), rows["n"].sum(), note)


def map_violations(layer: str, aggregator: str, scores: pd.DataFrame, _: EvidenceOf) -> Found:
    """Largest gap of ψ(a ⊕ b) = ψ(a) ⊕ ψ(b) over random float32 cases."""
    place = {"experiment": "algebra", "layer": layer, "aggregator": aggregator}
    row = one(scores, metric="map_largest_gap", **place)
    broken = one(scores, metric="map_violations", **place)
    note = f"{int(broken['value'])} of {int(row['n'])} random cases broken, float32"
    if layer == "logarithmic" and aggregator == "max":
        bound = one(scores, metric="map_gap_bound", **place)
        note += f"; bound log k = {bound['value']:.2f}"
    return [measured(row, THEORY, note)]
