"""A verdict follows from the interval and the kind of evidence, and from nothing else."""

import dataclasses
import math

import pandas as pd
import pytest

from workflow_scripts.publish import scorecard
from workflow_scripts.shared import claims
from workflow_scripts.shared.claims import Claim, Evidence, Measured, NotMeasured, Region, Verdict

MODELS = {
    "small": {"source": "train"},
    "mine": {"source": "/models/mine"},
    "theirs": {"source": "owner/name", "paper_model_of": {"softmax": "Model 7B"}},
}


EVIDENCE = claims.ModelEvidence(MODELS, "softmax")


def claim(test):
    decided_by = frozenset({Evidence.PAPER_MODEL})
    return Claim(
        id="X1",
        statement="It grows.",
        source="Table 1",
        quantity="growth",
        region=Region(low=0.0),
        decided_by=decided_by,
        models=("Model 7B",),
        test=test,
    )


def judge(found):
    return claims.judge(
        claim(lambda scores, evidence: found),
        pd.DataFrame(),
        claims.ModelEvidence(MODELS, "softmax"),
    )


def measured(low, high, evidence=Evidence.PAPER_MODEL, **more):
    return Measured((low + high) / 2, low, high, 5, evidence, "five seeds", **more)


@pytest.mark.parametrize(
    ("region", "low", "high", "reading"),
    [
        (Region(low=0.0), 0.1, 0.2, Verdict.SUPPORTED),
        (Region(low=0.0), 0.0, 0.0, Verdict.SUPPORTED),
        (Region(low=0.0), -0.1, 0.2, Verdict.INCONCLUSIVE),
        (Region(low=0.0), -0.2, -0.1, Verdict.CONTRADICTED),
        (Region(high=0.0), 0.1, 0.2, Verdict.CONTRADICTED),
        (Region(-1.0, 1.0), -0.5, 0.5, Verdict.SUPPORTED),
        (Region(-1.0, 1.0), -2.0, 2.0, Verdict.INCONCLUSIVE),
        (Region(-1.0, 1.0), 0.5, 1.5, Verdict.INCONCLUSIVE),
        (Region(0.0, 0.0), 0.0, 0.0, Verdict.SUPPORTED),
        (Region(0.0, 0.0), 1.0, 1.0, Verdict.CONTRADICTED),
        (Region(low=0.0), math.nan, math.nan, Verdict.INCONCLUSIVE),
    ],
)
def test_reading_of_an_interval(region, low, high, reading):
    assert region.reading(low, high) is reading


def test_evidence_comes_from_where_the_model_comes_from():
    softmax = claims.ModelEvidence(MODELS, "softmax")
    assert [softmax(name) for name in MODELS] == [
        Evidence.STAND_IN,
        Evidence.OTHER_MODEL,
        Evidence.PAPER_MODEL,
    ]
    assert claims.ModelEvidence(MODELS, "stochasticity")("theirs") is Evidence.OTHER_MODEL


def test_a_stand_in_is_read_but_never_decides():
    (entry,) = judge([measured(0.1, 0.2, Evidence.STAND_IN, model="small")])
    assert entry["reading"] == "supported"
    assert entry["verdict"] == "not tested"
    assert "stand-in" in entry["reason"]
    assert "needs Model 7B" in entry["reason"]


def test_a_paper_s_model_decides_only_the_claims_about_itself():
    other = {"sibling": MODELS["theirs"] | {"paper_model_of": {"softmax": "Model 2B"}}}
    entries = claims.judge(
        claim(lambda scores, evidence: [measured(0.1, 0.2, evidence("sibling"), model="sibling")]),
        pd.DataFrame(),
        claims.ModelEvidence(other, "softmax"),
    )
    assert (entries[0]["reading"], entries[0]["verdict"]) == ("supported", "not tested")
    assert entries[0]["reason"] == "it is about Model 7B, not about Model 2B"


def test_a_claim_that_only_a_paper_s_model_decides_names_it():
    with pytest.raises(ValueError, match="claim X1: expected the paper's models"):
        dataclasses.replace(claim(lambda s, e: []), models=())


def test_a_sampled_quantity_never_has_an_interval_of_width_0():
    with pytest.raises(ValueError, match="expected an interval, or ends that are NaN"):
        judge([measured(0.5, 0.5)])
    with pytest.raises(ValueError, match="expected one value for an exact quantity"):
        judge([measured(0.4, 0.5, exact=True)])
    (entry,) = judge([measured(0.5, 0.5, exact=True, model="theirs")])
    assert entry["verdict"] == "supported"


