"""From small tables to scores and verdicts: what decides a claim, and what must not."""

import copy

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import spearmanr

from tests.glasses.test_answers import TASKS as FEW
from workflow_scripts.glasses import (
    answers,
    claims,
    collapse,
    gap_scores,
    requests,
    scores,
    theory,
)
from workflow_scripts.glasses import config_checks as checks
from workflow_scripts.inference import requests as inference
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared import schemas, tables
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared.claims import Evidence, Verdict
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.schemas import SCORES
from workflow_scripts.shared.scores import exact

PUBLISHED = ROOT / "resources/published/glasses_thresholds.csv"
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
TASKS = FEW | {"copy_lengths": [4, 8, *range(100, 301, 20)]}
THEORY = {
    "cases": 20,
    "width": 8,
    "sizes": [2, 64, 1024],
    "variation": {"seeds": 3, "sizes": [200, 3200, 6400]},
    "chain": {"cases": 4, "sizes": [8, 128]},
    "paths": {"tokens": 16, "layers": [1, 4, 32], "deepest": 2048},
    "sensitivity": {"seeds": 3, "width": 8, "tokens": 12, "layers": [1, 4]},
}
GRID = {"least": 4, "most": 2000}
STACK = {
    "width": 16,
    "seeds": 6,
    "points": 12,
    "independent": GRID,
    "projected": GRID,
    "depth": {"least": 4, "most": 64, "layers": [1, 2]},
    "cures": {"least": 8, "most": 256, "layers": 1, "window": 8},
}


def gap_table(ones: float, digits: float, commas: float) -> pd.DataFrame:
    """A model's gaps that fall as the length to these powers, at two precisions."""
    lengths = [8, 16, 32, 64, 128, 256, 320, 400]
    found = []
    for panel, power in (("count_ones", ones), ("count_digits", digits), ("copy_ones", ones),
                         ("copy_separated", commas)):  # fmt: skip
        for precision in ("float32", "bfloat16"):
            gap = np.array([[2.0 * n**power for n in lengths]])
            parts = {"gap_l1": gap, "gap_linf": gap, "equal": gap < 0, "scale": 0 * gap + 1.5}
            where = {"precision": precision, "panel": panel, "place": "digit"}
            found += gap_scores.gap_rows("E4", lengths, parts, units="draws", **where)
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
    table = inference.table([*requests.copies(TASKS, 0), *requests.counts(TASKS, 0)])
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
        str(folder / "requests.parquet"),
        [str(folder / "made.parquet")],
        str(folder / "theory.parquet"),
        str(folder / "collapse.parquet"),
        [str(folder / "gaps.parquet")],
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


def judged(name: str, frame: pd.DataFrame, evidence=Evidence.PAPER_MODEL) -> list[dict]:
    claim = next(claim for claim in claims.all_claims(PUBLISHED) if claim.id == name)
    return shared.judge(claim, frame, lambda _: evidence)


def verdicts(name, *given):
    return {entry["verdict"] for entry in judged(name, *given)}


def test_every_claim_is_there_with_its_published_number():
    found = {claim.id: claim for claim in claims.all_claims(PUBLISHED)}
    assert {int(name[1:].rstrip("abcde")) for name in found} == set(range(1, 17))
    assert found["G4"].published.value == 0.924234
    assert found["G9b"].published.value == 300
    assert (found["G11a"].published.value, found["G11a"].published.tag) == (50, "published")
    assert (found["G10b"].published.value, found["G10b"].published.tag) == (100, "published-2nd")


@pytest.mark.parametrize(
    "name", ["G1a", "G1b", "G2", "G3a", "G3b", "G4", "G5a", "G5d", "G6", "G7a"]
)
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


def test_replies_decide_only_for_the_papers_own_model(frame):
    for name in ("G9a", "G9b", "G14b"):
        assert verdicts(name, frame) == {Verdict.SUPPORTED}
        (entry,) = judged(name, frame, Evidence.STAND_IN)[:1]
        assert entry["verdict"] == Verdict.NOT_TESTED
        assert "a stand-in model cannot decide it" in entry["reason"]
    assert judged("G9b", frame)[0]["measured"]["value"] == 100
    assert verdicts("G9c", frame) == {Verdict.CONTRADICTED}  # the hint changes nothing
    assert verdicts("G14a", frame) == {Verdict.CONTRADICTED}


