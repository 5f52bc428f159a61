"""Realistic replies of real models, by kind of question, and what each must be read as.

The tables in `replies/` were written by hand. A row has the reply and `read`, or `fails` with the
reason: to read a wrong number is worse than to read none.
"""

import json
from pathlib import Path

import pytest

from workflow_scripts.inference import numbers, replies
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.stochasticity import parsing, targets

TABLES = Path(__file__).with_name("replies")
LETTERS = targets.of("categorical-40-30-20-10")
FEWEST = 150  # replies per kind

# Thoughts that hold misleading answers, in every form that precedes a reply.
THOUGHTS = {
    "closed": "<think>\nMaybe 5, or B. Key: A. Answer: 99\n</think>\n\n",
    "empty": "<think>\n\n</think>\n\n",
    "opened in the prompt": "Maybe 5, or B. Draw: 8, Key: A, \\boxed{4}.\n</think>\n\n",
    "Mistral": "[THINK]5, 6, 2, 2?[/THINK]",
    "gpt-oss": "<|channel|>analysis<|message|>Say 5. Key: A<|end|><|start|>assistant"
    "<|channel|>final<|message|>",
    "gpt-oss with a format": "<|channel|>analysis<|message|>5<|end|><|start|>assistant"
    "<|channel|>final <|constrain|>json<|message|>",
    "gpt-oss without special tokens": "analysisThe user wants 5. Key: A.assistantfinal",
}
OPEN = ["<think>\nI say ", "<thinking>", "<|channel|>analysis<|message|>", "analysisWe answer "]
ENDS = [
    "<|im_end|>",
    "</s>",
    "<end_of_turn>\n",
    "\n\nUser: Again.\n\nAssistant: 5",
    "\n\nHuman: 5, 2",
]


