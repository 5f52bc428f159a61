"""Grades of replies: the answer, whether it is right, and the verdicts of the environments."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workflow_scripts.inference import sandbox
from workflow_scripts.parallel_sequential import answers, dialogue, programs
from workflow_scripts.parallel_sequential.dialogue import CODE, MATH, NO_ANSWER, UNREAD, Dialogue
from workflow_scripts.shared import files, seeds


@dataclass(frozen=True)
class Graded:
    """The grade of a reply.

    `answer` is the answer as written (math) or a hash of the program's results on the public tests
    (code); "" where there is none. `correct` is None for an answer that cannot be read, and False
    for a reply without one. `passes_weak` is the verdict of the weak environment; `complaints`
    holds the remarks of the weak and the oracle environment. `failure` is "" or one of
    `dialogue.FAILURES`.
    """

    answer: str
    correct: bool | None
    passes_weak: bool
    complaints: Mapping[str, str]
    failure: str = ""


@dataclass
class Grader:
    """Grades replies to the questions of a table; results of programs are cached."""

    questions: pd.DataFrame
    dialogues: dict[str, Dialogue]
    limits: sandbox.Limits
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
        self, domain: str, question: str, reply: str, *trial: str | int, finished: bool = True
    ) -> Graded:
        """Grade a reply; `trial` names the attempt and seeds the weak environment's verdict.

        `finished` is False for a reply that was cut off.
        """
        found = self.dialogues[domain].answer(reply, finished)
        asked = self._questions[domain, question]
        if domain == CODE:
            return self._programs(asked, found)
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

    def _programs(self, asked: dict[str, Any], source: str | None) -> Graded:
        key = (asked["question"], source)
        if key not in self._ran:
            said, results = {}, {}
            for who, tests in (("weak", "public"), ("oracle", "hidden")):
                wanted = json.loads(asked[tests])
                ran = programs.run(source, wanted, asked["kind"], asked["function"], self.limits)
                results[who] = ran
                said[who] = programs.complaint(ran, wanted)
            works = any(how == "ok" for how, _ in results["weak"].results)
            name = files.content_hash(results["weak"].key()) if works else ""
            passes = not said["weak"]
            failure = NO_ANSWER if source is None else ""
            self._ran[key] = Graded(name, passes and not said["oracle"], passes, said, failure)
        return self._ran[key]
