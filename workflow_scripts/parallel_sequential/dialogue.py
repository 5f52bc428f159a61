"""The words of the study: the question, how another attempt is asked for, what history shows.

Two styles. `taught` is what the embedded models were trained on (`models/corpora/arithmetic.py`):
the bare problem, "Solve it again.", and a history of lines "Answer: …". `natural` is for every
other model: a request to reason and to put the answer into a box, four ways to ask again as public
scripts of the same design have them, and a history of what followed the thoughts. In both the
history holds final answers only; an attempt that was cut off stands there as an empty answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workflow_scripts.inference import replies
from workflow_scripts.models.corpora import arithmetic

Turn = dict[str, str]
MATH, CODE = "math", "code"
LINE = re.compile(r"^Answer: *(\S.*?)\.? *$", re.MULTILINE)
BOX = "\\boxed{"

# How the next attempt is asked for. The embedded models were trained on the first wording only.
INSTRUCTIONS = {
    "plain": "Please answer the question again.",
    "improve": "Find what is wrong with your previous response and improve it.",
    "different": "Please solve the question in a different way.",
    "new_idea": "Please try a new idea.",
}
BOXED = "\nPlease reason step by step, and put your final answer within \\boxed{}."
CODED = "\nReply with the whole program in one Python code block."


@dataclass(frozen=True)
class Dialogue:
    """How to talk with one model about one domain."""

    taught: bool
    thinks: bool
    domain: str

    def question(self, text: str) -> list[Turn]:
        """The turns of a first attempt."""
        if self.taught and self.domain == MATH:
            return [_user(text)]
        return [_user(text + (BOXED if self.domain == MATH else CODED))]

    def shown(self, reply: str, finished: bool) -> str:
        """What the history shows of a reply; "" for one that was cut off before its answer."""
        if self.taught and self.domain == MATH:
            found = arithmetic.answer_in(reply)
            return arithmetic.final(found) if found is not None else ""
        if not finished:
            return ""
        return replies.spoken(reply, self.thinks) or ""

    def stated(self, answer: str) -> str:
        """A history entry that gives `answer`."""
        if self.taught and self.domain == MATH:
            return f"Answer: {answer}"
        return f"The final answer is {BOX}{answer}}}."

    def lead(self) -> str:
        """The beginning of an answer's line, after which the answer itself comes."""
        return self.stated("\0").partition("\0")[0]

    def answer(self, reply: str) -> str | None:
        """The final answer that a reply states (math) or its program (code), as written."""
        if self.domain == CODE:
            return replies.program(reply)
        if self.taught:
            found = LINE.findall(reply)
            return found[-1] if found else None
        text = replies.spoken(reply, self.thinks)
        return None if text is None else boxed(text)

    def again(
        self,
        history: Sequence[Turn],
        shown: str,
        instruction: str,
        remark: str = "",
        banned: Sequence[str] = (),
    ) -> list[Turn]:
        """The turns of the next attempt after one that the history shows as `shown`.

        `remark` (what the environment says of the attempt) and the answers that are `banned` come
        before the instruction. An embedded model knows no remarks: that it is asked again, which
        the environment does of wrong answers only, is all that it hears.
        """
        ask = INSTRUCTIONS[instruction]
        if self.taught and self.domain == MATH and instruction == "plain":
            ask, remark = arithmetic.AGAIN, ""
        ban = "Do not give any of these answers again: " + ", ".join(banned) + "." if banned else ""
        words = " ".join(part for part in (remark, ban, ask) if part)
        return [*history, {"role": "assistant", "content": shown}, _user(words)]

    def choosing(self, text: str, candidates: Sequence[str]) -> list[Turn]:
        """The turns that ask the model to settle on one of its answers.

        An embedded model sees them as its earlier answers and is asked once more, which is the one
        form with several answers that it knows.
        """
        if self.taught:
            turns = self.question(text)
            for each in candidates:
                turns = self.again(turns, self.stated(each), "plain")
            return turns
        listed = "\n".join(f"- {each}" for each in candidates)
        words = (
            f"{text}\n\nThese answers were given:\n{listed}\n"
            f"Choose the one that is right, and put it within {BOX}}}."
        )
        return [_user(words)]


def of(spec: dict[str, Any], domain: str) -> Dialogue:
    """The dialogue for a model of the config."""
    return Dialogue(spec["source"] == "train", bool(spec.get("thinking")), domain)


def padding(dialogue: Dialogue, others: Sequence[tuple[str, str]], characters: int) -> list[Turn]:
    """Finished exchanges on other questions: at least so many characters, in whole exchanges.

    `others` are questions with their answers; they are used in turn as often as it takes.
    """
    turns: list[Turn] = []
    size = number = 0
    while size < characters and others:
        text, answer = others[number % len(others)]
        pair = [*dialogue.question(text), {"role": "assistant", "content": dialogue.stated(answer)}]
        turns += pair
        size += sum(len(turn["content"]) for turn in pair)
        number += 1
    return turns


def boxed(text: str) -> str | None:
    """The content of the last box, braces balanced; None where there is none or it is open."""
    start = text.rfind(BOX)
    if start < 0:
        return None
    start += len(BOX)
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place].strip() or None
    return None


def _user(content: str) -> Turn:
    return {"role": "user", "content": content}
