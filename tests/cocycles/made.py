"""Synthetic scores: of the propositions and layers without exceptions, and of trained networks."""

import math

import numpy as np
import pandas as pd

from workflow_scripts.cocycles import scores, trained
from workflow_scripts.shared import scores as shared

MEANS = {"L1": 0.5, "L2": 0.7, "L3": 0.8}
PROCESSORS = {"L1": "l1", "L2": "l2", "L3": "l3"}
GAPS = {"max": 0.4, "logsumexp": 1.0e-6}
LUCK = np.array([-0.4, 0.1, 0.5, -0.1, 0.3, -0.4])  # of seeds
COUNTS = (  # of exceptions
    *("grouping_exceptions", "product_action_exceptions", "large_grouping_exceptions"),
    *("edge_exceptions", "multimorphism_failures", "extension_not_unique"),
    *("extension_not_the_formula", "carry_violations", "addition_errors"),
    *("forwarding_failures", "silent_failures", "silent_float_violations"),
)
LAYERS = ("sum_relu", "ordinary", "max_max", "logarithmic", "log_throughout")
LAYERS += ("tropical", "tropical_path", "tropical_integers")
KINDS = ("delivery", "updates", "duplicates", "resent", "increments", "everything")
CERTIFIED = {"sum_relu": (0, 1), "max_max": (2, 2), "logarithmic": (2, 2), "tropical": (3, 3)}
INEXACT = {("max_max", "increments"): 0.4, ("logarithmic", "increments"): 0.02}


def table(*parts):
    """A table of scores from lists of rows and frames."""
    return shared.table(parts, scores.CONDITIONS, scores.WHOLE)


def theory():
    """Rows as computed when everything holds that the paper says, except C5a and L3a."""
    found = [shared.exact("algebra", name, 0, 100, units="cases") for name in COUNTS]
    for name, value in (
        ("forwarding_counterexamples", 3),
        ("forwarding_rules", 200),
        ("smallest_counterexample", 1),
    ):
        found.append(shared.exact("algebra", name, value, 100, units="cases"))
    for layer in ("tropical", "logarithmic"):
        for aggregator in ("max", "logsumexp"):
            place = {"layer": layer, "aggregator": aggregator, "units": "cases"}
            gap = 0.0 if (layer, aggregator) != ("logarithmic", "max") else 0.6
            found.append(shared.exact("algebra", "map_largest_gap", gap, 100, **place))
            found.append(shared.exact("algebra", "map_violations", 100 * (gap > 0), 100, **place))
    place = {"layer": "logarithmic", "aggregator": "max", "units": "cases"}
    found.append(shared.exact("algebra", "map_gap_bound", math.log(8), 1, **place))
    rules = {"silent": (20, 0), "never silent": (0, 0)}
    for rule, (silent, lowered) in rules.items():
        place = {"rule": rule, "units": "graphs"}
        found.append(shared.number("rules", "runs_that_fell_silent", silent, 20, **place))
        found.append(shared.number("rules", "deliveries_that_lowered_it", lowered, 20, **place))
        found.append(shared.number("rules", "most_messages", 90, 20, **place))
    for layer in LAYERS:
        for kind in KINDS:
            error = INEXACT.get((layer, kind), 0.0)
            place = {"layer": layer, "kind": kind, "degree": 1.0, "units": "runs"}
            found.append(shared.number("schedules", "largest_error", error, 96, **place))
            found.append(shared.number("schedules", "relative_error", error / 2, 12, **place))
            found.append(shared.number("schedules", "runs_that_differ", 0, 96, **place))
    for kind in ("integers", "floats"):
        place = {"layer": "bellman_ford", "kind": kind, "units": "runs"}
        for metric in ("ends_unlike_rounds", "ends_unlike_dijkstra"):
            found.append(shared.number("schedules", metric, 0, 500, **place))
    place = {"nodes": 1000, "family": "random", "way": "at once", "units": "graphs"}
    found.append(shared.number("messages", "ends_unlike_rounds", 0, 4, **place))
    for layer, levels in CERTIFIED.items():
        for variant, level in zip(("bits", "rounding"), levels, strict=True):
            place = {"layer": layer, "variant": variant, "units": "cases"}
            found.append(shared.exact("certificate", "level", level, 1000, **place))
            found.append(shared.exact("certificate", "known_level", level, 1, **place))
    return [row | {"model": "theory"} for row in found]


def networks(means, noise, gaps):
    """What `trained.measured` returns for one algorithm: one row per network and metric."""
    rows = []
    for turn, (level, mean) in enumerate(means.items()):
        spread = noise[level] if isinstance(noise, dict) else noise
        for seed, luck in enumerate(np.roll(LUCK, turn)):
            base = {"processor": PROCESSORS[level], "seed": seed}
            value = float(np.clip(mean + spread * luck, 0, 1))
            for metric in ("ood_score", "validation_score"):
                rows.append(base | {"experiment": "training", "metric": metric, "value": value})
            base |= {"experiment": "trained"}
            for kind, error in (("updates", 0.0), ("duplicates", 1e-7), ("increments", 0.02)):
                size = (0.6 if level == "L1" else error) * (1 + luck / 10)
                place = base | {"kind": kind, "degree": 1.0, "metric": "relative_error"}
                rows.append(place | {"value": size})
            if level == "L3":
                for aggregator, gap in gaps.items():
                    place = base | {"aggregator": aggregator}
                    size = gap * (1 + luck / 10)
                    rows.append(place | {"metric": "map_largest_gap", "value": size})
                    rows.append(place | {"metric": "map_mean_gap", "value": size / 10})
                place = base | {"aggregator": "max", "metric": "map_gap_bound"}
                rows.append(place | {"value": math.log(2)})
    return pd.DataFrame(rows)


def training(algorithms, steps=10_000, means=MEANS, noise=0.05, gaps=GAPS, strange=None):
    """Rows of the study's scores; `strange` has the gaps of algorithms with others than `gaps`."""
    parts = [
        pd.DataFrame(
            trained.pooled(networks(means, noise, (strange or {}).get(name, gaps)), name, steps)
        )
        for name in algorithms
    ]
    learned = pd.concat(parts, ignore_index=True)
    extra = pd.DataFrame([*scores.overall(learned), *scores.map_gaps(learned)])
    return pd.concat([learned, extra], ignore_index=True)
