"""The study through a vendor's server that continues no reply, with a known answerer behind it."""

import copy
import re

import pandas as pd
import pytest

from tests.change_of_mind import made, vendor
from tests.inference import hostile
from workflow_scripts.change_of_mind import ask, claims, measurements, questions, scores
from workflow_scripts.change_of_mind import workload as announced
from workflow_scripts.inference import counting, kinds, transport
from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import tables
from workflow_scripts.shared.claims import ModelEvidence
from workflow_scripts.shared.fingerprint import ROOT

COUNTS = {"calibration": 100, "factorial": 48, "controls": 4, "four_options": 4, "transfer": 4}
COUNTS |= {"sanity": 4}
FEW = dict.fromkeys(COUNTS, 4) | {"calibration": 8, "factorial": 8}
ACCURACIES = [50, 70, 90]
# Equal weights, since a hidden first answer does not tell the answerer whether advice agrees.
OWN = {"evidence": 1.5, "temperature": 1.0, "noise": 0.0, "same_weight": 1.0}
OWN |= {"opposite_weight": 1.0}
BIASED, FAIR = OWN | {"shift": 2.0}, OWN | {"shift": 0.0}
THINKING = {"kind": "reasoning", "asked": {"change_of_mind": {"draws": 6}}}
SETTINGS = {"bins": 6, "least_ideal_update": 0.02, "bootstrap": 20}


def config_of(url, counts, accuracies, **entry):
    """A config as a user would write it: one model entry and the study that uses the model."""
    server = {"url": url, "dialect": "openai", "requests_per_min": 1000000, "attempts": 2}
    found = copy.deepcopy(config_files.merged([]))
    found["models"]["big"] = {"source": "mock-7b", "engine": "openai", "server": server} | entry
    found["studies"] = dict.fromkeys(found["studies"]) | {"change_of_mind": ["big"]}
    found["change_of_mind"] |= {"questions": counts, "accuracies": accuracies}
    found["change_of_mind"]["regressions"]["questions"] = 4
    found["inference"]["server"] |= {"concurrency": 4, "longest_wait_s": 0.1}
    config_files.check(found, config_files.config_checks())
    return found


def ran(folder, monkeypatch, own, entry, small=False, http=False, **server):
    """Trials of the model, the requests it got, and the config; in a folder of its own."""
    monkeypatch.chdir(folder)
    counts, accuracies = FEW if small else COUNTS, ACCURACIES
    atlas = questions.city_atlas(made.cities(), 0.5)
    frame = questions.table("cities", atlas, counts, 0.4, made.FILES, 1)
    tables.write(frame, "questions.parquet", questions.QUESTIONS)
    answer, asked = vendor.behaviour(vendor.Answerer(frame, own), **server), []
    with hostile.serving(vendor.fault(answer)) as loopback:
        if not http:
            call = vendor.without_http(answer, asked)
            monkeypatch.setattr(transport.Transport, "call", call)
        config = config_of(loopback.url, counts, accuracies, **entry)
        told, spec = (of(config, "change_of_mind", "big") for of in (kinds.asked, kinds.serving))
        outputs = [f"{name}.parquet" for name in ("requests", "responses", "trials")]
        ask.main(
            "questions.parquet", *outputs, "big", told, spec, "", 1, accuracies, counts, 1.0, 1
        )
        asked = asked or [each[2] for each in loopback.asked]
    return pd.read_parquet("trials.parquet"), asked, config


def scored(trials):
    rows = pd.DataFrame(scores.model_scores(trials, SETTINGS, 3))
    return rows.assign(model="big", seed=None).fillna({name: "" for name in scores.CONDITIONS})


def one(rows, metric, **wanted):
    (found,) = made.rows(rows, metric=metric, **({"experiment": "E1"} | wanted)).to_dict("records")
    return found


def recovered(rows, own):
    """The known behaviour lies within the intervals, and a bias in its direction."""
    gap = one(rows, "change_rate_gap", advice="all")
    gain, shift = one(rows, "confidence_gain"), one(rows, "log_odds_gain")
    if pd.isna(shift["ci_low"]):  # exact log-probabilities: the same in every bootstrap draw
        assert shift["value"] == pytest.approx(own["shift"])
    else:
        assert shift["ci_low"] <= own["shift"] <= shift["ci_high"]
    if own["shift"]:
        assert gap["ci_low"] > 0
        assert gain["ci_low"] > 0
    else:
        assert gap["ci_low"] <= 0 <= gap["ci_high"]
        assert gain["ci_low"] <= 0 <= gain["ci_high"]
    for advice in ("same", "opposite"):
        weight = one(rows, "advice_weight", display="hidden", advice=advice)
        assert weight["ci_low"] <= own[f"{advice}_weight"] <= weight["ci_high"]
    fitted = one(rows, "temperature")
    assert fitted["ci_low"] <= own["temperature"] <= fitted["ci_high"]


