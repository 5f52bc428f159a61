"""For each claim, scores under which it is supported, contradicted and inconclusive."""

from functools import cache

from tests.cocycles import made
from workflow_scripts.clrs.specs import ALGORITHMS
from workflow_scripts.cocycles import claims, protocols
from workflow_scripts.shared import scores as shared
from workflow_scripts.shared.claims import Verdict
from workflow_scripts.shared.fingerprint import ROOT

FIGURE_2 = ROOT / "resources/published/cocycles_figure2_digitised.csv"
SETTINGS = {  # all that the paper and Ibarz et al. state
    "algorithms": list(ALGORITHMS),
    "processors": ["l1", "l2", "l3", "l3_linear"],
    "steps": 10_000,
    "seeds": 6,
    "width": 128,
    "batch": 32,
    "learning_rate": 1.0e-3,
    "max_grad_norm": 1.0,
    "inverted_pointers": True,
    "data": {
        "train": {"sizes": protocols.SIZES, "samples": 20_000},
        "valid": {"sizes": [16], "samples": 32},
        "test": {"sizes": [16, 64], "samples": 32},
    },
}
MODELS = {}
UNTESTED = {}
# The number that one exception changes, and the value that contradicts the claim.
CHANGES = {
    "C1a": ({"metric": "grouping_exceptions"}, 1),
    "C1b": ({"metric": "product_action_exceptions"}, 1),
    "C1c": ({"metric": "large_grouping_exceptions"}, 1),
    "C2a": ({"metric": "edge_exceptions"}, 1),
    "C2b": ({"metric": "multimorphism_failures"}, 1),
    "C3a": ({"metric": "extension_not_unique"}, 1),
    "C3b": ({"metric": "extension_not_the_formula"}, 1),
    "C4a": ({"metric": "carry_violations"}, 1),
    "C4b": ({"metric": "addition_errors"}, 2),
    "C5b": ({"metric": "forwarding_failures"}, 1),
    "C6a": ({"metric": "silent_failures"}, 1),
    "C6b": ({"metric": "silent_float_violations"}, 1),
    "C7a": ({"metric": "runs_that_fell_silent", "rule": "silent"}, 19),
    "C7b": ({"metric": "deliveries_that_lowered_it", "rule": "never silent"}, 3),
    "C8": ({"metric": "ends_unlike_dijkstra", "kind": "floats"}, 1),
    "C9a": ({"metric": "runs_that_differ", "layer": "max_max", "kind": "updates"}, 1),
    "C9b": ({"metric": "largest_error", "layer": "max_max", "kind": "increments"}, 0.0),
    "C10": ({"metric": "runs_that_differ", "layer": "tropical_path", "kind": "resent"}, 1),
    "L1": ({"metric": "largest_error", "layer": "sum_relu", "kind": "delivery"}, 1e-6),
    "L2": ({"metric": "runs_that_differ", "layer": "max_max", "kind": "duplicates"}, 1),
    "L3b": ({"metric": "largest_error", "layer": "log_throughout", "kind": "increments"}, 1e-3),
    "C15a": ({"metric": "map_largest_gap", "layer": "logarithmic", "aggregator": "max"}, 0.0),
    "C15b": ({"metric": "map_largest_gap", "layer": "logarithmic", "aggregator": "logsumexp"}, 0.1),
    "C15c": ({"metric": "map_largest_gap", "layer": "tropical", "aggregator": "max"}, 1e-9),
    "C17a": ({"metric": "level", "layer": "max_max", "variant": "bits"}, 3),
    "C17b": ({"metric": "level", "layer": "logarithmic", "variant": "bits"}, 3),
    "C17c": ({"metric": "level", "layer": "sum_relu", "variant": "bits"}, 1),
}
# The number whose 0 would support what is contradicted.
MENDED = {
    "C5a": {"metric": "forwarding_counterexamples"},
    "L3a": {"metric": "largest_error", "layer": "logarithmic", "kind": "increments"},
}
EXACT = {*CHANGES, *MENDED}
TASKS = {
    **{"C12a": "bfs", "C12b": "bellman_ford", "C12c": "floyd_warshall"},
    **{"C13a": "dfs", "C13b": "articulation_points", "C13c": "bridges"},
    **{"C13d": "topological_sort", "C14b": "quickselect"},
}
QUIET, LOUD = 0.02, 0.9


@cache
def all_claims():
    return claims.all_claims(FIGURE_2, SETTINGS)


def changed(wanted, value):
    """The rows of `made.theory` with one number changed."""
    rows = made.theory()
    hits = [row for row in rows if wanted.items() <= row.items()]
    assert len(hits) == 1, wanted
    hits[0]["value"] = float(value)
    if hits[0]["exact"]:
        hits[0] |= dict.fromkeys(shared.ENDS, float(value))
    return made.table(rows)


def world(claim_id, verdict):
    """Scores under which the claim gets the verdict."""
    if claim_id in CHANGES:
        wanted, value = CHANGES[claim_id]
        return made.table(made.theory()) if verdict == Verdict.SUPPORTED else changed(wanted, value)
    if claim_id in MENDED:
        if verdict == Verdict.SUPPORTED:
            return changed(MENDED[claim_id], 0.0)
        return made.table(made.theory())
    sign = {Verdict.SUPPORTED: 1, Verdict.CONTRADICTED: -1, Verdict.INCONCLUSIVE: 0}[verdict]
    noise = LOUD if sign == 0 else QUIET
    if claim_id in ("C16a", "C16b"):
        large, small = {"max": 0.4, "logsumexp": 0.1}, {"max": 1e-9, "logsumexp": 1e-6}
        holds = {"C16a": large, "C16b": small}[claim_id]
        fails = small if holds is large else large
        # Inconclusive: one task of three has a gap, the others hardly any.
        strange = {"dfs": large} if sign == 0 else None
        gaps = {1: holds, -1: fails, 0: small}[sign]
        names = ["bfs", "dfs", "bridges"]
        return made.table(made.theory(), made.training(names, gaps=gaps, strange=strange))
    middle = 0.5
    above = {"C11a": ("L3", "L2"), "C11b": ("L2", "L1")}.get(claim_id)
    means = dict.fromkeys(made.MEANS, middle)
    task = TASKS.get(claim_id, "bfs")
    if claim_id.startswith("C12"):
        means |= dict.fromkeys(("L2", "L3"), middle + 0.05 + 0.2 * sign)
    elif claim_id.startswith("C13"):
        means["L3"] += 0.2 * sign
        if sign == -1:  # a smaller mean and a larger spread
            noise = {"L1": QUIET, "L2": 0.01, "L3": 0.1}
    elif claim_id == "C14a":
        means["L2"] += 0.2 * sign
    elif claim_id == "C14b":
        means["L1"] += 0.2 * sign
    else:
        means[above[0]] += 0.2 * sign
    tasks = [task, "dfs" if task == "bfs" else "bfs"]
    return made.table(made.theory(), made.training(tasks, means=means, noise=noise))
