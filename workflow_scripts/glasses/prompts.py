"""The prompts of E1, E2 and E5, in two wordings.

Appendix C.1 and C.5 describe the paper's prompts in part. `paper` is our wording of them: the
question, the order and the marker before the answer are the paper's. `short` asks the same in the
prompts that the embedded models were trained on; the additional promptings and orders do not occur
in their training.
"""

from dataclasses import dataclass

import numpy as np

from workflow_scripts.models.corpora import copying
from workflow_scripts.models.corpora.copying import COUNTED_WORD, NOUNS

ONES_RATE = 0.7  # of Bernoulli bits (captions, appendix C); of the counted word it is assumed
FAMILIES = ("edge", "zero_first", "one_first")  # of copied sequences
MARKER = "Answer:"


@dataclass(frozen=True)
class Wording:
    """Templates: {} stands for the sequence in `asks`, and for the prompt in `wrappers`."""

    asks: dict[str, str]
    hint: str
    think: str
    examples: str
    only: str = ""  # of counting without chain of thought
    wrappers: tuple[str, ...] = ("{}",)


SHORT = Wording(
    {task: prompt + "?" for task, prompt in copying.PROMPTS.items()}
    | {
        "type1": "Last digit of this, as one digit: {}?",
        "type2": "As one digit, last digit of {}?",
    },
    hint=" It may not be 1.",
    think=" Think step by step.",
    examples="111111111111 is 11111 11111 11, 2*5+2=12. 111111 is 11111 1, 1*5+1=6. ",
)
PAPER = Wording(
    {
        "sum": f"What is {{}}? End with '{MARKER}' and the number.",
        "ones": f"How many ones are in the sequence {{}}? End with '{MARKER}' and the number.",
        "word": f"How many times does the word '{COUNTED_WORD}' appear in the sentence '{{}}'? "
        f"End with '{MARKER}' and the number.",
        "last": f"Here is a sequence: {{}} What is its last digit? Reply with '{MARKER}' "
        "and the digit.",
        "first": f"Here is a sequence: {{}} What is its first digit? Reply with '{MARKER}' "
        "and the digit.",
        "type1": f"What is the last digit of the sequence below? Reply with '{MARKER}' and the "
        "digit.\n{}",
        "type2": f"Reply with '{MARKER}' and a digit: what is the last digit of the sequence "
        "below?\n{}",
    },
    hint=" Hint: it need not be a 1, so look carefully.",
    think=" Think step by step and show how you get there.",
    examples=(
        "Two examples of how to count. 12 ones: 11111 11111 11 are two groups of five and two "
        f"more, 2*5+2 = 12. {MARKER} 12\n6 ones: 11111 1 are one group of five and one more, "
        f"1*5+1 = 6. {MARKER} 6\nThink step by step and show how you get there.\n"
    ),
    only=" Give only the answer.",
    wrappers=("{}", "I have a question. {}", "{} Thank you."),
)
COUNTED = ("sum", "ones", "word")
WORDINGS = {"short": SHORT, "paper": PAPER}
PROMPTINGS = ("plain", "zero_shot", "few_shot")


def prompt(wording: Wording, asked: str, shown: str, prompting: str, wrapper: int = 0) -> str:
    """The whole prompt; `prompting` is one of `PROMPTINGS`, or `hint`."""
    text = wording.asks[asked].format(shown)
    match prompting:
        case "plain" if asked in COUNTED:
            text += wording.only
        case "hint":
            text += wording.hint
        case "zero_shot":
            text += wording.think
        case "few_shot":
            text = wording.examples + text
    return wording.wrappers[wrapper].format(text)


def copied(family: str, side: str, length: int) -> str:
    """A sequence of E1 of at most `length` digits whose first or last (`side`) digit is 0.

    `edge`: that digit is the only 0. `zero_first` and `one_first` are the interleaved sequences of
    figure 2c: the pair 0,1 or 1,0 repeated, and then one 0; their length is odd.
    """
    if family == "edge":
        text = "1" * (length - 1) + "0"
    else:
        text = {"zero_first": "01", "one_first": "10"}[family] * ((length - 1) // 2) + "0"
    return text if side == "last" else text[::-1]


def counted(task: str, length: int, rng: np.random.Generator | None) -> tuple[str, int]:
    """What a counting task shows, and the right answer; sums and ones need no `rng`.

    The answer is `length` but for `bits`, whose `length` digits are ones at rate 0.7. A sentence of
    the task `word` has as many other nouns as that rate gives; the paper's are not known.
    """
    if task == "sum":
        return copying.ones(length), length
    if task == "ones":
        return "1" * length, length
    assert rng is not None
    if task == "bits":
        hits = rng.random(length) < ONES_RATE
        return "".join(str(int(hit)) for hit in hits), int(hits.sum())
    nouns = [noun for noun in NOUNS.read_text(encoding="utf-8").split() if noun != COUNTED_WORD]
    others = round(length * (1 - ONES_RATE) / ONES_RATE)
    words = [COUNTED_WORD] * length + [nouns[int(i)] for i in rng.integers(len(nouns), size=others)]
    return " ".join(words[int(i)] for i in rng.permutation(len(words))), length
