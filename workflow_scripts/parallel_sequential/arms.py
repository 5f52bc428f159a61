"""The arms of the study, and the rounds of the conditioned arms.

Parallel attempts see the bare question. All conditioned arms share the same first attempts, which
also see the bare question; each later attempt sees the final answers before it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from workflow_scripts.inference import requests as inference
from workflow_scripts.parallel_sequential.dialogue import CODE, Dialogue, Turn
from workflow_scripts.parallel_sequential.grading import ALL, NO_TESTS, PUBLIC, Graded, Grader

Reply = tuple[dict[str, Any], dict[str, Any], Graded]  # request, response and grade
PARALLEL, START, SEQUENTIAL = "parallel", "start", "sequential"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts from column to value."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


@dataclass(frozen=True)
class Arm:
    """How a conditioned arm asks again.

    `feedback` is "", weak or oracle. `repeats` says what happens to an answer that was given
    before: nothing (""), resample (it is redrawn) or ban (the prompt forbids it).
    """

    instruction: str = "plain"
    feedback: str = ""
    repeats: str = ""

    @property
    def tested(self) -> int:
        """The tests of a program on which the arm's next prompt depends."""
        if self.feedback == "oracle":
            return ALL
        return PUBLIC if self.feedback or self.repeats == "resample" else NO_TESTS


CONDITIONED = {
    SEQUENTIAL: Arm(),
    "improve": Arm("improve"),
    "different": Arm("different"),
    "new_idea": Arm("new_idea"),
    "weak": Arm(feedback="weak"),
    "oracle": Arm(feedback="oracle"),
    "resample": Arm(repeats="resample"),
    "ban": Arm(repeats="ban"),
}
EVERY = (PARALLEL, *CONDITIONED)


def tests_of(arm: str) -> int:
    """The tests of a program of this arm on which later prompts depend."""
    arms = CONDITIONED.values() if arm == START else filter(None, [CONDITIONED.get(arm)])
    return max((each.tested for each in arms), default=NO_TESTS)


@dataclass(frozen=True)
class Sampling:
    """How replies are sampled: fields of a request."""

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    seed: int
    stop: tuple[str, ...] = ()

    def request(
        self,
        domain: str,
        question: str,
        arm: str,
        chain: int,
        messages: list[Turn],
        attempt: int = 1,
        retry: int = 0,
        earlier: Sequence[str] = (),
        n: int = 1,
    ) -> dict[str, Any]:
        """A request for an attempt, or for `n` parallel ones."""
        place: dict[str, Any] = {"domain": domain, "question": question, "arm": arm}
        place |= {"chain": chain, "attempt": attempt, "retry": retry}
        place_and_history = place | {"earlier": json.dumps(list(earlier))}
        item = "/".join(map(str, place.values()))
        return inference.request(item, messages=messages, n=n, **asdict(self), **place_and_history)