def test_without_an_interval_nothing_is_decided():
    (entry,) = judge(
        [Measured(0.5, math.nan, math.nan, 1, Evidence.PAPER_MODEL, "one seed", model="theirs")]
    )
    assert (entry["reading"], entry["verdict"]) == ("inconclusive", "inconclusive")
    assert entry["measured"]["ci_low"] is None


def test_the_right_evidence_decides_both_ways():
    entries = judge([measured(0.1, 0.2, model="theirs"), measured(-0.2, -0.1, model="theirs")])
    assert [entry["verdict"] for entry in entries] == ["supported", "contradicted"]
    assert all(entry["reason"] is None for entry in entries)


def test_a_model_has_its_own_answer_whatever_decides_the_paper_s_claim():
    other, theirs, stand_in = (
        judge([measured(0.1, 0.2, claims.ModelEvidence(MODELS, "softmax")(name), model=name)])[0]
        for name in ("mine", "theirs", "small")
    )
    assert (other["verdict"], other["answer"]) == ("not tested", "holds")
    assert (theirs["verdict"], theirs["answer"]) == ("supported", "holds")
    assert stand_in["answer"] is None
    (fails,) = judge([measured(-0.2, -0.1, Evidence.OTHER_MODEL, model="mine")])
    (cut,) = judge([measured(-0.2, -0.1, Evidence.OTHER_MODEL, model="mine", reason="cut off")])
    assert (fails["answer"], cut["answer"]) == ("fails", "not measured")


def test_a_stated_reason_overrules_the_right_evidence():
    (entry,) = judge(
        [measured(0.1, 0.2, model="theirs", reason="trained for a tenth of the steps")]
    )
    assert (entry["verdict"], entry["reading"]) == ("not tested", "supported")


def test_written_claims_keep_the_schema(tmp_path):
    path = tmp_path / "claims.json"
    tests = [
        dataclasses.replace(claim(lambda s, e: NotMeasured("no such model")), id="X0"),
        claim(
            lambda s, e: [
                measured(0.1, 0.2, model="theirs"),
                measured(0.1, 0.2, Evidence.STAND_IN),
            ]
        ),
    ]
    claims.write(path, tests, pd.DataFrame(), EVIDENCE)
    entries = scorecard.read_claims(path)
    assert [entry["verdict"] for entry in entries] == ["not tested", "supported", "not tested"]
    assert entries[0]["measured"] is None


def test_a_claim_without_measurements_is_not_tested_and_does_not_disappear():
    (entry,) = judge([])
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert entry["reason"] == "nothing was measured in this run"


def test_a_number_that_is_not_finite_names_its_claim(tmp_path):
    broken = claim(lambda scores, evidence: [measured(math.nan, 1.0)])
    with pytest.raises(ValueError, match=r"claim X1: expected a finite value, found nan"):
        claims.write(tmp_path / "claims.json", [broken], pd.DataFrame(), EVIDENCE)


def test_two_claims_with_one_id_are_refused(tmp_path):
    both = [claim(lambda scores, evidence: NotMeasured("no"))] * 2
    with pytest.raises(ValueError, match="one claim per id, found several: X1"):
        claims.write(tmp_path / "claims.json", both, pd.DataFrame(), EVIDENCE)


def test_one_unit_decides_nothing_whatever_its_interval():
    # Wilson's interval of 1 hit of 1 lies above 0.2.
    one = Measured(1.0, 0.21, 1.0, 1, Evidence.PAPER_MODEL, "one reply", model="theirs")
    for found, verdict in ((one, "inconclusive"), (dataclasses.replace(one, n=2), "supported")):
        (entry,) = judge([found])
        assert (entry["reading"], entry["verdict"]) == (verdict, verdict)
    (entry,) = judge([dataclasses.replace(one, ci_low=1.0, exact=True)])
    assert entry["verdict"] == "supported"


def test_an_interval_that_does_not_hold_its_value_is_refused():
    for low, high in ((0.6, 0.7), (0.7, 0.2), (math.nan, 0.1)):
        wrong = Measured(0.5, low, high, 5, Evidence.PAPER_MODEL, "five seeds", model="theirs")
        with pytest.raises(ValueError, match=r"expected an interval around 0\.5"):
            judge([wrong])


@pytest.mark.parametrize(
    ("name", "words"), [("mine", "another model cannot"), ("small", "a stand-in model cannot")]
)
def test_a_reason_is_a_sentence(name, words):
    evidence = claims.ModelEvidence(MODELS, "softmax")
    (entry,) = judge([measured(0.1, 0.2, evidence(name), model=name)])
    assert entry["reason"] == f"{words} decide it; needs Model 7B"
