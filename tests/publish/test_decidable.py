"""Which claims a run can decide: by evidence, as the verdicts are, and by power."""

from functools import partial

import pandas as pd
import pytest

from workflow_scripts.publish import decidable
from workflow_scripts.shared.claims import (
    ANY_MODEL,
    ANY_PROTOCOL,
    PAPER_MODEL,
    POSITIVE,
    PROTOCOL,
    THEORY,
    Claim,
    ModelEvidence,
    judge,
)
from workflow_scripts.shared.measurements import measured, untested
from workflow_scripts.shared.protocol import Setting, evidence

FOLLOWED = evidence(Setting("steps", 5000, 5000))
REDUCED = evidence(Setting("steps", 50, 5000, "at least"))
MODELS = {
    "small": {"source": "train"},
    "other": {"source": "owner/other"},
    "gemma": {"source": "owner/gemma", "paper_model_of": {"glasses": "Gemma 7B"}},
}
ROW = pd.Series({"value": 1.0, "ci_low": 0.5, "ci_high": 1.5, "exact": False, "units": "", "n": 9})


def by_protocol(run, scores, _):
    return [measured(ROW, run.evidence, "")]


def by_model(scores, evidence_of):
    return [measured(ROW, evidence_of(name), "", model=name) for name in scores]


def claim(decided_by, test, models=()):
    return Claim(
        id="X",
        statement="",
        source="",
        quantity="",
        region=POSITIVE,
        decided_by=decided_by,
        test=test,
        models=models,
    )


CASES = [
    (claim(THEORY, by_model), [], None),
    (claim(PROTOCOL, partial(by_protocol, FOLLOWED)), [], None),
    (claim(PROTOCOL, partial(by_protocol, REDUCED)), [], "steps 50 of 5000.*needs the paper's own"),
    (claim(ANY_PROTOCOL, partial(by_protocol, REDUCED)), [], None),
    (claim(ANY_MODEL, by_model), ["small"], None),
    (claim(PAPER_MODEL, by_model, ("Gemma 7B",)), ["gemma"], None),
    (claim(PAPER_MODEL, by_model, ("Gemma 7B",)), ["other"], "another model.*needs Gemma 7B"),
    (claim(PAPER_MODEL, by_model, ("Gemma 7B",)), ["small"], "a stand-in model.*needs Gemma 7B"),
    (claim(PAPER_MODEL, by_model, ("Gemini 1.5",)), ["gemma"], "needs Gemini 1.5"),
]


@pytest.mark.parametrize(("tested", "names", "reason"), CASES)
def test_a_claim_is_decidable_where_its_verdict_would_be_one(tested, names, reason):
    """The reason is compared with what `judge` makes of numbers from the same run."""
    known = ModelEvidence({name: MODELS[name] for name in names}, "glasses")
    found = decidable.why_not(tested, known, None)
    if tested.decided_by != THEORY:
        verdicts = {entry["verdict"] for entry in judge(tested, pd.DataFrame(columns=names), known)}
        assert (verdicts == {"not tested"}) == (found is not None)
    if reason is None:
        assert found is None
    else:
        pattern = reason.replace("Gemini 1.5", r"Gemini 1\.5")
        assert pd.Series([found]).str.contains(pattern).all()


def test_settings_beside_those_of_the_claim_count():
    known = (Setting("hidden layers", 1, 1),)
    tested = claim(PROTOCOL, partial(lambda _known, *_: None, known))
    nobody = ModelEvidence({}, "optimizers")
    assert decidable.why_not(tested, nobody, Setting("data", "MNIST", "MNIST")) is None
    found = decidable.why_not(tested, nobody, Setting("data", "digits", "MNIST"))
    assert "data digits, not MNIST" in found


def test_an_untested_claim_keeps_its_reason():
    tested = claim(THEORY, partial(untested, "a position"))
    assert decidable.why_not(tested, ModelEvidence({}, "optimizers"), None) == "a position"


def rows(low, high, value=1.0, model=None):
    return pd.DataFrame(
        {"model": [model], "value": [value], "ci_low": [low], "ci_high": [high], "n": [10]}
    )


@pytest.mark.parametrize(
    ("found", "units", "doubt"),
    [
        (rows(0.5, 1.5), 1.0, ""),  # half the width is smaller than the distance to zero
        (rows(-1.0, 3.0), 1.0, "about 4 times its 10 units; this run has 1.0 times"),
        (rows(-1.0, 3.0), 5.0, ""),
        (rows(-1.0, 1.0, 0.001), 50.0, "over 100 times"),
        (rows(-1.0, 3.0, model="embedded-s"), 1.0, ""),
        (rows(float("nan"), float("nan")), 1.0, ""),
    ],
)
def test_an_interval_shrinks_with_the_root_of_the_units(found, units, doubt):
    text = decidable.power(claim(THEORY, by_model), found, units)
    assert doubt in text
    assert bool(text) == bool(doubt)
