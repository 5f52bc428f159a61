"""Prompts of the study: the question, the request for another attempt, the history.

There are two styles. Embedded models get the form that they were trained on
(`models/corpora/arithmetic.py`): the bare problem, "Solve it again.", and a history of lines
"Answer: …". Every other model is asked to reason and to put the answer into a box, in one of four
wordings that follow public scripts of the same design, with what follows the thoughts as history;
base models see worked examples first (`inference/forms.py`). In both styles the history holds final
answers only; a truncated attempt is an empty answer.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from workflow_scripts.inference import forms, replies
from workflow_scripts.models.corpora import arithmetic

Turn = dict[str, str]
MATH, CODE = "math", "code"
LINE = re.compile(r"^Answer: *(\S.*?)\.? *$", re.MULTILINE)
BOX = "\\boxed{"
# Why the answer of a reply is not known: there is none, the reply reached its budget before it, or
# there is one that cannot be read.
NO_ANSWER, CUT_OFF, UNREAD = FAILURES = ("no answer", "cut off", "unread")
ANY_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|(?=[\d-]))")
BARE = re.compile(r"-?\d[\d.,]*(?<![.,])")  # \boxed 7
PLACEHOLDER = re.compile(
    r"(?:\\text\{)?\s*(?:\.{2,}|…|\\[lc]?dots|\?+|_+|\\square|\\cdot"
    r"|(?:your |the )?(?:final )?answer(?: here)?|answer_here)?\s*\}?",
    re.IGNORECASE,
)
JOINED = re.compile(
    r"[\s$.]*(?:,|;|\b(?:and|or)\b|\\text\{\s*(?:and|or)\s*\}|,\s*(?:and|or)\b)[\s$]*"
    r"(?:[A-Za-z]\w?\s*=\s*)?[\s$]*"
)
# Words after the last box that withdraw it.
WITHDRAWN = re.compile(
    r"(?-i:\bWait\b)|\bwait[,.!:]|\bcorrection:|\b(?:hold on|scratch that|on second thought"
    r"|(?:that|this|which) (?:is|was|seems|looks) (?:wrong|incorrect|not right|not correct)"
    r"|i made an? (?:\w+ )?(?:mistake|error))\b",
    re.IGNORECASE,
)

# Requests for the next attempt. For embedded models, the first becomes that of their training.
INSTRUCTIONS = {
    "plain": "Please answer the question again.",
    "improve": "Find what is wrong with your previous response and improve it.",
    "different": "Please solve the question in a different way.",
    "new_idea": "Please try a new idea.",
}
# The request for the form of the reply and the form of the examples, by domain.
FORMS = {MATH: (forms.BOXED, "worked"), CODE: (forms.CODED, "program")}


@dataclass(frozen=True)
class Dialogue:
    """The prompts for one model, of kind `kind`, in one domain.

    `thinks` tells whether its replies begin with thoughts.
    """

    kind: str
    thinks: bool
    domain: str

    @property
    def taught(self) -> bool:
        """Whether the model is asked as it was trained."""
        return self.kind == forms.EMBEDDED

    def opening(self) -> list[Turn]:
        """The turns before everything else: examples for a base model."""
        return forms.opening(self.kind, FORMS[self.domain][1])

    def asking(self, text: str) -> list[Turn]:
        """The turn that asks a question."""
        bare = self.taught and self.domain == MATH
        return [_user(text if bare else text + FORMS[self.domain][0])]

    def question(self, text: str) -> list[Turn]:
        """The turns of a first attempt."""
        return [*self.opening(), *self.asking(text)]

    def shown(self, reply: str, finished: bool) -> str:
        """The part of a reply that the history shows; "" if it was cut off before its answer."""
        if self.taught and self.domain == MATH:
            found = arithmetic.answer_in(reply)
            return arithmetic.final(found) if found is not None else ""
        return self.spoken(reply) if finished else ""

    def spoken(self, reply: str) -> str:
        """A finished reply, of this model or another, without thoughts; "" if these did not end."""
        return replies.history(reply).strip()

    def stated(self, answer: str) -> str:
        """A history entry that states `answer`."""
        if self.taught and self.domain == MATH:
            return f"Answer: {answer}"
        return f"The final answer is {BOX}{answer}}}."

    def lead(self) -> str:
        """The words that introduce an answer."""
        return self.stated("\0").partition("\0")[0]

    def answer(self, reply: str, finished: bool = True) -> str | None:
        """The final answer of a reply (math) or its program (code), as written, if there is one.

        A reply that was cut off has none, unless it has the line "Answer: …" that was taught.
        """
        if not finished and not self.taught:
            return None
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

        The environment's `remark` on the attempt and the `banned` answers precede the instruction.
        Embedded models get no remark, since they were not trained on any: their only feedback is
        being asked again, which happens after wrong answers only.
        """
        ask = INSTRUCTIONS[instruction]
        if self.taught and self.domain == MATH and instruction == "plain":
            ask, remark = arithmetic.AGAIN, ""
        ban = "Do not give any of these answers again: " + ", ".join(banned) + "." if banned else ""
        words = " ".join(part for part in (remark, ban, ask) if part)
        return [*history, {"role": "assistant", "content": shown}, _user(words)]

    def choosing(self, text: str, candidates: Sequence[str]) -> list[Turn]:
        """The turns that ask the model to choose one of its answers.

        An embedded model sees them as its earlier answers and is asked again: the only prompt with
        several answers that it was trained on.
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
        return [*self.opening(), _user(words)]


def of(asked: dict[str, Any], domain: str) -> Dialogue:
    """The dialogue for a model; `asked` comes from `kinds.asked`."""
    return Dialogue(asked["kind"], asked["thinks"], domain)


def padding(
    dialogue: Dialogue, others: Sequence[tuple[str, Sequence[str]]], characters: int
) -> list[Turn]:
    """Whole exchanges on other questions, with at least `characters` characters in all.

    `others` are pairs of a question and the model's own replies to it. Each question is used once
    with its first reply, then once with its second, and so on; after the last replies the exchanges
    are repeated. Questions without a reply that can be shown are left out.
    """
    turns: list[Turn] = []
    size, exchanges = 0, cycle(_exchanges(dialogue, others))
    while size < characters and (exchange := next(exchanges, None)):
        turns += exchange
        size += sum(len(turn["content"]) for turn in exchange)
    return turns


def _exchanges(
    dialogue: Dialogue, others: Sequence[tuple[str, Sequence[str]]]
) -> Iterator[list[Turn]]:
    """The exchanges of `padding`, each once. Replies are read only as far as they are needed."""
    left = [(text, filter(None, map(dialogue.spoken, given))) for text, given in others]
    while left:
        remaining = []
        for text, shown in left:
            if (reply := next(shown, None)) is not None:
                yield [*dialogue.asking(text), {"role": "assistant", "content": reply}]
                remaining.append((text, shown))
        left = remaining


def boxed(text: str) -> str | None:
    """The content of the last box; None if there is none or it is not closed.

    Boxes that hold nothing or a placeholder, as in a quoted instruction, are passed over. Boxes
    joined by commas, "and" or "or" are one list.
    """
    boxes = _boxes(text)
    if not boxes or boxes[-1][2] is None:
        return None
    start, _, content = boxes[-1]
    parts = [content]
    for before, end, earlier in reversed(boxes[:-1]):
        if earlier is None or not JOINED.fullmatch(text[end:start]):
            break
        parts.append(earlier)
        start = before
    return ", ".join(part for part in reversed(parts) if part)


def retracted(text: str) -> bool:
    """Whether a reply withdraws its last box and gives no other, so that its answer is unknown."""
    boxes = _boxes(text)
    return bool(boxes) and WITHDRAWN.search(text, boxes[-1][1]) is not None


def _boxes(text: str) -> list[tuple[int, int, str | None]]:
    """Start, end and content of all boxes with an answer; no content for one that is not closed.

    A box inside a box replaces it.
    """
    found: list[tuple[int, int, str | None]] = []
    for opening in ANY_BOX.finditer(text):
        end, content = _content(text, opening.end(), braces=opening[0].endswith("{"))
        if content is not None and PLACEHOLDER.fullmatch(content):
            continue
        while found and found[-1][2] is not None and found[-1][1] > opening.start():
            found.pop()
        found.append((opening.start(), end, content))
    return found


def _content(text: str, start: int, braces: bool) -> tuple[int, str | None]:
    """The end of a box whose content starts at `start`, and the content if the box is closed."""
    if not braces:
        bare = BARE.match(text, start)
        return (bare.end(), bare[0]) if bare else (start, None)
    depth, place = 1, start
    while place < len(text):
        if text[place] == "\\":  # \{ is no brace
            place += 2
            continue
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1, text[start:place].strip()
        place += 1
    return len(text), None


def _user(content: str) -> Turn:
    return {"role": "user", "content": content}