@dataclass(frozen=True)
class Rounds:
    """The conditioned arms as a conversation for `rounds.converse`.

    `dialogues` and `sampling` are by domain. A chain has `attempts` attempts, each of at most
    `tries` draws where repeats are redrawn. The model chooses among its answers at temperature
    `choosing_at`: greedily, where its server can. Only `arms` are asked. A domain in `able` goes on
    whether or not a reply of round 0 has an answer.
    """

    grader: Grader
    dialogues: dict[str, Dialogue]
    sampling: dict[str, Sampling]
    attempts: int
    tries: int
    choosing_at: float = 0.0
    arms: tuple[str, ...] = EVERY
    able: frozenset[str] = frozenset()

    @property
    def conditioned(self) -> list[str]:
        """Those of the arms that see earlier answers."""
        return [arm for arm in self.arms if arm in CONDITIONED]

    def first(self, questions: pd.DataFrame, chains: int) -> pd.DataFrame:
        """Round 0: all parallel attempts, and the first attempt of each chain."""
        rows = []
        for asked in records(questions):
            domain, question = asked["domain"], asked["question"]
            messages = self.dialogues[domain].question(asked["text"])
            for chain in range(chains):
                for arm, n in ((PARALLEL, self.attempts), (START, 1)):
                    if self.conditioned if arm == START else arm in self.arms:
                        place = (domain, question, arm, chain, messages)
                        rows.append(self.sampling[domain].request(*place, n=n))
        return inference.table(rows)

    def follow(
        self, number: int, requests: pd.DataFrame, responses: pd.DataFrame
    ) -> pd.DataFrame | None:
        """Requests for the next attempt of every chain that continues; None at the end.

        A domain in which no reply of round 0 has an answer stops there.
        """
        rows: list[dict[str, Any]] = []
        replies = list(self.graded(requests, responses))
        able = self.able | self._able(replies) if number == 0 else set(requests["domain"])
        for request, reply, graded in replies:
            for name in self.conditioned if request["arm"] == START else [request["arm"]]:
                if name in CONDITIONED:
                    rows += self._next(name, request, reply, graded)
        rows = [row for row in rows if row["domain"] in able]
        return inference.table(rows) if rows else None

    def graded(self, requests: pd.DataFrame, responses: pd.DataFrame) -> Iterator[Reply]:
        """Each response with its request and its grade.

        Programs are tested as far as later prompts depend on it; `grades.py` tests the rest.
        """
        asked = {row["request_id"]: row for row in records(requests)}
        answered = records(responses)
        for level in (PUBLIC, ALL):
            wanted = [
                (request["question"], reply["text"], reply["finish_reason"] == "stop")
                for reply in answered
                for request in (asked[reply["request_id"]],)
                if request["domain"] == CODE and tests_of(request["arm"]) >= level
            ]
            if wanted:
                self.grader.test(wanted, level)
        for reply in answered:
            request = asked[reply["request_id"]]
            yield request, reply, self._grade(request, reply, tests_of(request["arm"]))

    def _grade(self, request: dict[str, Any], reply: dict[str, Any], tested: int) -> Graded:
        place = [request[name] for name in ("arm", "chain", "attempt", "retry")]
        return self.grader.grade(
            request["domain"],
            request["question"],
            reply["text"],
            *place,
            reply["sample"],
            finished=reply["finish_reason"] == "stop",
            tested=tested,
        )

    def _able(self, replies: list[Reply]) -> set[str]:
        """The domains in which a reply has an answer; parallel programs run until one has."""
        able = {request["domain"] for request, _, graded in replies if graded.answer}
        programs = ((each, reply) for each, reply, _ in replies if each["domain"] == CODE)
        if CODE not in able and any(self._grade(*each, PUBLIC).answer for each in programs):
            able.add(CODE)
        return able

    def _next(
        self, name: str, request: dict[str, Any], reply: dict[str, Any], graded: Graded
    ) -> Iterator[dict[str, Any]]:
        arm, domain = CONDITIONED[name], request["domain"]
        place = (domain, request["question"], name, request["chain"])
        history: list[Turn] = json.loads(request["messages"])
        earlier: list[str] = json.loads(request["earlier"])
        sampling, attempt, retry = self.sampling[domain], request["attempt"], request["retry"]
        if self.rejected(name, (domain, request["question"]), retry, graded.answer, earlier):
            yield sampling.request(*place, history, attempt, retry + 1, earlier)
            return
        if attempt == self.attempts or self.ended(name, graded):
            return
        dialogue = self.dialogues[domain]
        earlier = [*earlier, graded.answer]
        remark = graded.complaints[arm.feedback] if arm.feedback else ""
        banned: list[str] = []
        if arm.repeats == "ban" and domain == CODE:
            remark = "Your program must do something else than all earlier ones."
        elif arm.repeats == "ban":
            banned = list(dict.fromkeys(filter(None, earlier)))
        messages = dialogue.again(
            history,
            dialogue.shown(reply["text"], reply["finish_reason"] == "stop"),
            arm.instruction,
            remark,
            banned,
        )
        yield sampling.request(*place, messages, attempt + 1, 0, earlier)

    def rejected(
        self,
        name: str,
        question: tuple[str, str],
        retry: int,
        answer: str,
        earlier: Sequence[str],
    ) -> bool:
        """Whether the arm redraws an attempt because its answer was given before.

        `question` is its domain and name.
        """
        if CONDITIONED[name].repeats != "resample" or retry + 1 >= self.tries or not answer:
            return False
        return any(each and self.grader.same(*question, each, answer) for each in earlier)

    def ended(self, name: str, graded: Graded) -> bool:
        """Whether the environment passed the attempt, so that the chain stops."""
        feedback = CONDITIONED[name].feedback
        return {"weak": graded.passes_weak, "oracle": bool(graded.correct)}.get(feedback, False)
