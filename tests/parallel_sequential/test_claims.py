"""Verdicts on invented scores, impossible settings, and figures from partial scores."""

import copy
import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml

from tests.parallel_sequential import verdicts
from workflow_scripts.parallel_sequential import (
    claims,
    config_checks,
    exploration,
    figures,
    mechanism,
    metrics,
    scores,
    worlds,
)
from workflow_scripts.parallel_sequential.figures_common import Data
from workflow_scripts.parallel_sequential.rows import Rows, table
from workflow_scripts.shared import claims as shared
from workflow_scripts.shared.claims import Verdict
from workflow_scripts.shared.figures import Models, drawing
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.statistics import Interval

N = 8
PAPER_MODEL = "the paper's"


def judged(made, files=True, claims_of=verdicts.all_claims):
    """The entries by claim: a list each."""
    made = made if isinstance(made, pd.DataFrame) else table([made])
    found: dict[str, list] = {}
    evidence = shared.ModelEvidence(verdicts.MODELS, "parallel_sequential")
    for claim in claims_of() if files else all_claims(files=False):
        found[claim.id] = shared.judge(claim, made, evidence)
    return found


def all_claims(questions=30, files=True):
    asked = {"math": questions, "code": 200}
    return claims.all_claims(N, 16, asked, [1, 2, 4], dict.fromkeys(asked, files))


def rows(*made, model=PAPER_MODEL, domain="math"):
    found = Rows(model, domain, 1)
    for metric, value, half, more in made:
        found.interval("P4", metric, Interval(value, value - half, value + half, 40), **more)
    return found.made


def test_every_claim_has_an_entry_whatever_ran():
    silent = Rows(PAPER_MODEL, "math", 1)
    silent.number("P1", "answered_share", 0.5, 10, "attempts")
    entries = judged(silent.made)
    assert {entry["verdict"] for each in entries.values() for entry in each} == {Verdict.NOT_TESTED}
    assert {name[0] for name in entries} == set("12345678")


@pytest.mark.parametrize("model", ["a stand-in", "another"])
def test_only_the_papers_models_decide(model):
    for claim in ("1a", "4c"):
        scores = verdicts.world(claim, Verdict.SUPPORTED, model)
        (entry,) = judged(scores)[claim]
        assert entry["verdict"] == Verdict.NOT_TESTED
        assert entry["reading"] == Verdict.SUPPORTED
        assert "needs Qwen3 or DeepSeek-R1 distilled or Gemini 2.5" in entry["reason"]


def test_a_model_without_open_weights_says_nothing_on_heads():
    (entry,) = judged(verdicts.world("5a", Verdict.SUPPORTED, "a closed one"))["5a"]
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "not about Gemini 2.5" in entry["reason"]


def test_generated_questions_decide_nothing_on_the_paper_s_data():
    scores = verdicts.world("1a", Verdict.SUPPORTED)
    (entry,) = judged(scores, files=False)["1a"]
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert "AIME 2025" in entry["reason"]
    (entry,) = judged(verdicts.world("5a", Verdict.SUPPORTED), files=False)["5a"]
    assert entry["verdict"] == Verdict.SUPPORTED


@pytest.mark.parametrize(("end", "amount"), [(0, "0 %"), (1, "100 %")])
def test_two_arms_at_floor_or_ceiling_leave_the_gap_unmeasured(end, amount):
    found = Rows(PAPER_MODEL, "math", 1)
    dust = end + np.array([0, 1e-16, -1e-16, 0, 0])  # a mean over chains may not be exact
    found.difference("P1", "gap", dust, np.full(5, end), aggregator="majority", k=N)
    (entry,) = judged(found.made)["1a"]
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert entry["reading"] == Verdict.INCONCLUSIVE
    assert entry["reason"] == f"both are {amount} at each of 5 questions: no difference can show"
    assert entry["measured"]["value"] == 0


def test_equal_arms_between_floor_and_ceiling_are_measured_with_a_wide_interval():
    found = Rows(PAPER_MODEL, "math", 1)
    solved = np.array([0.0, 1, 1, 0, 1])
    found.difference("P1", "gap", solved + 4e-16, solved, aggregator="majority", k=N)
    (entry,) = judged(found.made)["1a"]
    assert entry["verdict"] == Verdict.INCONCLUSIVE
    assert entry["measured"]["value"] == 0
    assert entry["measured"]["ci_low"] == pytest.approx(0.025**0.2 - 1)


def test_one_aggregator_without_a_gap_decides_claim_2_and_single_attempts_do_not_count():
    made = rows(
        ("gap", 0.3, 0.1, {"aggregator": "majority", "k": N}),
        ("gap", -0.3, 0.1, {"aggregator": "logprob", "k": N}),
        ("gap", -0.9, 0.01, {"aggregator": "last", "k": N}),
    )
    (entry,) = judged(made)["2"]
    assert entry["verdict"] == Verdict.CONTRADICTED
    assert entry["measured"]["value"] == pytest.approx(-0.3)


