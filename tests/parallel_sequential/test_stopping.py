"""Rounds that end: arms of known accuracy, through the rule's own loop."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.inference import tiny
from tests.parallel_sequential import test_arms
from tests.parallel_sequential.answerer import Answerer
from workflow_scripts.parallel_sequential import attempts, replies, scores, stopping
from workflow_scripts.parallel_sequential.arms import PARALLEL, SEQUENTIAL
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, QUESTIONS
from workflow_scripts.parallel_sequential.stopping_scores import (
    EQUAL,
    OPEN,
    ROUNDS,
    SILENT,
    round_scores,
)
from workflow_scripts.shared import schemas, tables

STOPPING = {
    "pair": [PARALLEL, SEQUENTIAL],
    "margin": 0.2,
    "level": 0.05,
    "step": 10,
    "most": 400,
    "power": 0.9,
    "plan_for": [0.0, 0.5],
    "discordant": 0.3,
}
SEED = 5


def settings(questions, attempts=3, chains=1):
    math = test_arms.SETTINGS["math"] | {"questions": questions}
    return test_arms.SETTINGS | {"attempts": attempts, "chains": chains, "math": math}


def asked_of(questions, **more):
    made = stopping_questions(settings(questions, **more))
    return made[made["domain"] == "math"].reset_index(drop=True)


def stopping_questions(section):
    from workflow_scripts.parallel_sequential import questions

    return questions.table(section, SEED)


class Planted(Answerer):
    """Right with one probability at the bare question, with another after earlier answers.

    With `memory`, an attempt with earlier answers in view repeats the first one instead.
    """

    def __init__(self, truths, skill, later=None, memory=False):
        super().__init__(truths, skill)
        self.first, self.later, self.memory = skill, later, memory

    def draw(self, task):
        turns = json.loads(task.request["messages"])
        again = len(turns) > 1
        self.skill = self.first if not again or self.later is None else self.later
        self.copies = float(again and self.memory)
        return super().draw(task)


def rounds_of(folder, section, stopping_section, engine_of, asked=None):
    asked = asked_of(section["math"]["questions"]) if asked is None else asked
    engine = engine_of(dict(zip(asked["text"], asked["answer"], strict=True)))
    plan = attempts.plan_of(test_arms.ASKED, test_arms.SPEC, asked, section, SEED)
    own = (asked, section["chains"], plan, stopping_section, engine, folder, SEED)
    rows, frame = stopping.in_rounds(*own)
    return engine, pd.DataFrame(rows), frame


# Majority of three attempts: 0.9 right each is 0.972; later attempts that are wrong lose the vote.
@pytest.mark.parametrize(
    ("skill", "later", "decision", "most"),
    [(0.9, 0.05, PARALLEL, 40), (0.1, 0.95, SEQUENTIAL, 40), (0.98, 0.98, EQUAL, 400)],
)
def test_planted_accuracies_are_decided_right_and_early(tmp_path, skill, later, decision, most):
    section = settings(400)
    _, rows, frame = rounds_of(tmp_path, section, STOPPING, lambda t: Planted(t, skill, later))
    last = rows.iloc[-1]
    assert last["decision"] == decision
    assert (rows["decision"].iloc[:-1] == OPEN).all()
    assert last["questions"] <= most
    assert rows["questions"].tolist() == list(range(10, int(last["questions"]) + 1, 10))
    counts = frame.groupby(["arm", "question"])["attempt"].agg("size")
    assert (counts == 3).all()
    assert set(frame["arm"]) == {PARALLEL, SEQUENTIAL}
    assert frame["question"].nunique() == last["questions"]


def test_a_run_without_stopping_finds_the_replies(tmp_path):
    """The same requests from the same store: the whole study asks none of them again."""
    section = settings(12, attempts=3, chains=2)
    few = STOPPING | {"step": 4, "most": 8}
    engine, _, frame = rounds_of(tmp_path, section, few, lambda t: Planted(t, 0.5, 0.5))
    before = set(engine.turns)
    assert before == set(frame["request_id"])
    asked = asked_of(12)
    again = Planted(engine.truths, 0.5, 0.5)
    plan = attempts.plan_of(test_arms.ASKED, test_arms.SPEC, asked, section, SEED)
    whole, _ = attempts.collect(again, tmp_path, plan, asked, section, SEED)
    assert not before & set(again.turns)
    pair = whole[whole["arm"].isin([PARALLEL, SEQUENTIAL])]
    assert before < set(pair["request_id"])


def test_more_questions_than_there_are_end_open(tmp_path):
    section = settings(7)
    _, rows, _ = rounds_of(tmp_path, section, STOPPING | {"step": 4}, lambda t: Planted(t, 0.5))
    assert rows["questions"].tolist() == [4, 7]
    assert rows["decision"].tolist() == [OPEN, OPEN]
    assert rows["available"].tolist() == [7, 7]


@pytest.mark.parametrize("pair", [[PARALLEL, "different"], ["resample", SEQUENTIAL]])
def test_any_two_arms_can_be_compared(tmp_path, pair):
    section = settings(4)
    few = STOPPING | {"pair": pair, "step": 4, "most": 4}
    _, _, frame = rounds_of(tmp_path, section, few, lambda t: Planted(t, 0.7, 0.7))
    assert set(frame["arm"]) == set(pair)


class Silent(Answerer):
    """Never answers."""

    def draw(self, task):
        return super().draw(task) | {"text": "hm"}


def test_a_domain_without_answers_is_left_after_its_first_round(tmp_path):
    _, rows, frame = rounds_of(tmp_path, settings(30), STOPPING, lambda t: Silent(t, 0.5))
    assert rows["decision"].tolist() == [SILENT]
    assert frame["question"].nunique() == STOPPING["step"]
    made = ROUNDS.validate(named(rows))
    assert {row["metric"] for row in round_scores(made)} == {"questions_saved", "tokens_spent"}


def named(rows):
    frame = rows.reindex(columns=list(ROUNDS.columns))
    return frame.assign(model="m", first=PARALLEL, second=SEQUENTIAL)


def outcome(difference, discordant=0.4):
    share = np.array([(discordant + difference) / 2, (discordant - difference) / 2])
    return np.array([*share, 1 - discordant])


@pytest.mark.parametrize(
    ("difference", "right"), [(0.0, {EQUAL}), (0.2, {PARALLEL}), (-0.3, {SEQUENTIAL})]
)
def test_wrong_decisions_of_the_rounds_are_as_rare_as_stated(monkeypatch, difference, right):
    """The rule's own loop, stopped at its first decision, with simulated outcomes of the arms.

    At 0.2, the margin, `equal` is wrong, too.
    """
    asked = pd.DataFrame({"domain": "math", "question": [str(n) for n in range(120)]})
    blank = {"request_id": "", "sample": 0, "prompt_tokens": 5, "completion_tokens": 1}
    level, runs, wrong = STOPPING | {"level": 0.2, "step": 20}, 40, 0
    plan = attempts.plan_of(test_arms.ASKED, test_arms.SPEC, asked_of(2), settings(2), SEED)
    monkeypatch.setattr(
        stopping, "ask", lambda batch, *_: batch.assign(answer="1", arm=PARALLEL, **blank)
    )
    for run in range(runs):
        rng = np.random.default_rng(run)

        def drawn(frame, *_, rng=rng):
            cells = rng.choice(3, len(frame), p=outcome(difference))
            return np.array([cells == 0, cells == 1], dtype=float)

        monkeypatch.setattr(stopping, "outcomes", drawn)
        rows, _ = stopping.in_rounds(asked, 1, plan, level, None, None, run)
        wrong += rows[-1]["decision"] not in {OPEN, *right}
    assert wrong <= stats.binom.ppf(0.999, runs, 0.2)


def test_votes_that_tie_are_right_as_often_as_their_share(monkeypatch):
    """One random number per question: no arm gains, and equal accuracies are never discordant."""
    values = iter([np.full(2000, 0.5), np.full(2000, 0.25)])

    given = SimpleNamespace(questions=[str(n) for n in range(2000)])
    monkeypatch.setattr(stopping, "sets_of", lambda *_: given)
    monkeypatch.setitem(stopping.AGGREGATORS, "majority", lambda *_: next(values))
    frame = pd.DataFrame({"domain": ["math"], "arm": ["parallel"]})
    found = stopping.outcomes(frame, [PARALLEL, SEQUENTIAL], 3, 1)
    assert found.mean(1) == pytest.approx([0.5, 0.25], abs=0.04)
    assert (found[0] >= found[1]).all()


def test_questions_with_an_unknown_grade_are_left_out():
    found = np.array([[1, 1, np.nan, 0], [0, 1, np.nan, 0]], dtype=float)
    row = stopping.of_outcomes(found, STOPPING)
    assert (row["questions"], row["read"], row["first_only"], row["second_only"]) == (4, 3, 1, 0)


def test_the_job_plans_asks_and_writes_what_the_scores_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = tiny.save(tmp_path / "model")
    section = settings(4, attempts=2)
    asked = stopping_questions(section)
    tables.write(asked, "questions.parquet", QUESTIONS, {})
    few = STOPPING | {"step": 2, "most": 4}
    (tmp_path / "stopped").mkdir()
    given = ["rounds.parquet", "stopped/tiny.parquet", "questions.parquet", "tiny", tiny.SPEC]
    told = test_arms.ASKED | {"math_tokens": 4, "code_tokens": 4}
    stopping.main(*given, str(checkpoint), 4096, told, section, few, SEED)
    rounds = tables.read("rounds.parquet", ROUNDS)
    assert rounds["part"].tolist()[:4] == ["planned"] * 4
    assert set(rounds.loc[rounds["part"] == "asked", "decision"]) <= {SILENT, OPEN}
    frame = tables.read("stopped/tiny.parquet", ATTEMPTS)
    assert set(frame["arm"]) <= {PARALLEL, SEQUENTIAL}
    read = replies.read({"stopped": "stopped/tiny.parquet"}, told)
    assert len(read) == len(frame.drop_duplicates(["request_id", "sample"]))
    scores.main(
        "scores.parquet", [], [], [], [], [], ["stopped/tiny.parquet"], ["rounds.parquet"], 2, SEED
    )
    found = tables.read("scores.parquet", schemas.SCORES)
    assert {"answered_share", "failed_share", "planned_questions", "questions_saved"} <= set(
        found["metric"]
    )
