"""The arms of the study, and the rounds of the conditioned ones.

Parallel attempts see the bare question. Every conditioned arm starts from the same first attempts,
which see the bare question too, and then answers with its earlier final answers in view.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workflow_scripts.inference import requests as inference
from workflow_scripts.parallel_sequential.dialogue import CODE, Dialogue, Turn
from workflow_scripts.parallel_sequential.grading import Graded, Grader

PARALLEL, START, SEQUENTIAL = "parallel", "start", "sequential"


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


@dataclass(frozen=True)
class Arm:
    """How a conditioned arm asks again. `feedback`: "", weak or oracle; `repeats`: what happens to
    an answer that was given before: "" nothing, resample (drawn again) or ban (forbidden)."""

    instruction: str = "plain"
    feedback: str = ""
    repeats: str = ""


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


@dataclass(frozen=True)
class Sampling:
    """How a reply is drawn: fields of a request."""

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    seed: int

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
        """A request for an attempt; its item tells arm, chain, attempt and retry apart."""
        return inference.request(
            f"{domain}/{question}/{arm}/{chain}/{attempt}/{retry}",
            messages=messages,
            n=n,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_tokens=self.max_tokens,
            seed=self.seed,
            domain=domain,
            question=question,
            arm=arm,
            chain=chain,
            attempt=attempt,
            retry=retry,
            earlier=json.dumps(list(earlier)),
        )


class Rounds:
    """The conditioned arms as `rounds.converse` wants them."""

    def __init__(
        self,
        grader: Grader,
        dialogues: dict[str, Dialogue],
        sampling: dict[str, Sampling],
        attempts: int,
        tries: int,
        arms: dict[str, Arm] | None = None,
    ):
        self.grader, self.dialogues, self.sampling = grader, dialogues, sampling
        self.attempts, self.tries = attempts, tries
        self.arms = CONDITIONED if arms is None else arms

    def first(self, questions: pd.DataFrame, chains: int) -> pd.DataFrame:
        """Round 0: all parallel attempts, and the first attempt of each chain."""
        rows = []
        for asked in records(questions):
            domain, question = asked["domain"], asked["question"]
            messages = self.dialogues[domain].question(asked["text"])
            for chain in range(chains):
                for arm, n in ((PARALLEL, self.attempts), (START, 1)):
                    rows.append(
                        self.sampling[domain].request(domain, question, arm, chain, messages, n=n)
                    )
        return inference.table(rows)

    def follow(
        self, number: int, requests: pd.DataFrame, responses: pd.DataFrame
    ) -> pd.DataFrame | None:
        """The next attempt of every chain that goes on. A domain in which no reply of round 0 has
        an answer goes no further: its model cannot take part."""
        asked = {row["request_id"]: row for row in records(requests)}
        rows: list[dict[str, Any]] = []
        able = set() if number == 0 else set(requests["domain"])
        for reply in records(responses):
            request = asked[reply["request_id"]]
            graded = self._graded(request, reply)
            if graded.answer:
                able.add(request["domain"])
            names = list(self.arms) if request["arm"] == START else [request["arm"]]
            for name in names:
                if name in self.arms:
                    rows += self._next(name, request, reply, graded)
        rows = [row for row in rows if row["domain"] in able]
        return inference.table(rows) if rows else None

    def _graded(self, request: dict[str, Any], reply: dict[str, Any]) -> Graded:
        place = [request[name] for name in ("arm", "chain", "attempt", "retry")]
        return self.grader.grade(
            request["domain"], request["question"], reply["text"], *place, reply["sample"]
        )

    def _next(
        self, name: str, request: dict[str, Any], reply: dict[str, Any], graded: Graded
    ) -> Iterator[dict[str, Any]]:
        arm, domain = self.arms[name], request["domain"]
        place = (domain, request["question"], name, request["chain"])
        history: list[Turn] = json.loads(request["messages"])
        earlier: list[str] = json.loads(request["earlier"])
        sampling, attempt, retry = self.sampling[domain], request["attempt"], request["retry"]
        if self.rejected(name, domain, retry, graded.answer, earlier):
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
        self, name: str, domain: str, retry: int, answer: str, earlier: Sequence[str]
    ) -> bool:
        """Whether the arm draws an attempt again because its answer was given before."""
        if self.arms[name].repeats != "resample" or retry + 1 >= self.tries or not answer:
            return False
        return any(each and self.grader.same(domain, each, answer) for each in earlier)

    def ended(self, name: str, graded: Graded) -> bool:
        """Whether the environment has called the attempt right, so that the chain stops there."""
        feedback = self.arms[name].feedback
        return {"weak": graded.passes_weak, "oracle": graded.correct}.get(feedback, False)
