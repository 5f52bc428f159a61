"""What a reply answers, whether that is right, and what an environment would say of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workflow_scripts.inference import sandbox
from workflow_scripts.parallel_sequential import answers, programs
from workflow_scripts.parallel_sequential.dialogue import CODE, Dialogue
from workflow_scripts.shared import files, seeds


@dataclass(frozen=True)
class Graded:
    """A reply's answer. `answer` names it: as written (math), or what the program does on the
    public tests (code); "" where there is none. `passes_weak` is the weak environment's verdict;
    `complaints` what the weak and the oracle environment say."""

    answer: str
    correct: bool
    passes_weak: bool
    complaints: Mapping[str, str]


class Grader:
    """Grades replies to the questions of a table. Holds no state but what it has run before."""

    def __init__(
        self,
        questions: pd.DataFrame,
        dialogues: dict[str, Dialogue],
        limits: sandbox.Limits,
        weak_reliability: float,
        seed: int,
    ):
        keys = zip(questions["domain"], questions["question"], strict=True)
        self._questions: dict[tuple[str, str], Any] = dict(
            zip(keys, questions.to_dict("records"), strict=True)
        )
        self._dialogues = dialogues
        self._limits = limits
        self._reliability = weak_reliability
        self._seed = seed
        self._ran: dict[tuple[str, str | None], Graded] = {}

    def grade(self, domain: str, question: str, reply: str, *trial: str | int) -> Graded:
        """Grade a reply; `trial` names the attempt, so that the weak verdict has its own chance."""
        found = self._dialogues[domain].answer(reply)
        asked = self._questions[domain, question]
        if domain == CODE:
            return self._programs(asked, found)
        correct = found is not None and answers.same(asked["answer"], found)
        # A weak environment errs as often on right answers as on wrong ones.
        chance = seeds.derive(self._seed, "weak", question, *trial) / 2**63
        honest = chance < self._reliability
        readable = found is not None and bool(answers.parsed(found))
        said = dict.fromkeys(("weak", "oracle"), "That answer is wrong.")
        return Graded(str(found) if readable else "", correct, correct == honest, said)

    def same(self, domain: str, left: str, right: str) -> bool:
        """Whether two answers of one question are the same."""
        return left == right or (domain != CODE and answers.same(left, right))

    def _programs(self, asked: dict[str, Any], source: str | None) -> Graded:
        key = (asked["question"], source)
        if key not in self._ran:
            said, results = {}, {}
            for who, tests in (("weak", "public"), ("oracle", "hidden")):
                wanted = json.loads(asked[tests])
                ran = programs.run(source, wanted, asked["kind"], asked["function"], self._limits)
                results[who] = ran
                said[who] = programs.complaint(ran, wanted)
            works = any(how == "ok" for how, _ in results["weak"].results)
            name = files.content_hash(results["weak"].key()) if works else ""
            passes = not said["weak"]
            self._ran[key] = Graded(name, passes and not said["oracle"], passes, said)
        return self._ran[key]