def test_gaps_of_the_papers_model_are_read_at_the_published_lengths(parts, frame):
    (onset,) = judged("G11a", frame)
    assert onset["measured"]["value"] == 256  # 2 / n is at most 2^-7 there
    assert onset["verdict"] == Verdict.CONTRADICTED
    for name in ("G11b", "G12"):
        assert verdicts(name, frame) == {Verdict.SUPPORTED}
    other = scored(parts, gap_table(-0.2, -1.0, -1.0))
    for name in ("G11b", "G12"):
        assert verdicts(name, other) == {Verdict.CONTRADICTED}
    (onset,) = judged("G11a", other)
    assert onset["verdict"] == Verdict.NOT_TESTED
    assert "no model that ran collapses in bfloat16: made" in onset["reason"]


def collapsing(at: dict[str, list[float]]) -> pd.DataFrame:
    """Collapse lengths (seeds) of four encodings in bfloat16, as scores hold them."""
    lengths = [10, 30, 100, 300, 1000, 3000, 10_000]
    found = []
    for experiment, part in (("E6", "layer"), ("E8", "normalised")):
        for encoding, each in at.items():
            gap = np.array([[0.001 if n >= onset else 1.0 for n in lengths] for onset in each])
            parts = {"gap_l1": gap, "gap_linf": gap, "equal": gap < 0, "scale": 0 * gap + 1.5}
            where = {"encoding": encoding, "part": part, "precision": "bfloat16"}
            found += gap_scores.gap_rows(experiment, lengths, parts, units="seeds", **where)
    made = pd.DataFrame(found).assign(model="random stack")
    return shared_scores.table([made], scores.CONDITIONS, scores.WHOLE, scores.TEXTS)


def test_encodings_collapse_together_or_apart():
    near = {"none": [30] * 6, "sinusoidal": [30, 30, 30, 100, 100, 100], "alibi": [100] * 6,
            "rotary": [100] * 6}  # fmt: skip
    assert verdicts("G13b", collapsing(near)) == {Verdict.SUPPORTED}
    (first, _) = judged("G13b", collapsing(near | {"rotary": [1000] * 6}))
    assert first["verdict"] == Verdict.CONTRADICTED
    assert first["measured"]["value"] == pytest.approx(0.03)
    (first, _) = judged("G13b", collapsing(near | {"rotary": [99_999] * 6}))
    assert "rotary not" in first["measured"]["note"]
    assert first["verdict"] == Verdict.CONTRADICTED


def test_trends_are_spearmans():
    rng = np.random.default_rng(0)
    lengths = pd.Series(rng.integers(1, 9, 40))
    errors = lengths + rng.normal(0, 3, 40)
    (row,) = answers.trend(lengths, errors, 0, {})
    assert row["value"] == pytest.approx(spearmanr(lengths, errors).statistic)
    assert row["ci_low"] < row["value"] < row["ci_high"]


def test_stand_ins_decide_nothing_about_gemini(frame):
    for claim in claims.all_claims(PUBLISHED):
        (entry, *_) = shared.judge(claim, frame, lambda _: Evidence.STAND_IN)
        if entry["decided_by"] == ["paper's own model"]:
            assert entry["verdict"] == Verdict.NOT_TESTED
            assert entry["reason"]


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
        ("gaps/lengths/most", 6000, "glasses.gaps.lengths.most: needs at least 8000 tokens"),
        ("gaps/lengths/least", 400, "glasses.gaps.lengths.least: found 400, allowed: less than"),
        ("stack/depth/least", 9000, "glasses.stack.depth.least: found 9000, allowed: less than"),
    ],
)
def test_impossible_settings_are_named(path, value, start):
    found = list(checks.problems(changed(path, value)))
    assert found
    assert all(line.startswith(start) for line in found)