def judged(rows, trials, config, number, **entry):
    """The measurement of a claim on the model, as `change_of_mind_claims` gives it."""
    specs = {"big": config["models"]["big"] | entry}
    taken = {"big": trials["choices"].iloc[0]}
    study = config["change_of_mind"] | {"accuracies": [50, 60, 70, 80, 90, 100]}
    published = [str(path) for path in (ROOT / "resources/published").glob("change_of_mind_*.csv")]
    built = claims.all_claims(published, specs, study, {"big": True}, taken)
    test = next(claim for claim in built if claim.id == number).test
    return test(rows, ModelEvidence(specs, "change_of_mind"))


@pytest.mark.long
@pytest.mark.parametrize("own", [BIASED, FAIR], ids=["biased", "fair"])
def test_options_are_read_from_the_first_token(tmp_path, monkeypatch, own):
    trials, asked, config = ran(tmp_path, monkeypatch, own, {})
    assert set(trials["choices"]) == {"first_token"}
    assert all(body["top_logprobs"] == 20 for body in asked)
    assert len(asked) == len(trials)
    rows = scored(trials)
    recovered(rows, own)
    assert one(rows, "option_mass")["value"] == pytest.approx(0.98)
    (found,) = judged(rows, trials, config, "1a")
    assert "alternatives to the first token" in found.note


@pytest.mark.long
@pytest.mark.parametrize("own", [BIASED, FAIR], ids=["biased", "fair"])
def test_choices_are_sampled_from_a_model_that_thinks(tmp_path, monkeypatch, own):
    trials, asked, config = ran(tmp_path, monkeypatch, own, THINKING, thinks=True)
    assert set(trials["choices"]) == {"sampled"}
    assert len(asked) == 6 * len(trials)
    assert {body["max_completion_tokens"] for body in asked} == {4096 + 32}
    part = announced.workload(config, "big", counting.counter(config, "change_of_mind", "big"))[0]
    assert (part.prompts, part.replies) == (len(asked), len(asked))
    rows = scored(trials)
    recovered(rows, own)
    assert one(rows, "read_share", display="first")["value"] == 1
    # Claim on o1-preview: rates of change alone decide it. The paper gives it no confidence.
    paper = {"paper_model_of": {"change_of_mind": "o1-preview"}}
    (found,) = judged(rows, trials, config, "11a-o1", **paper)
    assert found.value == one(rows, "change_rate_gap", advice="all")["value"]


def test_few_alternatives_bound_the_options_that_are_not_listed(tmp_path, monkeypatch):
    trials, _, _ = ran(tmp_path, monkeypatch, FAIR | {"temperature": 4.0}, {}, True, True, listed=2)
    open_ = trials[trials["unlisted"] > 0]
    assert 0.2 < len(open_) / len(trials) < 1
    assert (open_["unlisted"] <= 0.5).all()
    rows = pd.DataFrame(scores.reading(trials)).assign(model="big", seed=None)
    assert set(rows["metric"]) == {"unlisted_share", "unlisted_at_most"}
    why = measurements._not_listed(rows, pd.Series({"experiment": "E1", "model": "big",
                                                    "metric": "advice_weight"}))  # fmt: skip
    assert "does not list" in why


def test_a_server_without_log_probabilities_ends_the_run_in_its_first_turn(tmp_path, monkeypatch):
    with pytest.raises(
        EngineError, match=r"models\.big\.asked\.change_of_mind\.choices: s"
    ) as error:
        ran(tmp_path, monkeypatch, FAIR, {}, True, True, listed=0)
    assert "\n" not in str(error.value)


def test_replies_without_a_letter_end_the_run_before_the_second_turn(tmp_path, monkeypatch):
    sampled = {"asked": {"change_of_mind": {"choices": "sampled", "draws": 5}}}
    with pytest.raises(ValueError, match="model big: expected the letter of an option in its rep"):
        ran(tmp_path, monkeypatch, FAIR, sampled, True, True, unread=1.0)


def test_questions_with_an_unread_answer_are_left_out_and_counted(tmp_path, monkeypatch):
    sampled = {"asked": {"change_of_mind": {"choices": "sampled", "draws": 5}}}
    trials, _, _ = ran(tmp_path, monkeypatch, FAIR, sampled, True, unread=0.4)
    rows = pd.DataFrame(scores.reading(trials)).assign(model="big", seed=None)
    read = made.rows(rows, metric="read_share")["value"]
    assert read.between(0.5, 0.7).all()
    assert made.rows(rows, metric="left_out")["value"].max() > 0
    why = measurements._not_read(rows, pd.Series({"experiment": "E1", "model": "big"}))
    assert re.fullmatch(r"only \d+% of the replies were read", why)
