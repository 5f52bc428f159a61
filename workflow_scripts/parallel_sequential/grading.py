"""Grades of replies: the answer, whether it is right, and the verdicts of the environments."""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from workflow_scripts.parallel_sequential import answers, dialogue, programs
from workflow_scripts.parallel_sequential.dialogue import CODE, MATH, NO_ANSWER, UNREAD, Dialogue
from workflow_scripts.shared import files, seeds

# The tests that a program has gone through.
NO_TESTS, PUBLIC, ALL = range(3)


@dataclass(frozen=True)
class Graded:
    """The grade of a reply.

    `answer` is the answer as written (math) or a hash of the program's results on the public tests
    (code); "" where there is none. `correct` is None for an answer that cannot be read, and False
    for a reply without one. `passes_weak` is the verdict of the weak environment; `complaints`
    holds the remarks of the weak and the oracle environment. `failure` is "" or one of
    `dialogue.FAILURES`. A program that has not gone through the public tests (`tested` is NO_TESTS)
    has no answer and is not known to be correct; one that has gone through them only (PUBLIC) is
    not known to be correct either, unless it has failed.
    """

    answer: str
    correct: bool | None
    passes_weak: bool
    complaints: Mapping[str, str]
    failure: str = ""
    tested: int = ALL


@dataclass
class Grader:
    """Grades replies to the questions of a table; results of programs are cached."""

    questions: pd.DataFrame
    dialogues: dict[str, Dialogue]
    judge: programs.Judge
    weak_reliability: float
    seed: int

    def __post_init__(self) -> None:
        rows = self.questions.to_dict("records")
        self._questions: dict[tuple[str, str], Any] = {
            (row["domain"], row["question"]): row for row in rows
        }
        self._ran: dict[tuple[str, str | None], Graded] = {}

    def level(self, domain: str, question: str) -> str:
        """The question's level of difficulty."""
        return self._questions[domain, question]["level"]

    def grade(
        self,
        domain: str,
        question: str,
        reply: str,
        *trial: str | int,
        finished: bool = True,
        tested: int = ALL,
    ) -> Graded:
        """Grade a reply; `trial` names the attempt and seeds the weak environment's verdict.

        `finished` is False for a reply that was cut off. A program goes through at least the tests
        `tested`.
        """
        found = self.dialogues[domain].answer(reply, finished)
        asked = self._questions[domain, question]
        if domain == CODE:
            return self._program(asked, found, tested)
        # The weak environment errs equally often on right and on wrong answers.
        chance = seeds.derive(self.seed, "weak", question, *trial) / 2**63
        honest = chance < self.weak_reliability
        said = dict.fromkeys(("weak", "oracle"), "That answer is wrong.")
        if found is None:
            return Graded("", False, not honest, said, NO_ANSWER)
        correct = (
            None
            if dialogue.retracted(self.dialogues[domain].spoken(reply))
            else answers.same(asked["answer"], found)
        )
        if correct is None:
            said = dict.fromkeys(("weak", "oracle"), "That answer could not be read.")
            return Graded("", None, False, said, UNREAD)
        return Graded(found, correct, correct == honest, said)

    def same(self, domain: str, question: str, left: str, right: str) -> bool:
        """Whether two answers to a question are equal; False for one that cannot be read."""
        if left == right or domain == CODE:
            return left == right
        reference = self._questions[domain, question]["answer"]
        form = answers.canonical(left, reference)
        return form is not None and form == answers.canonical(right, reference)

    def named(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The same attempts, with one name for all equal mathematical answers to a question."""
        frame = frame.copy()
        question: Any
        for question, rows in frame[frame["domain"] == MATH].groupby("question"):
            reference = self._questions[MATH, question]["answer"]
            frame.loc[rows.index, "answer"] = answers.classes(list(rows["answer"]), reference)
        return frame

    def test(self, replies: Iterable[tuple[str, str, bool]], tested: int) -> None:
        """Test the programs of replies in parallel, so that `grade` finds their results.

        A reply is its question, its text, and whether it is finished.
        """
        found = dict.fromkeys(
            (question, self.dialogues[CODE].answer(text, finished))
            for question, text, finished in replies
        )

        def one(program: tuple[str, str | None]) -> None:
            self._program(self._questions[CODE, program[0]], program[1], tested)

        with ThreadPoolExecutor(self.judge.workers) as pool:
            list(pool.map(one, found))

    def _program(self, asked: dict[str, Any], source: str | None, tested: int) -> Graded:
        key = (asked["question"], source)
        if source is None:
            tested = ALL  # without a program this costs nothing
        graded = self._ran.get(key, UNTESTED)
        if graded.tested < PUBLIC <= tested:
            graded = self._public(asked, source)
        if graded.tested < ALL <= tested:
            graded = self._hidden(asked, source, graded)
        self._ran[key] = graded
        return graded

    def _public(self, asked: dict[str, Any], source: str | None) -> Graded:
        tests = json.loads(asked["public"])
        ran = self.judge.run(source, tests, asked["kind"], asked["function"])
        said = programs.complaint(ran, tests)
        works = any(how == "ok" for how, _ in ran.results)
        return Graded(
            answer=files.content_hash(ran.key()) if works else "",
            correct=False if said else None,
            passes_weak=not said,
            complaints={"weak": said},
            failure=NO_ANSWER if source is None else "",
            tested=PUBLIC,
        )

    def _hidden(self, asked: dict[str, Any], source: str | None, graded: Graded) -> Graded:
        tests = json.loads(asked["hidden"])
        ran = self.judge.run(source, tests, asked["kind"], asked["function"], until_failure=True)
        said = programs.complaint(ran, tests)
        return replace(
            graded,
            correct=graded.passes_weak and not said,
            complaints={**graded.complaints, "oracle": said},
            tested=ALL,
        )


UNTESTED = Graded("", None, False, {}, "", NO_TESTS)
