"""Programs of an artificial coder through all arms and the grades, against what it wrote."""

import json
from itertools import pairwise

import pytest

from tests.parallel_sequential.answerer import Answerer
from tests.parallel_sequential.test_arms import ASKED, SETTINGS, SPEC, table_of
from tests.parallel_sequential.test_tasks import solution
from workflow_scripts.inference import guard
from workflow_scripts.parallel_sequential import attempts, foreign, grades
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, UNGRADED
from workflow_scripts.parallel_sequential.grading import ALL, NO_TESTS, PUBLIC
from workflow_scripts.shared import tables

FEWER = SETTINGS | {"attempts": 3, "padding": [1], "reply_logprobs": False}
CHAT = ASKED | {"kind": "chat", "thinks": False}
WRONG = "def f(numbers):\n    return -12345"
ALSO_WRONG = "def f(xs):\n    return -12344 - 1"
BROKEN = "def f(numbers):\n    return numbers.nothing"


class Coder(Answerer):
    """Writes one of four programs, or none, by the number of the reply."""

    def draw(self, task):
        turns = json.loads(task.request["messages"])
        asked = [turn["content"] for turn in turns if turn["content"].startswith("Write a Python")]
        text = asked[-1].partition("\n")[0]
        kind = (self.asked + task.sample) % 5
        source = [solution(text), WRONG, BROKEN, ALSO_WRONG, None][kind]
        name = f"# {task.request['request_id']} {task.sample}"  # no two programs are equal
        reply = f"So:\n```python\n{source}\n{name}\n```" if source else "I cannot."
        more = {"text": reply, "finish_reason": "stop", "completion_tokens": 9}
        return self.record(task, task.sample) | more


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The folder with a run's tables, and the run's questions."""
    folder = tmp_path_factory.mktemp("coder")
    wanted = table_of("code")
    plan = attempts.plan_of(CHAT, SPEC, wanted, FEWER, 5, threads=2)
    frame, _ = attempts.collect(Coder({}, 1.0), folder / "store", plan, wanted, FEWER, 5, False)
    tables.write(frame, folder / "ungraded.parquet", UNGRADED)
    tables.write(wanted, folder / "questions.parquet")
    grade(folder, "ungraded", "attempts")
    return folder, wanted


def grade(folder, given, made):
    paths = [folder / f"{name}.parquet" for name in (made, given, "questions")]
    grades.main(*paths, CHAT, FEWER["code"], 2)


def expected(row, solutions):
    """Whether a reply is right, and the name of what its program does; "" if that is nothing."""
    for source, name in (
        (WRONG, "wrong"),
        (ALSO_WRONG, "wrong"),
        (solutions[row.question], "right"),
    ):
        if source in row.text:
            return name == "right", name
    return False, ""


def test_every_program_has_the_grade_of_what_was_written(ran):
    folder, wanted = ran
    frame = tables.read(folder / "attempts.parquet", ATTEMPTS)
    assert {"parallel", "oracle", "weak", "resample", "ban", "padded-1"} <= set(frame["arm"])
    solutions = {row.question: solution(row.text) for row in wanted.itertuples()}
    names = {}
    for row in frame.itertuples():
        right, does = expected(row, solutions)
        assert row.correct is right or row.correct == right
        assert bool(row.answer) == bool(does)
        names.setdefault((row.question, does), set()).add(row.answer)
        assert (row.failure == "no answer") == ("I cannot" in row.text)
    assert all(len(found) == 1 for found in names.values())
    chains = frame[frame["accepted"] & (frame["arm"] != "parallel")]
    for _, chain in chains.groupby(["question", "arm", "chain"]):
        rows = list(chain.sort_values("attempt").itertuples())
        for before, row in pairwise(rows):
            if row.arm.startswith("padded"):
                continue
            same = bool(row.answer) and before.answer == row.answer
            assert row.repeats_shown == same, (before, row)
    assert frame["repeats_shown"].any()
    assert frame.loc[frame["arm"] == "parallel", "repeats_shown"].isna().all()
    assert tables.provenance(folder / "attempts.parquet")["programs_read"] == guard.name(
        guard.abi()
    )


def test_only_what_a_prompt_depends_on_is_tested_while_the_model_is_asked(ran):
    frame = tables.read(ran[0] / "ungraded.parquet", UNGRADED)
    later = frame[(frame["attempt"] > 1) & (frame["failure"] == "")]
    least = later.groupby("arm")["tested"].min()
    for arm in ("parallel", "sequential", "improve", "different", "new_idea", "ban", "padded-1"):
        assert least[arm] == NO_TESTS, arm
    assert least["weak"] >= PUBLIC
    assert least["resample"] >= PUBLIC
    assert least["oracle"] == ALL
    passed = frame[(frame["tested"] == ALL) & frame["correct"].fillna(False)]
    after = frame.merge(passed, on=["question", "arm", "chain"], suffixes=("", "_passed"))
    after = after[(after["arm"] == "oracle") & (after["attempt"] > after["attempt_passed"])]
    assert after.empty  # the chain ended there


def test_repeats_of_foreign_answers_are_found(ran):
    folder, wanted = ran
    own = tables.read(folder / "attempts.parquet", ATTEMPTS)
    plan = attempts.plan_of(CHAT, SPEC, wanted, FEWER, 5)
    asked = foreign.after_donor("other_seed", own, 1, wanted, plan)
    rows = foreign.rows_of(asked, answers(folder, asked), plan)
    frame = UNGRADED.validate(foreign.pd.DataFrame(list(rows)))
    assert set(frame["tested"]) <= {NO_TESTS, ALL}
    tables.write(frame, folder / "ungraded_foreign.parquet", UNGRADED)
    grade(folder, "ungraded_foreign", "foreign")
    found = tables.read(folder / "foreign.parquet", ATTEMPTS)
    for before, row in zip(frame.itertuples(), found.itertuples(), strict=True):
        assert row.repeats_shown == (bool(row.answer) and row.answer == before.shown)
    assert found["repeats_shown"].any()


def answers(folder, asked):
    return foreign.runner.generate(asked, Coder({}, 1.0), folder / "foreign_store")