def test_an_aggregator_at_its_ceiling_is_left_out_of_claim_2_and_named():
    found = Rows(PAPER_MODEL, "math", 1)
    found.made += rows(("gap", 0.3, 0.1, {"aggregator": "majority", "k": N}))
    found.difference("P2", "gap", np.ones(30), np.ones(30), aggregator="any", k=N)
    (entry,) = judged(found.made)["2"]
    assert entry["verdict"] == Verdict.SUPPORTED
    assert entry["measured"]["note"].endswith("both arms at 0 % or 100 %: any")


def test_claims_on_both_domains_have_a_line_for_each():
    made = [
        *rows(("repeat_rate_excess", 0.3, 0.1, {"k": N})),
        *rows(("repeat_rate_excess", -0.3, 0.1, {"k": N}), domain="code"),
    ]
    found = {e["measured"]["condition"]: e["verdict"] for e in judged(made)["4b"]}
    assert found == {"mathematics": Verdict.SUPPORTED, "code": Verdict.CONTRADICTED}


def test_feedback_is_measured_by_difficulty_and_never_graded():
    made = rows(
        ("lead_same_feedback", 0.3, 0.1, {"arm": "oracle", "k": N}),
        ("lead_same_feedback", -0.3, 0.1, {"arm": "oracle", "k": N, "cell": "hard"}),
    )
    everywhere, hard = judged(made)["6b"]
    assert everywhere["verdict"] == hard["verdict"] == Verdict.NOT_TESTED
    assert "disagree" in everywhere["reason"]
    assert everywhere["measured"]["value"] == pytest.approx(0.3)
    assert hard["measured"]["condition"] == "mathematics, hard"


def test_lexical_similarity_does_not_decide_the_claim_about_embeddings():
    found = judged(rows(("similarity_excess", 0.3, 0.1, {"cell": "lexical"})))
    assert "no text-embedding model" in found["4a"][0]["reason"]
    assert found["4d"][0]["verdict"] == Verdict.SUPPORTED
    assert found["4d"][0]["kind"] == "extension"


def test_equal_similarities_up_to_rounding_decide_nothing():
    found, rng = Rows(PAPER_MODEL, "math", 1), np.random.default_rng(2)
    places = [(arm, str(n)) for arm in ("parallel", "sequential") for n in range(20)]
    values = [
        {"measure": "embedding", "arm": arm, "question": question, "metric": metric, "bin": None}
        | {"value": value + 1e-16 * rng.integers(-3, 4)}
        for arm, question in places
        for metric, value in (("within", 1.0), ("between", 0.5))
    ]
    exploration.likeness(found, pd.DataFrame(values))
    (entry,) = judged(found.made)["4a"]
    assert entry["verdict"] == Verdict.INCONCLUSIVE
    assert entry["measured"]["value"] == 0


def test_one_random_set_of_heads_says_why_it_decides_nothing():
    plain = {"metric": "copying_gain", "layer": None, "head": None}
    heads = [
        {
            "metric": metric,
            "unit": str(unit),
            "layer": 0,
            "head": head,
            "value": 0.1 * head + 0.01 * unit,
        }
        for metric in ("induction_score", "attention_to_earlier")
        for unit in range(4)
        for head in range(3)
    ]
    gains = [
        plain | {"unit": str(unit), "ablated": way, "value": float(unit)}
        for unit in range(4)
        for way in ("none", "induction", "random")
    ]
    frame = pd.DataFrame([*heads, *gains]).fillna({"ablated": "none"}).assign(draw=0)
    found = Rows(PAPER_MODEL, "math", 1)
    mechanism.copying(found, frame)
    (entry,) = judged(found.made)["5c"]
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert entry["reason"] == "one question or one random set of heads has no interval"
    (row,) = [r for r in found.made if r["metric"] == "induction_attention_rank_correlation"]
    assert row["value"] == pytest.approx(1)


def test_a_design_too_small_to_show_no_harm_says_so():
    scores = verdicts.world("3a", Verdict.SUPPORTED)
    few = judged(scores, claims_of=lambda: all_claims(questions=2))
    assert "2 questions x 16 chains x 8 attempts show the absence" in few["3a"][0]["reason"]
    scores = verdicts.world("3a", Verdict.CONTRADICTED)
    scores["value"], scores["ci_low"], scores["ci_high"] = (
        scores[name] - 0.2 * (scores["metric"] == "accuracy_change")
        for name in ("value", "ci_low", "ci_high")
    )
    few = judged(scores, claims_of=lambda: all_claims(questions=2))
    assert few["3a"][0]["verdict"] == Verdict.CONTRADICTED


