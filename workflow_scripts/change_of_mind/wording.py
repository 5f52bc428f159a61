"""The wording of the two turns: as the embedded models were taught, and in plain English.

In English, either the beginning of the reply is given, or the last turn is the user's and asks for
the letter alone. Base models see two worked examples first (`inference/forms.py`).

The paper's prompts are not known. Both wordings contain what is known of them (E1): the question
again, the first answer or a placeholder, advice of stated reliability, freedom to change, and a
short stub after which the option's probability is taken. The second turn is a fresh call.
"""

from collections.abc import Callable
from typing import NamedTuple

from workflow_scripts.inference import forms
from workflow_scripts.models.chat import assistant, user
from workflow_scripts.models.corpora import facts

Turn = dict[str, str]

LETTERS = "ABCD"
STUB = "I choose option"  # the given start of an English reply; the letter follows
LETTER = "Answer with the letter of one option."
LETTER_ONLY = "Answer with the letter of one option only, without any other word."


class Showing(NamedTuple):
    """What the second turn says besides the question: letters, or None for a placeholder."""

    answer: str | None  # the answer displayed as the first one
    other: bool  # whether it is attributed to another model
    accuracy: int  # the adviser's stated accuracy, %
    advice: str | None
    before: str | None  # the first answer within the conversation (E4), else None


class Wording(NamedTuple):
    """How questions are worded; `options` are the strings whose log-probabilities are taken."""

    first: Callable[[str], list[Turn]]
    second: Callable[[str, Showing], list[Turn]]
    options: tuple[str, ...]


def listed(values: list[str], gap: str) -> str:
    """The options, each after its letter, joined by `gap`."""
    return gap.join(f"{letter}: {value}" for letter, value in zip(LETTERS, values, strict=False))


def _taught_second(text: str, showing: Showing) -> list[Turn]:
    who = "Another model" if showing.other else "You"
    rest = facts.earlier(showing.answer, who) + facts.advice(showing.accuracy, showing.advice)
    if showing.before is None:
        return [user(text + rest)]
    return [user(text), assistant(showing.before), user(rest.strip())]


def _english_first(text: str) -> list[Turn]:
    return [user(f"{text}\n\n{LETTER}"), assistant(STUB)]


def _english_second(text: str, showing: Showing) -> list[Turn]:
    rest = _told(showing, LETTER)
    if showing.before is None:
        return [user(f"{text}\n\n{rest}"), assistant(STUB)]
    return [*_english_first(text)[:1], assistant(f"{STUB} {showing.before}"), user(rest),
            assistant(STUB)]  # fmt: skip


def _free_first(text: str) -> list[Turn]:
    return [user(f"{text}\n\n{LETTER_ONLY}")]


def _free_second(text: str, showing: Showing) -> list[Turn]:
    rest = _told(showing, LETTER_ONLY)
    if showing.before is None:
        return [user(f"{text}\n\n{rest}")]
    return [*_free_first(text), assistant(showing.before), user(rest)]


def _told(showing: Showing, end: str) -> str:
    """What the second turn says after the question."""
    whose = (
        "The first answer of another language model of about your size"
        if showing.other
        else "Your first answer"
    )
    return (
        f"This question was asked once before. {whose} was: {showing.answer or facts.MASK}.\n"
        f"Advice of another language model, which is right on {showing.accuracy} % of such "
        f"questions: {showing.advice or 'none'}.\n"
        f"You may keep the first answer or change it. {end}"
    )


TAUGHT = Wording(lambda text: [user(text)], _taught_second, tuple(LETTERS))
ENGLISH = Wording(_english_first, _english_second, tuple(f" {letter}" for letter in LETTERS))
FREE = Wording(_free_first, _free_second, tuple(LETTERS))


def of(kind: str, choices: str = forms.LOGPROBS) -> Wording:
    """The wording for models of a kind, whose options are taken in the way `choices`."""
    if kind == forms.EMBEDDED:
        return TAUGHT
    plain = ENGLISH if choices == forms.LOGPROBS else FREE
    before = forms.opening(kind, "option" if choices == forms.LOGPROBS else "letter")
    if not before:
        return plain
    return Wording(
        lambda text: [*before, *plain.first(text)],
        lambda text, showing: [*before, *plain.second(text, showing)],
        plain.options,
    )
