"""From small tables to scores and verdicts: what decides a claim, and what must not."""

import copy

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import spearmanr

from tests.glasses.test_answers import ASKED
from tests.glasses.test_answers import TASKS as FEW
from tests.glasses.verdicts import MODELS, PUBLISHED, all_claims, of_encodings, world
from workflow_scripts.glasses import (
    answers,
    claims,
    collapse,
    model_gaps,
    requests,
    scores,
    theory,
)
from workflow_scripts.glasses import config_checks as checks
from workflow_scripts.glasses.published import Numbers
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared import schemas, tables
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared.claims import Evidence, ModelEvidence, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import exact

pytestmark = pytest.mark.xdist_group("glasses_claims")  # one worker makes its fixtures

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
COPIES = [4, 8, *range(100, 501, 20)]
TASKS = FEW | {"copy_lengths": COPIES, "order_lengths": COPIES}
THEORY = {
    "cases": 20,
    "width": 8,
    "sizes": [2, 16, 64, 1024],
    "variation": {"seeds": 3, "sizes": [200, 2000, 3000, 5000, 10_000, 50_000]},
    "chain": {"cases": 4, "sizes": [8, 128]},
    "paths": {"tokens": 16, "layers": [1, 4, 32], "deepest": 2048},
    "sensitivity": {"seeds": 3, "width": 8, "tokens": 12, "layers": [1, 4]},
}
GRID = {"least": 4, "most": 2000}
STACK = {
    "width": 16,
    "seeds": 6,
    "points": 12,
    "independent": [5, 10, 20, 50, 100, 200, 500, 1000, 2000],
    "projected": GRID,
    "depth": {"least": 4, "most": 64, "layers": [1, 2]},
    "cures": {"least": 8, "most": 256, "layers": 1, "window": 8},
}