def test_without_a_gap_there_is_nothing_to_explain():
    found = Rows(PAPER_MODEL, "math", 1)
    found.number("P1", "answered_share", 1.0, 10, "attempts")
    parallel, _ = worlds.WORLDS["both"].sets(40, 2, N, np.random.default_rng(0))
    scores.exploration.attribute(found, parallel, parallel)
    (entry,) = judged(found.made)["4c"]
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert entry["reason"].startswith("the paper's, mathematics: no gap to explain: 0.000 (")


def test_text_shorter_than_the_history_decides_nothing():
    scores = verdicts.world("3a", Verdict.SUPPORTED)
    scores.loc[(scores["metric"] == "padding_to_history") & (scores["cell"] == "1"), "value"] = 0.7
    (entry,) = judged(scores)["3a"]
    assert entry["verdict"] == Verdict.NOT_TESTED
    assert entry["reason"] == "the unrelated text is 0.70 times as long as the history"


def test_a_domain_without_answers_says_so():
    silent = Rows("a stand-in", "code", 1)
    silent.number("P1", "answered_share", 0.0, 10, "attempts", note="none of 10 has an answer")
    assert "no program in any first attempt" in judged(silent.made)["1b"][0]["reason"]


DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def test_the_default_settings_are_possible():
    assert list(config_checks.problems(DEFAULT)) == []


def test_impossible_settings_get_a_line_each():
    config = copy.deepcopy(DEFAULT)
    assert not list(config_checks.problems(config))
    config["parallel_sequential"]["math"]["file"] = "no/such/file.jsonl"
    (line,) = config_checks.problems(config)
    assert line == "parallel_sequential.math.file: found no/such/file.jsonl, which is not a file"


@pytest.mark.parametrize("tokens", [1.0, np.nan])
def test_every_figure_draws_with_one_model_in_two_domains_and_no_look_inside(tokens):
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
                tokens * ones,
                tokens * ones,
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
        levels = pd.Series(["easy", "hard"] * 3, index=list("123456"))
        scores.accuracy.feedback(own, arms, N, levels)
        scores.exploration.attribute(own, arms["parallel"], arms["sequential"])
        scores.accuracy.rejection(own, arms, frame, N)
        made += own.made
    models = {"a model": {"place": 0, "stand_in": False}, "another": {"place": 1, "stand_in": True}}
    data = Data(table([made]), Models.of(models), N)
    rules = (ROOT / "rules/parallel_sequential.smk").read_text()
    listed = re.search(r"_FIGURES = \[(.*?)\]", rules, re.DOTALL)[1]
    names = re.findall(r'"(\w+)"', listed)
    assert len(names) == 12
    for name in names:
        figure = drawing(name, figures.TOPICS)(data)
        assert figure.axes, name
        plt.close(figure)


def test_with_stopping_other_claims_say_why_they_are_not_measured():
    scores = verdicts.world("8", Verdict.SUPPORTED)
    found = judged(scores)
    assert found["8"][0]["verdict"] == Verdict.SUPPORTED
    assert found["8"][0]["kind"] == "ours"
    for claim in ("1a", "2", "3a", "4a", "4c", "6a", "7"):
        assert found[claim][0]["measured"] is None
        assert "parallel_sequential.stopping" in found[claim][0]["reason"]


def test_without_stopping_the_claim_about_rounds_says_so():
    (entry,) = judged(verdicts.world("1a", Verdict.SUPPORTED))["8"]
    assert entry["reason"] == "parallel_sequential.stopping is off in this run"


def test_rounds_without_a_difference_say_so_by_model_and_domain():
    rounds = Rows(PAPER_MODEL, "math", 1)
    rounds.number("stopping", "questions_saved", 0.5, 4, "questions", note="silent after 4")
    (entry,) = judged(rounds.made)["8"]
    assert entry["measured"] is None
    assert entry["reason"] == "the paper's, mathematics: silent after 4"


def test_rounds_draw_their_figure():
    found = Rows("a model", "math", 1)
    for k in (2, 4):
        for place, cell in enumerate(("parallel", "sequential", "equal")):
            found.number("stopping", "log_e", k * (1.0 - place), k, "questions", cell=cell, k=k)
    found.number("stopping", "log_e_border", 3.7, 4, "questions")
    models = {"a model": {"place": 0, "stand_in": False}}
    figure = drawing("stopping", figures.TOPICS)(Data(table([found.made]), Models.of(models), N))
    (panel,) = figure.axes
    assert [line.get_label() for line in panel.lines][-1] == "decides"
    assert len(panel.lines) == 4
    plt.close(figure)
