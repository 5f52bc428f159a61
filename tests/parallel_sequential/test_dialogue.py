"""The prompts of the study, compared with the corpus of the embedded models and by hand."""

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.models.corpora import arithmetic
from workflow_scripts.parallel_sequential import dialogue
from workflow_scripts.shared.fingerprint import ROOT

TAUGHT = dialogue.Dialogue("embedded", False, "math")
BASE = dialogue.Dialogue("base", False, "math")
NATURAL = dialogue.Dialogue("chat", False, "math")
THINKING = dialogue.Dialogue("reasoning", True, "math")
SAMPLES = 300


def test_embedded_models_get_exactly_the_turns_of_their_training():
    """Prompts equal those of the corpus, at every number of earlier answers in it."""
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(SAMPLES):
        made = arithmetic.conversation(rng, "held_out", 4, 5, 0.5)
        *prompt, _ = made["messages"]
        turns = TAUGHT.question(prompt[0]["content"])
        for reply in prompt[1::2]:
            turns = TAUGHT.again(turns, TAUGHT.shown(reply["content"], True), "plain")
        expected = [{"role": m["role"], "content": m["content"]} for m in prompt]
        assert turns == expected
        seen.add(len(prompt))
    assert seen == {1, 3, 5, 7, 9}


def test_worked_replies_of_the_corpus_are_read_and_shown_as_their_answer():
    rng = np.random.default_rng(2)
    for _ in range(SAMPLES):
        worked = arithmetic.conversation(rng, "held_out", 4, 2, 0.5)["messages"][-1]["content"]
        answer = arithmetic.answer_in(worked)
        assert TAUGHT.answer(worked) == str(answer)
        assert TAUGHT.shown(worked, True) == f"Answer: {answer}"


def test_four_instructions_as_in_the_public_scripts():
    table = pd.read_csv(ROOT / "resources/published/parallel_sequential_scalars.csv")
    rows = table[(table["quantity"] == "re_answer_instructions")]
    assert len(dialogue.INSTRUCTIONS) == rows["value"].astype(int).max()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \boxed{42}", "42"),
        (r"\boxed{1} then \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{\text{a}_{b}} \boxed{", None),
        ("no box", None),
        (r"\boxed{ }", None),
    ],
)
def test_the_last_box_is_read_with_its_braces(text, expected):
    assert dialogue.boxed(text) == expected


def test_history_holds_what_follows_the_thoughts():
    reply = r"<think>It is \boxed{1}.</think> The answer is \boxed{2}."
    assert THINKING.shown(reply, True) == r"The answer is \boxed{2}."
    assert THINKING.answer(reply) == "2"
    opened_in_the_prompt = r"It is \boxed{1}.</think>\boxed{2}"
    assert THINKING.answer(opened_in_the_prompt) == "2"


@pytest.mark.parametrize("finished", [True, False])
def test_an_attempt_cut_off_in_its_thoughts_is_an_empty_answer(finished):
    reply = r"<think>Perhaps \boxed{1}"
    assert THINKING.shown(reply, finished) == ""
    assert THINKING.answer(reply) is None
    assert NATURAL.shown("the answer is", False) == ""


def test_remarks_and_bans_stand_before_the_instruction():
    turns = NATURAL.again([], "x", "plain", "That is wrong.", ["1", "2"])
    said = turns[-1]["content"]
    assert said.startswith("That is wrong. Do not give any of these answers again: 1, 2.")
    assert said.endswith(dialogue.INSTRUCTIONS["plain"])


@pytest.mark.parametrize("size", [1, 50, 400])
def test_padding_is_as_long_as_asked_and_whole(size):
    others = [("Start with 1, add 2.", ["1+2=3\nAnswer: 3"]), ("Start with 5, add 2.", ["7"])]
    turns = dialogue.padding(TAUGHT, others, size)
    longest = max(len(text) + len(replies[0]) for text, replies in others)
    total = sum(len(turn["content"]) for turn in turns)
    assert size <= total < size + longest
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)


def test_padding_shows_whole_replies_without_thoughts_and_each_before_any_twice():
    others = [
        ("A", [r"<think>so</think>It is \boxed{1}.", "<think>never ends"]),
        ("B", [r"<think>so</think>It is \boxed{2}.", r"<think>or</think>No, \boxed{3}."]),
        ("C", []),
    ]
    turns = dialogue.padding(THINKING, others, 1000)
    said = [turn["content"] for turn in turns[1::2]]
    assert said[:4] == [r"It is \boxed{1}.", r"It is \boxed{2}.", r"No, \boxed{3}.", said[0]]
    assert dialogue.padding(THINKING, [("C", [])], 1000) == []


def test_padding_reads_no_more_replies_than_it_shows(monkeypatch):
    """Otherwise its cost grows with the square of the number of questions."""
    read = []
    monkeypatch.setattr(dialogue.replies, "history", lambda text: read.append(text) or text)
    others = [(str(number), [f"reply {number}"] * 4) for number in range(1000)]
    assert len(dialogue.padding(THINKING, others, 100)) == 2 * len(read)


def test_a_finished_reply_of_another_model_is_shown_also_where_this_one_thinks():
    assert THINKING.shown(r"The answer is \boxed{2}.", True) == r"The answer is \boxed{2}."
    channels = (
        "<|channel|>analysis<|message|>1?<|end|><|start|>assistant<|channel|>final<|message|>2"
    )
    assert NATURAL.shown(channels, True) == "2"


def test_a_reply_that_was_cut_off_has_no_answer():
    assert NATURAL.answer(r"It is \boxed{2}. But wait", finished=False) is None
    assert NATURAL.answer(r"It is \boxed{2}.") == "2"