def gap_table(ones: float, digits: float, commas: float) -> pd.DataFrame:
    """A model's gaps that fall as the length to these powers."""
    lengths = [8, 16, 32, 64, 128, 256, 320, 400]
    found = []
    for panel, power in (("count_ones", ones), ("count_digits", digits), ("copy_ones", ones),
                         ("copy_separated", commas)):  # fmt: skip
        sides = np.ones((1, len(lengths), 2, 2, 2, 4))
        sides[0, :, 1] += 2.0 * (np.array(lengths, float) ** power)[:, None, None, None]
        where = {"precision": "float32", "panel": panel}
        found += model_gaps.panel_rows("E4", lengths, 2, sides, **where)
    unbroken = exact("model_sensitivity", "bound_violations_fixed", 0, 9, units="tokens")
    return pd.DataFrame([*found, unbroken]).assign(model="made")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The folder of a small run: theory, random stacks, one made-up model and its replies."""
    folder = tmp_path_factory.mktemp("glasses")
    theory.main(str(folder / "theory.parquet"), THEORY, 1, {})
    collapse.main(
        str(folder / "collapse.parquet"), STACK, ["float64", "float16", "bfloat16"], 1, {}
    )
    table = inference.table(requests.rows(TASKS, ASKED, 0))
    tables.write(table, folder / "requests.parquet", schemas.REQUESTS)
    late = table["length"] >= 100
    text = np.where(late & (table["task"] != "first"), "1", table["truth"].astype(str))
    replies = pd.DataFrame({"request_id": table["request_id"], "text": text})
    shared_columns = {"sample": 0, "finish_reason": "stop", "prompt_tokens": 1}
    more = {"completion_tokens": 1, "choice_logprobs": "", "logprobs": "", "model": "made"}
    more |= {"engine": "none", "dtype": "none", "engine_version": "0"}
    replies = replies.assign(**shared_columns, **more)
    tables.write(replies, folder / "made.parquet", schemas.RESPONSES)
    return folder


def scored(folder, gaps: pd.DataFrame) -> pd.DataFrame:
    tables.write(gaps, folder / "gaps.parquet")
    scores.main(
        [str(folder / "requests.parquet")],
        [str(folder / "made.parquet")],
        str(folder / "theory.parquet"),
        str(folder / "collapse.parquet"),
        [str(folder / "gaps.parquet")],
        [],
        str(folder / "scores.parquet"),
        ["made"],
        {"made": 60},
        {"made": False},
        1,
        {},
    )
    return tables.read(folder / "scores.parquet", SCORES)


@pytest.fixture(scope="module")
def frame(parts):
    return scored(parts, gap_table(-1.0, -0.2, -0.1))


def evidence(name: str | None) -> shared.ModelEvidence:
    """Of a model `made` that the paper calls `name`, or of a stand-in."""
    spec = {"source": "owner/made", "paper_model_of": {"glasses": name}}
    return shared.ModelEvidence({"made": spec if name else {"source": "train"}}, "glasses")


def judged(name: str, frame: pd.DataFrame, model: str | None = "Gemini 1.5") -> list[dict]:
    claim = next(claim for claim in all_claims() if claim.id == name)
    return shared.judge(claim, frame, evidence(model))


def verdicts(name, *given):
    return {entry["verdict"] for entry in judged(name, *given)}


def test_every_claim_is_there_with_its_published_number():
    found = {claim.id: claim for claim in all_claims()}
    assert {int(name[1:].rstrip("abcde")) for name in found} == set(range(1, 18))
    published = {name: c.published.value for name, c in found.items() if c.published}
    assert published["G4"] == 0.924234
    assert published["G11a"] == 50
    assert published["G11d"] == 2001
    # Marks of figure 2: the first right at nine lengths, the last at four of nine.
    assert published["G9a"] == published["G9c"] == pytest.approx(5 / 9, abs=1e-3)
    assert published["G9d"] == published["G9e"] == pytest.approx(5 / 9, abs=1e-3)
    # Figure 11: 7 of 15 and 11 of 15.
    assert published["G14a"] == pytest.approx(4 / 15, abs=1e-3)
    # Figure 4 has 22 answers of 100; one of them answers a length below 100.
    assert published["G10b"] == pytest.approx(21 / 30)
    assert published["G13b"] > 0.7


def test_each_claim_about_a_model_names_it_and_what_is_no_claim_of_the_paper_is_marked():
    found = {claim.id: claim for claim in all_claims()}
    assert {c.models for c in found.values()} == {(), ("Gemini 1.5",), ("Gemma 7B",)}
    kinds = {kind: {c.id for c in found.values() if c.kind == kind} for kind in shared.Kind}
    assert kinds[shared.Kind.MISREADING] == {"G3d", "G5c", "G7b"}
    assert kinds[shared.Kind.EXTENSION] == {
        "G5b", "G11c", "G13c", "G15a", "G15b", "G16a", "G16b", "G16c",
    }  # fmt: skip
    assert kinds[shared.Kind.OURS] == {"G17a", "G17b"}


@pytest.mark.parametrize(
    ("change", "reduced"),
    [
        ({}, ""),
        ({"width": 16}, "width 16, not 64"),
        ({"independent": [5, 10, 100, 500, 1000, 5000]}, ""),
        (
            {"independent": [5, 10, 100, 500]},
            "lengths 5, 10, 100, 500, not 5, 10, 100, 500, 1000, 5000",
        ),
    ],
)
def test_the_protocol_label_needs_the_papers_width_and_lengths(change, reduced):
    section = CONFIG["glasses"]
    numbers = Numbers.read(**PUBLISHED)
    found = claims.protocols(numbers, section["stack"] | change, section["theory"]["variation"])
    assert found.figure_10.reduced == reduced
    assert found.figure_9.reduced == ""
    # Figure 8 goes on to 10,000.
    assert (found.figure_8.evidence == Evidence.PROTOCOL) == (not change)
    few = section["theory"]["variation"] | {"seeds": 3}
    assert "seeds 3 of 5" in claims.protocols(numbers, section["stack"], few).figure_9.reduced


@pytest.mark.parametrize("name", ["G1a", "G2", "G3a", "G4", "G5a", "G5d", "G6", "G7a"])
def test_theorems_hold_in_a_small_run(name, frame):
    assert verdicts(name, frame) == {Verdict.SUPPORTED}


def test_a_causal_mask_breaks_the_ratio_and_the_claim_as_misread(frame):
    assert verdicts("G7b", frame) == {Verdict.CONTRADICTED}


@pytest.mark.parametrize(
    ("name", "metric"),
    [("G1a", "violations"), ("G3a", "chain_violations"), ("G4", "closed_form_error")],
)
def test_a_single_violation_contradicts_a_theorem(name, metric, frame):
    broken = frame.copy()
    broken.loc[broken["metric"] == metric, ["value", "ci_low", "ci_high"]] = 1.0
    assert verdicts(name, broken) == {Verdict.CONTRADICTED}


def test_replies_decide_only_for_the_model_of_the_claim(frame):
    for name in ("G9a", "G14b"):
        assert verdicts(name, frame) == {Verdict.SUPPORTED}
        (entry,) = judged(name, frame, None)[:1]
        assert entry["verdict"] == Verdict.NOT_TESTED
        assert "a stand-in model cannot decide it" in entry["reason"]
        (entry,) = judged(name, frame, "Gemma 7B")[:1]
        assert entry["reason"] == "it is about Gemini 1.5, not about Gemma 7B"
    # Here errors begin at 100, so from 100 to 299 the last is as wrong as from 300 on.
    assert verdicts("G9b", frame) == {Verdict.CONTRADICTED}
    # The hint changes nothing, and neither does the order.
    for name in ("G9c", "G14a"):
        assert verdicts(name, frame) == {Verdict.INCONCLUSIVE}


def test_arms_that_are_always_right_leave_their_difference_unmeasured(frame):
    equal = frame.copy()
    note = "both arms have all of the replies right: no difference can be measured"
    equal.loc[equal["metric"] == "hint_gain", "note"] = note
    (entry,) = judged("G9c", equal)
    assert (entry["verdict"], entry["reason"]) == (Verdict.NOT_TESTED, note)


def test_gaps_of_the_papers_model_are_read_at_the_published_lengths(parts, frame):
    (onset,) = judged("G11d", frame, "Gemma 7B")
    # 2 / n is at most 2^-7 from 256 on; 128 is the last length above the line.
    told = onset["measured"]
    assert (told["value"], told["ci_low"], told["ci_high"]) == (256, 129, 256)
    assert onset["verdict"] == Verdict.CONTRADICTED
    for name in ("G11b", "G12"):
        assert verdicts(name, frame, "Gemma 7B") == {Verdict.SUPPORTED}
    other = scored(parts, gap_table(-0.2, -1.0, -1.0))
    for name in ("G11b", "G12"):
        assert verdicts(name, other, "Gemma 7B") == {Verdict.CONTRADICTED}
    (onset,) = judged("G11a", other, "Gemma 7B")
    assert onset["verdict"] == Verdict.CONTRADICTED  # not by 400 digits
    assert (onset["measured"]["ci_low"], onset["measured"]["ci_high"]) == (400, None)
    assert onset["measured"]["note"].startswith("not by then")


def test_the_lowest_head_and_the_mean_are_different_statistics():
    lengths = [10, 50, 1000, 2000]
    sides = np.ones((1, 4, 2, 2, 2, 4))
    sides[0, :, 1, :, :, :2] += np.array([0.1, 0.005, 0.005, 0.004])[:, None, None, None]
    sides[0, :, 1, :, :, 2:] += np.array([0.1, 0.1, 0.1, 0.008])[:, None, None, None]
    rows = model_gaps.panel_rows("E4", lengths, 2, sides, precision="float32", panel="count_ones")
    made = pd.DataFrame(rows).assign(model="made")
    gaps = shared_scores.table([made], scores.CONDITIONS, scores.WHOLE, scores.TEXTS)
    (lowest,), (mean,) = (judged(name, gaps, "Gemma 7B") for name in ("G11a", "G11d"))
    assert lowest["measured"]["value"] == 50
    assert mean["measured"]["value"] == 2000
    assert mean["verdict"] == Verdict.INCONCLUSIVE  # between 1,001 and 2,000: 1,001 is outside


def collapsing(verdict: Verdict) -> pd.DataFrame:
    made = pd.DataFrame(of_encodings(verdict)).assign(model="random stack")
    return shared_scores.table([made], scores.CONDITIONS, scores.WHOLE, scores.TEXTS)


def test_an_encoding_that_does_not_collapse_leaves_the_ratio_open_below():
    (entry,) = judged("G13c", collapsing(Verdict.INCONCLUSIVE))
    assert "rotary not" in entry["measured"]["note"]
    assert entry["measured"]["ci_low"] == 0.0


def test_trends_are_spearmans():
    rng = np.random.default_rng(0)
    lengths = pd.Series(rng.integers(1, 9, 40))
    errors = lengths + rng.normal(0, 3, 40)
    (row,) = answers.trend(lengths, errors, 0, {})
    assert row["value"] == pytest.approx(spearmanr(lengths, errors).statistic)
    assert row["ci_low"] < row["value"] < row["ci_high"]


def test_stand_ins_decide_nothing_about_gemini(frame):
    for claim in all_claims():
        (entry, *_) = shared.judge(claim, frame, evidence(None))
        if entry["decided_by"] == ["paper's own model"]:
            assert entry["verdict"] == Verdict.NOT_TESTED
            assert entry["reason"]


@pytest.mark.parametrize(
    ("name", "change", "differs"),
    [
        ("G9a", {"wordings": {"gemini": "short"}}, "wording short, not paper"),
        ("G9b", {"copy_lengths": [4, 8, 448]}, "copy lengths 4, 8, 448, not 100, 150"),
        ("G10a", {"count_lengths": [4, 8]}, "count lengths 4, 8, not 5, 15"),
        ("G14a", {"order_lengths": [4, 8]}, "order lengths 4, 8, not 100, 200"),
        ("G12", {"gap_lengths": [1, 2, 51]}, "gap lengths 1, 2, 51, not 1, 2, 6"),
    ],
)
def test_a_model_of_the_paper_that_was_asked_differently_counts_as_another(name, change, differs):
    table = world(name, Verdict.SUPPORTED)
    judge = ModelEvidence(MODELS, "glasses")
    as_published, otherwise = (
        shared.judge(next(c for c in known if c.id == name), table, judge)
        for known in (all_claims(), all_claims(**change))
    )
    assert Verdict.SUPPORTED in {entry["verdict"] for entry in as_published}
    assert {entry["verdict"] for entry in otherwise} == {Verdict.NOT_TESTED}
    assert all(entry["evidence"] == Evidence.OTHER_MODEL for entry in otherwise)
    assert all(differs in entry["measured"]["note"] for entry in otherwise)


def test_the_paper_preset_asks_as_the_paper():
    paper = yaml.safe_load((ROOT / "presets/paper.yaml").read_text())["glasses"]
    tasks, gaps = paper["tasks"], paper["gaps"]
    lengths = {name: tasks[name] for name in ("copy_lengths", "order_lengths", "count_lengths")}
    wording = {"mine": CONFIG["kinds"]["chat"]["glasses"]["wording"]}
    asked = lengths | {"gap_lengths": gaps["lengths"]}
    found = claims.questions(Numbers.read(**PUBLISHED), asked, wording)
    assert not any(each["mine"].reduced for each in found)


def test_each_model_is_compared_with_the_paper_by_its_own_wording():
    table = world("G9a", Verdict.SUPPORTED)
    judge = ModelEvidence(MODELS, "glasses")
    claim = next(each for each in all_claims({"embedded-s": "short"}) if each.id == "G9a")
    assert Verdict.SUPPORTED in {entry["verdict"] for entry in shared.judge(claim, table, judge)}


def changed(path: str, value) -> dict:
    content = copy.deepcopy(CONFIG)
    place = content["glasses"]
    *parents, last = path.split("/")
    for parent in parents:
        place = place[parent]
    place[last] = value
    return content


def test_the_default_settings_are_possible():
    assert list(checks.problems(CONFIG)) == []


@pytest.mark.parametrize(
    ("path", "value", "start"),
    [
        ("tasks/copy_lengths", [4, 9000], "glasses.tasks.copy_lengths: needs at least 9012 tokens"),
        ("tasks/count_lengths", [400], "glasses.tasks.count_lengths: needs at least 811 tokens"),
        ("tasks/order_lengths", [9000], "glasses.tasks.order_lengths: needs at least 9012 tokens"),
        ("gaps/lengths", [4, 6000], "glasses.gaps.lengths: needs at least 8000 tokens"),
        ("stack/depth/least", 9000, "glasses.stack.depth.least: found 9000, allowed: less than"),
    ],
)
def test_impossible_settings_are_named(path, value, start):
    found = list(checks.problems(changed(path, value)))
    assert found
    assert all(line.startswith(start) for line in found)