def rows(kind):
    lines = (TABLES / f"{kind}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def parsed(found, names=None):
    if found.value is None:
        return found.failure
    return names[int(found.value)] if names else found.value


def numbers_of(reply, target):
    found = parsing.values(reply, targets.of(target))
    return [each.value for each in found] or "no list"


READERS = {
    "digit": lambda reply, _: parsed(parsing.value(reply, targets.of("digit"))),
    "real": lambda reply, target: parsed(parsing.value(reply, targets.of(target))),
    "list": numbers_of,
    "letter": lambda reply, _: parsed(parsing.value(reply, LETTERS), "ABCD"),
    "key": lambda reply, _: parsed(parsing.key(reply), "ABCD"),
    "count": lambda reply, _: "unread" if (n := numbers.count(reply)) is None else n,
    "code": lambda reply, _: replies.program(reply) or "no program",
}
kinds = pytest.mark.parametrize("kind", READERS)


def misread(kind, before="", after=""):
    """Rows whose reading is not the one in the table; (reply, expected, found)."""
    wrong = []
    for row in rows(kind):
        expected = row.get("read", row.get("fails"))
        reply = before + row["reply"] + after
        found = READERS[kind](reply, row.get("target"))
        if isinstance(found, str) and "read" in row:
            found, expected = found.strip(), str(expected).strip()
        if found != expected:
            wrong.append((reply, expected, found))
    return wrong


@kinds
def test_replies_are_read_as_the_table_says(kind):
    assert misread(kind) == []


@kinds
def test_the_tables_are_large_and_have_failures(kind):
    table = rows(kind)
    assert len({(row.get("target"), row["reply"]) for row in table}) == len(table) >= FEWEST
    assert sum("fails" in row for row in table) >= 15
    assert all(("read" in row) != ("fails" in row) for row in table)


@kinds
@pytest.mark.parametrize("form", THOUGHTS)
def test_thoughts_before_a_reply_change_nothing(kind, form):
    has_thoughts = ("think", "THINK", "<|", "analysis")
    wrong = [
        each
        for each in misread(kind, before=THOUGHTS[form])
        if not any(mark in each[0].removeprefix(THOUGHTS[form]) for mark in has_thoughts)
    ]
    # Some replies fail as empty or cannot follow text on their line.
    assert [each for each in wrong if each[1] not in ("empty", "no program")] == []


@kinds
@pytest.mark.parametrize("start", OPEN)
def test_unfinished_thoughts_give_nothing(kind, start):
    for row in rows(kind):
        if "read" in row and not any(mark in row["reply"] for mark in ("</", "final", "[/", "◁/")):
            found = READERS[kind](start + row["reply"], row.get("target"))
            assert found in ("empty", "no list", "no key", "unread", "no program", "no letter")


@kinds
@pytest.mark.parametrize("end", ENDS)
def test_what_follows_the_turn_changes_nothing(kind, end):
    open_block = [row["reply"] for row in rows(kind) if row["reply"].count("```") % 2]
    wrong = [
        each for each in misread(kind, after=end) if each[0].removesuffix(end) not in open_block
    ]
    assert [each for each in wrong if each[1] not in ("empty", "no program")] == []


def test_a_reply_in_a_later_prompt_has_no_thoughts():
    for thoughts in THOUGHTS.values():
        assert replies.history(thoughts + "7") == "7"
    for start in OPEN:
        assert replies.history(start + "7") == ""
    assert replies.history(" 7\n") == " 7\n"


@pytest.mark.parametrize(("start", "end"), replies.CLOSED)
def test_a_reply_in_a_later_prompt_quotes_no_tags_of_thoughts(start, end):
    """Qwen3's template cuts an earlier reply at a quoted `</think>`."""
    quoting = f" Tags such as `{start}` and `{end}` open and close a thought: 7."
    assert replies.history(quoting) == "Tags such as `` and `` open and close a thought: 7."
    assert replies.history(f"{start}Maybe 5{end}\n\n" + quoting) == replies.history(quoting)


def test_a_model_that_thinks_and_shows_no_thoughts_has_not_finished():
    assert replies.spoken("I wonder if 7", thinks=True) is None
    assert replies.spoken("I wonder</think>7", thinks=True) == "7"
    assert replies.spoken("7", thinks=False) == "7"


def test_thoughts_are_stripped_in_one_place():
    """No other module reads the marks of thoughts; one writes them, around a server's reasoning."""
    files = (ROOT / "workflow_scripts").rglob("*.py")
    naming = {path.name for path in files if "</think>" in path.read_text(encoding="utf-8")}
    assert naming <= {"replies.py", "openai_replies.py"}


@pytest.mark.parametrize(
    ("reply", "count", "expected"),
    [
        ("8*7+3=59, 59 mod 10=9\n8*9+3=75, 75 mod 10=5", 2, [9, 5]),
        ("We run x -> (8*x+3) mod 10 from x = 7:\n8*7+3=59, 59 mod 10=9\n8*9+3=75, 75 mod 10=5", 2,
         [9, 5]),
        ("Start: x = 7\nStep 1: 8*7+3=59, 59 mod 10 = **9**\nStep 2: 8*9+3=75, 75 mod 10=**5**", 2,
         [9, 5]),
        ("y = 8*7+3 = 59\nx = 59 mod 10 = 9\ny = 8*9+3 = 75\nx = 75 mod 10 = 5", 2, [9, 5]),
        ("$8 \\cdot 7 + 3 = 59$, $59 \\mod 10 = 9$\n$8 \\cdot 9 + 3 = 75$, $75 \\mod 10 = 5$", 2,
         [9, 5]),
        ("9, 5", 2, [9, 5]),
        ("The outputs are 9, 5.", 2, [9, 5]),
        ("Should I use x = 3?\n</think>\n9, 5", 2, [9, 5]),
        ("a = 59\nb = 9\nc = 75\nd = 5", 2, "several outputs per step"),
        ("I cannot run that.", 2, "no output"),
        ("", 2, "no output"),
    ],
)  # fmt: skip
def test_outputs_of_a_generator(reply, count, expected):
    assert parsing.steps(reply, count) == expected


@pytest.mark.parametrize(
    ("reply", "name", "expected"),
    [
        ("u = 0.312345, part = 3", "part", 3.0),
        ("**u** = 0.312345\n**part** = 3", "part", 3.0),
        ("u ≈ 0.312345, z ≈ −0.49", "z", -0.49),
        ("$u = 0.312345$, $z = -0.49$", "z", -0.49),
        ("u: 0.312345\nz: -0.49", "u", 0.312345),
        ("u is 0.312345 and z is -0.49.", "z", -0.49),
        ("{\"u\": 0.312345, \"z\": -0.49}", "z", -0.49),
        ("u = 0.9?\n</think>\nu = 0.312345, z = -0.49", "u", 0.312345),
        ("u = 0.312345 (6 decimals), part = 3 (since 0.3 <= u < 0.4)", "part", 3.0),
        ("u = 1/3, part = 3", "u", "no u"),
        ("u = 0.312345", "part", "no part"),
        ("u = 0.312345, part = 3.1", "part", "outside the support"),
    ],
)  # fmt: skip
def test_named_numbers(reply, name, expected):
    target = {"u": "seed", "part": "digit", "z": "normal"}[name]
    assert parsed(parsing.named(reply, name, targets.of(target))) == expected


@pytest.mark.parametrize(
    ("reply", "bits"),
    [
        ("0001", "0001"),
        ("0 0 0 1", "0001"),
        ("0, 0, 0, 1", "0001"),
        ("`0001`.", "0001"),
        ("Sure! Here is the copy: 0001", "0001"),
        ("Sure! Here is the copy of 0001:\n\n0001", "0001"),
        ("The copy is 0001.", "0001"),
        ("0000?\n</think>\n0001", "0001"),
        ("0001 is a copy of 0000", None),
        ("I have copied it.", None),
        ("0.001", None),
        ("", None),
    ],
)
def test_strings_of_bits(reply, bits):
    assert numbers.bits(reply) == bits


def real_replies():
    """Replies of SmolLM2-135M-Instruct to S1 and S2, at temperature 1."""
    return [
        ("digit", "The answer is 0.", 0.0),
        ("digit", "Let's calculate the most likely random digits to reach 9, which is the sum of 0"
         " and 9, 10.", "several numbers"),
        ("digit", "There is a 1 in 10 chance that if I had a coin that had flipped k times.",
         "no number"),
        ("digit", "You are playing a random behavior. Randomly pick any number between 0 and 9 "
         "using HAT and print that digit on the line: a:10 a:19.", "several numbers"),
        ("uniform", "X = 0.3526.", 0.3526),
        ("uniform", "The density of 1 ≤ x ≤ 3 for 0 ≤ x <= 1 is given by f(x) = 1.", "no number"),
        ("uniform", "```\n*0.3011*1 (rounded to 3 decimal places)\n```", "several numbers"),
        ("uniform", "Here's a possible result of a random number drawn from a uniform distribution "
         "with a probability of 0.3:\n\n```\nDraw: 0.03\n```\n\nThe previous question required me "
         "to find the next random number.", 0.03),
        ("normal", "The probability of having a mean of 0 for a normal distribution is "
         "approximately 0.727.", "no number"),
        ("normal", "It seems the answer is 2.", 2.0),
    ]  # fmt: skip


@pytest.mark.parametrize(("target", "reply", "expected"), real_replies())
def test_replies_of_a_small_model(target, reply, expected):
    assert parsed(parsing.value(reply, targets.of(target))) == expected
