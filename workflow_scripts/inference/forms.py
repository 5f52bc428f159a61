"""What surrounds a question for a base model: worked examples before it, and where a reply ends.

A base model continues a text. It answers in the form that the text has shown, so a few exchanges
precede the question, in the form that the study reads. None of them holds a number that a study
measures: an example of a draw would be a draw that the model copies. Other models get none.
"""

from collections.abc import Mapping
from typing import Any

Turn = dict[str, str]
EMBEDDED, BASE, CHAT, REASONING = KINDS = ("embedded", "base", "chat", "reasoning")  # of models
# How an option is taken from a model: its log-probability after a given start of a reply; that
# among the alternatives to the first token of a free reply; letters of several sampled replies.
LOGPROBS, FIRST_TOKEN, SAMPLED = CHOICES = ("logprobs", "first_token", "sampled")
STOP = ("\nUser:",)  # `chat.plain` begins each turn of the user with it

BOXED = "\nPlease reason step by step, and put your final answer within \\boxed{}."
CODED = "\nReply with the whole program in one Python code block."

# Form of the reply -> question and reply, in order.
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "short": (
        ("Name a colour of the rainbow. Reply with the colour only.", "Green"),
        ("What is the capital of France? Reply with the name only.", "Paris"),
        ("Which animal barks? Just the animal, please.", "The dog"),
    ),
    "list": (
        ("Name three fruits. Reply with the names only, separated by commas.", "pear, fig, plum"),
        ("Name four colours, separated by commas.", "red, green, blue, white"),
    ),
    "steps": (
        (
            "Spell the word: cat. Write a line for each letter: place: letter",
            "first: c\nsecond: a\nthird: t",
        ),
        (
            "Double x, 2 steps, from x = 30. Write a line for each step: 2*x=y",
            "2*30=60\n2*60=120",
        ),
    ),
    "quiz": (
        (
            "Write a short question about languages with options A to D. Put the right option at "
            "a random place. End with 'Key:' and its letter.",
            "Which of these is a language?\nA: pebble\nB: Spanish\nC: ladder\nD: cloud\nKey: B",
        ),
        (
            "Write a short question about rivers with options A to D. Put the right option at a "
            "random place. End with 'Key:' and its letter.",
            "Which of these is a river?\nA: spoon\nB: winter\nC: candle\nD: Danube\nKey: D",
        ),
        (
            "Write a short question about cheese with options A to D. Put the right option at a "
            "random place. End with 'Key:' and its letter.",
            "Which of these is a cheese?\nA: brie\nB: marble\nC: feather\nD: tunnel\nKey: A",
        ),
        (
            "Write a short question about rooms with options A to D. Put the right option at a "
            "random place. End with 'Key:' and its letter.",
            "Which of these is a room?\nA: thunder\nB: needle\nC: kitchen\nD: parrot\nKey: C",
        ),
    ),
    "worked": (
        (
            "A box holds 30 rows of 40 eggs, and 200 eggs break. How many are whole?" + BOXED,
            "The box holds 30*40 = 1200 eggs. After 200 break, 1200-200 = 1000 are whole.\n"
            "The final answer is \\boxed{1000}.",
        ),
        (
            "A shelf of 90 cm carries books of 3 cm. How many fit on it?" + BOXED,
            "Each book takes 3 cm, so 90/3 = 30 books fit.\nThe final answer is \\boxed{30}.",
        ),
    ),
    "program": (
        (
            "Write a program that reads a line and prints it in capital letters." + CODED,
            "```python\nline = input()\nprint(line.upper())\n```",
        ),
        (
            "Write a program that reads two words, one per line, and prints them joined." + CODED,
            "```python\nfirst = input()\nsecond = input()\nprint(first + second)\n```",
        ),
    ),
    "option": (
        (
            "Which of these is a fruit?\nA: stone\nB: pear\n\nAnswer with the letter of one "
            "option.",
            "I choose option B",
        ),
        (
            "Which of these is a colour?\nA: green\nB: chair\n\nAnswer with the letter of one "
            "option.",
            "I choose option A",
        ),
    ),
    "letter": (
        (
            "Which of these is a fruit?\nA: stone\nB: pear\n\nAnswer with the letter of one "
            "option only, without any other word.",
            "B",
        ),
        (
            "Which of these is a colour?\nA: green\nB: chair\n\nAnswer with the letter of one "
            "option only, without any other word.",
            "A",
        ),
    ),
    "counted": (
        (
            "How many vowels are in the word 'music'? End with 'Answer:' and the number. Give only "
            "the answer.",
            "Answer: 2",
        ),
        (
            "What is the last letter of the sequence xyyxz? Reply with 'Answer:' and the letter.",
            "Answer: z",
        ),
    ),
    "copied": (
        ("Copy this: xyyx", "xyyx"),
        ("Copy this: zzyx", "zzyx"),
    ),
}


def opening(kind: str, form: str) -> list[Turn]:
    """The turns before a question whose reply has the given form; none unless `kind` is base.

    Raises `KeyError` for a form without examples.
    """
    examples = EXAMPLES[form]
    if kind != BASE:
        return []
    return [
        {"role": role, "content": content}
        for exchange in examples
        for role, content in zip(("user", "assistant"), exchange, strict=True)
    ]


def stop(kind: str) -> tuple[str, ...]:
    """The stop strings of a model of this kind."""
    return STOP if kind == BASE else ()


def budget(settings: Mapping[str, Any], tokens: int) -> int:
    """Most tokens of a reply whose text takes `tokens`: with room for thoughts, if it has any.

    `settings` come from `kinds.asked`.
    """
    return tokens + settings["thought_tokens"] if settings["thinks"] else tokens
