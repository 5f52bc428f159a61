"""Scores and claims on a tiny run and on numbers made up against them."""

import pytest

from workflow_scripts.cocycles import algebra, claims, measurements, messages, schedules, scores
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared import tables
from workflow_scripts.shared.claims import Verdict
from workflow_scripts.shared.schemas import SCORES

SHAPE = {"nodes": 5, "width": 4, "draws": 2, "steps": 2, "graphs": 2}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cocycles")
    paths = [str(folder / f"{name}.parquet") for name in ("algebra", "schedules", "messages")]
    algebra.main(paths[0], 2, 2, 3, 20, 1, {})
    schedules.main(paths[1], SHAPE, [1.0], 5, 1, {})
    messages.main(paths[2], [16], 2, 8, 2, 1, {})
    scores.main(str(folder / "scores.parquet"), paths, {})
    return tables.read(folder / "scores.parquet", SCORES)


def verdicts(table):
    judged = [shared.judge(claim, table, lambda model: None) for claim in claims.all_claims()]
    return {entry["id"]: entry["verdict"] for entries in judged for entry in entries}


def test_a_tiny_run_decides_every_exact_claim(table):
    found = verdicts(table)
    against = {name for name, verdict in found.items() if verdict == Verdict.CONTRADICTED}
    assert against == {"C5a", "L3a"}
    assert set(found.values()) <= {Verdict.SUPPORTED, Verdict.CONTRADICTED}


@pytest.mark.parametrize(
    ("claim", "wanted", "value"),
    [
        ("C1a", {"metric": "grouping_exceptions"}, 1),
        ("C4b", {"metric": "addition_errors"}, 2),
        ("C5b", {"metric": "forwarding_failures"}, 1),
        ("C7a", {"metric": "runs_that_fell_silent", "rule": "silent"}, 1),
        ("C7b", {"metric": "deliveries_that_lowered_it"}, 3),
        ("C8", {"metric": "ends_unlike_dijkstra", "kind": "floats"}, 1),
        ("C10", {"metric": "runs_that_differ", "layer": "tropical_path", "kind": "resent"}, 1),
        ("L1", {"metric": "largest_error", "layer": "sum_relu", "kind": "delivery"}, 1e-6),
        ("L2", {"metric": "runs_that_differ", "layer": "max_max", "kind": "updates"}, 1),
    ],
)
def test_one_exception_turns_the_verdict(table, claim, wanted, value):
    """The verdict hangs on the number, not on the statement."""
    changed = table.copy()
    rows = (changed[list(wanted)] == wanted).all(axis=1)
    assert rows.sum() == 1
    changed.loc[rows, ["value", "ci_low", "ci_high"]] = float(value)
    before, after = verdicts(table), verdicts(changed)
    assert (before[claim], after[claim]) == (Verdict.SUPPORTED, Verdict.CONTRADICTED)


def test_the_counterexample_is_told(table):
    (measured,) = measurements.counterexamples(table, lambda model: None)
    assert "z·z = z" in measured.note
    assert measured.value > 0
