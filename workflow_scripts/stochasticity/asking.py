"""How one model is asked: what its kind needs around a question, and how long a reply may be.

Limits of tokens follow from the model's own tokenizer: one may need one token or six for the same
number, so one limit for all models would cut the replies of some. A limit is twice what a bare
right reply takes, plus a preamble. A kind with a fixed `reply_tokens` (section `kinds`) keeps it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from workflow_scripts.inference import forms
from workflow_scripts.inference import requests as inference
from workflow_scripts.inference.checkpoint import context as checkpoint_context
from workflow_scripts.inference.checkpoint import loading, revision
from workflow_scripts.models import tokenizer_files
from workflow_scripts.stochasticity.draw_table import UNFILTERED

Request = dict[str, Any]
Count = Callable[[str], int]  # number of tokens of a text

PREAMBLE = (
    "Sure! Here are 64 random numbers drawn from the normal distribution with mean 0 and variance "
    "1, each with 2 decimals, separated by commas, as you asked:"
)
# The longest bare right replies: a draw or an image, a draw after its distribution (S2), a number
# of the model's own with its image (S10), a question with its options (S12).
SHORT = ("7", "A", "0.123", "9.999", "-2.34")
STATED = (
    "The distribution is the standard normal distribution with mean 0 and variance 1, whose "
    "density is f(x) = exp(-x^2 / 2) / sqrt(2 pi) for every real number x.\n\nDraw: -2.34"
)
MADE = "u = 0.123456, part = 1\nu = 0.123456, z = -1.16"
QUIZ = (
    "Question: Which of the following instruments, all of which are used in a classical orchestra, "
    "belongs to the family of string instruments?\n\n"
    "A: The clarinet, which has a single reed\nB: The trumpet, which is made of brass\n"
    "C: The violin, which is played with a bow\nD: The timpani, which are tuned drums\n\nKey: C"
)
# With a fixed `reply_tokens`: tokens more for the distribution and for a number of the model's own.
# A question with four options and its key takes 40 to 80 tokens, twice that for a long one.
STATED_MORE, MADE_MORE, QUIZ_TOKENS = 48, 16, 256
TURN_TOKENS = 16  # of a chat template around one turn, at most


def characters(text: str) -> int:
    """The limit of a model whose tokenizer is not here: no token is shorter than a character."""
    return len(text)


def counter(name: str, spec: Mapping[str, Any], checkpoint: str) -> Count:
    """Count tokens with the model's own tokenizer; characters for a model on a server.

    The tokenizer is loaded when it is first needed. Raises `EngineError` if it does not load.
    """
    if spec.get("engine") == "openai":
        return characters

    @cache
    def tokenizer() -> Any:
        with loading(name, checkpoint):
            return tokenizer_files.load(checkpoint, **revision(spec))

    def count(text: str) -> int:
        return len(tokenizer()(text, add_special_tokens=False)["input_ids"])

    return count


def context(name: str, spec: Mapping[str, Any], checkpoint: str) -> int | None:
    """Most tokens of prompt and reply together; None for a server that does not state it.

    Raises `EngineError` if the model's config does not load.
    """
    if spec.get("engine") == "openai":
        return spec.get("max_context")
    from transformers import AutoConfig

    at = {"trust_remote_code": False, **revision(spec)}
    with loading(name, checkpoint):
        config = AutoConfig.from_pretrained(checkpoint, **at)
    return checkpoint_context(config.get_text_config(), spec)


def room(answer: str, count: Count) -> int:
    """Tokens allowed for a reply whose bare text is `answer`."""
    return 2 * count(answer) + count(PREAMBLE)


@dataclass(frozen=True)
class Manner:
    """How a model is asked. `asked` is what `kinds.asked` says of it in this study."""

    asked: Mapping[str, Any]
    count: Count = characters
    find_context: Callable[[], int | None] = lambda: None

    @property
    def kind(self) -> str:
        """The model's kind."""
        return self.asked["kind"]

    @cached_property
    def context(self) -> int | None:
        """The model's context, if known. Limits of embedded models ignore it.

        Their long replies may exceed it and then end there; a lower limit would only rename the
        requests, and draw all replies again.
        """
        return None if self.kind == forms.EMBEDDED else self.find_context()

    @cached_property
    def short(self) -> int:
        """Tokens of a reply with one draw or image."""
        return self._fixed() or self._longest(*SHORT)

    @cached_property
    def stated(self) -> int:
        """Tokens of a reply that states the distribution first."""
        fixed = self._fixed()
        return fixed + STATED_MORE if fixed else self._longest(STATED)

    @cached_property
    def made(self) -> int:
        """Tokens of a reply with a number of the model's own and its image."""
        fixed = self._fixed()
        return 2 * fixed + MADE_MORE if fixed else self._longest(MADE)

    @cached_property
    def quiz(self) -> int:
        """Tokens of a question with four options and its key."""
        return QUIZ_TOKENS if self._fixed() else self._longest(QUIZ)

    def _fixed(self) -> int:
        return self.asked["reply_tokens"] or 0

    def _longest(self, *answers: str) -> int:
        return max(room(answer, self.count) for answer in answers)

    def limit(self, tokens: int, messages: Sequence[forms.Turn]) -> int:
        """Most tokens of a reply whose text takes `tokens`: with its thoughts, in the context."""
        most = forms.budget(self.asked, tokens)
        if self.context is None:
            return most
        prompt = sum(self.count(turn["content"]) + TURN_TOKENS for turn in messages)
        return max(1, min(most, self.context - prompt))


def of(name: str, asked: Mapping[str, Any], spec: Mapping[str, Any], checkpoint: str) -> Manner:
    """The manner of model `name` with its entry `spec`, loaded from `checkpoint`."""
    count = counter(name, spec, checkpoint)
    return Manner(asked, count, lambda: context(name, spec, checkpoint))


def direct(
    manner: Manner,
    experiment: str,
    target: str,
    style: str,
    prompt: str,
    *,
    tokens: int,
    form: str = "short",
    **fields: Any,
) -> Request:
    """One request for a draw of `target`, in the words of `prompt`.

    The text of the reply takes at most `tokens` and has the given `form` (`forms.EXAMPLES`).
    `fields` go to `inference.request`. `messages` replaces the prompt in later turns; `key`
    distinguishes requests with the same words.
    """
    settings = UNFILTERED | {"batch": 1, "given": ""} | fields
    parts = (experiment, target, style, settings.pop("key", settings["given"]))
    messages = settings.pop("messages", None)
    if messages is None:
        messages = [*forms.opening(manner.kind, form), {"role": "user", "content": prompt}]
    return inference.request(
        "/".join(map(str, parts)),
        messages=messages,
        max_tokens=manner.limit(tokens, messages),
        stop=forms.stop(manner.kind),
        experiment=experiment,
        target=target,
        style=style,
        **settings,
    )
