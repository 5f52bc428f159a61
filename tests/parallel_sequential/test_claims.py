"""Verdicts on invented scores, impossible settings, and figures from partial scores."""

import copy
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml

from workflow_scripts.parallel_sequential import claims, config_checks, figures, metrics, scores
from workflow_scripts.parallel_sequential.figures_common import Data
from workflow_scripts.parallel_sequential.rows import Rows, table
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared.claims import Evidence, Verdict
from workflow_scripts.shared.figures import Models, drawing
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.statistics import Interval

N = 8


def judged(made, evidence=Evidence.PAPER_MODEL):
    frame = table([made])
    each = (shared.judge(claim, frame, lambda _: evidence) for claim in claims.all_claims(N))
    entries = [entry for made in each for entry in made]
    return {entry["id"]: entry for entry in entries}


def rows(*made):
    found = Rows("a model", "math", 1)
    for metric, value, half, more in made:
        found.interval("P", metric, Interval(value, value - half, value + half, 40), **more)
    return found.made


def test_every_claim_has_an_entry_whatever_ran():
    entries = judged(rows(("answered_share", 0.5, 0, {})))
    assert set(entries) == {claim.id for claim in claims.all_claims(N)}
    assert {entry["verdict"] for entry in entries.values()} == {Verdict.NOT_TESTED}
    assert {name[0] for name in entries} == set("1234567")


@pytest.mark.parametrize(
    ("gap", "verdict"),
    [(0.2, Verdict.SUPPORTED), (-0.2, Verdict.CONTRADICTED), (0.01, Verdict.INCONCLUSIVE)],
)
def test_the_gap_decides_for_the_papers_models_only(gap, verdict):
    made = rows(("gap", gap, 0.05, {"aggregator": "majority", "k": N}))
    assert judged(made)["1a"]["verdict"] == verdict
    stand_in = judged(made, Evidence.STAND_IN)["1a"]
    assert stand_in["verdict"] == Verdict.NOT_TESTED
    assert stand_in["reading"] == verdict


def test_one_aggregator_without_a_gap_decides_claim_2_and_the_first_attempt_does_not_count():
    made = rows(
        ("gap", 0.3, 0.1, {"aggregator": "majority", "k": N}),
        ("gap", -0.3, 0.1, {"aggregator": "last", "k": N}),
        ("gap", -0.9, 0.01, {"aggregator": "first", "k": N}),
    )
    entry = judged(made)["2"]
    assert entry["verdict"] == Verdict.CONTRADICTED
    assert entry["measured"]["value"] == pytest.approx(-0.3)


def test_feedback_is_measured_and_never_graded():
    made = rows(("lead_same_feedback", 0.3, 0.1, {"arm": "oracle", "k": N}))
    entry = judged(made)["6b"]
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "disagree" in entry["reason"]
    assert entry["measured"]["value"] == pytest.approx(0.3)


def test_without_a_loss_there_is_nothing_for_repeats_to_explain():
    half = ("arm_effect_beyond_half", 0.2, 0.1, {})
    entry = judged(rows(("arm_effect", 0.0, 0.1, {}), half))["4c"]
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "no loss to explain" in entry["reason"]
    entry = judged(rows(("arm_effect", -0.3, 0.1, {}), half))["4c"]
    assert entry["verdict"] == Verdict.SUPPORTED


def test_a_domain_without_answers_says_so():
    silent = Rows("a model", "code", 1)
    silent.number("P1", "answered_share", 0.0, 10, "attempts", note="none of 10 has an answer")
    assert "no program in any first attempt" in judged(silent.made)["1b"]["reason"]


DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def test_the_default_settings_are_possible():
    assert list(config_checks.problems(DEFAULT)) == []


def test_impossible_settings_get_a_line_each():
    config = copy.deepcopy(DEFAULT)
    config["models"]["served"] = {"source": "somewhere", "engine": "vllm"}
    config["studies"]["parallel_sequential"] = ["embedded-s", "served"]
    config["parallel_sequential"]["math"]["file"] = "no/such/file.jsonl"
    lines = list(config_checks.problems(config))
    assert len(lines) == 2
    assert "'embedded-m', allowed: a model listed under" in lines[0]
    assert (
        lines[1] == "parallel_sequential.math.file: found no/such/file.jsonl, which is not a file"
    )
    config["parallel_sequential"]["copying"]["models"] = ["served"]
    (line, _) = config_checks.problems(config)
    assert "engine vllm" in line
    assert "engine transformers" in line


def test_every_figure_draws_with_one_model_in_two_domains_and_no_look_inside():
    rng = np.random.default_rng(0)
    made = []
    for domain in ("math", "code"):
        own = Rows("a model", domain, 1)
        arms = {}
        for arm in ("parallel", "sequential", "improve", "different", "new_idea", "weak",
                    "oracle", "resample", "ban", "padded-1"):  # fmt: skip
            answers = rng.choice(list("abc"), (6, 2, N)).astype(object)
            right = (answers == np.array("a", object)).astype(float)
            ones = np.ones(right.shape)
            arms[arm] = metrics.Sets(
                list("123456"),
                answers,
                right,
                right,
                -ones,
                ones,
                ones,
                arm == "parallel",
            )
        empty = pd.DataFrame(
            {"k": [], "arm": [], "question": [], "correct": [], "request_id": [], "answer": []}
        )
        frame = pd.DataFrame(
            {
                "arm": ["parallel", "padded-1", "resample", "ban"],
                "prompt_tokens": 5,
                "finish_reason": "stop",
                "accepted": True,
            }
        )
        scores.accuracy.main_comparison(own, arms, empty, N)
        scores.accuracy.cost(own, arms, N)
        scores.accuracy.padding(own, arms, frame, N)
        scores.exploration.variety(own, arms, N)
        scores.accuracy.instructions(own, arms, N)
        scores.accuracy.feedback(own, arms, N)
        scores.accuracy.rejection(own, arms, frame, N)
        made += own.made
    models = {"a model": {"place": 0, "stand_in": False}, "another": {"place": 1, "stand_in": True}}
    data = Data(table([made]), Models.of(models), N)
    rules = (ROOT / "rules/parallel_sequential.smk").read_text()
    listed = re.search(r"_FIGURES = \[(.*?)\]", rules, re.DOTALL)[1]
    names = re.findall(r'"(\w+)"', listed)
    assert len(names) == 11
    for name in names:
        figure = drawing(name, figures.TOPICS)(data)
        assert figure.axes, name
        plt.close(figure)
