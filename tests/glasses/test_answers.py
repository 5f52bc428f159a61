"""Numbers read from replies, the sequences in prompts, and artificial answerers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.glasses import answers, prompts, requests

ASKED = {"kind": "embedded", "thinks": False, "wording": "short", "reply_tokens": 8}
TASKS = {
    "copy_lengths": [4, 8, 100, 300],
    "order_lengths": [4, 8, 100, 300],
    "count_lengths": [4, 12, 101, 160],
    "draws": 3,
}


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("There are 12.", 12),
        ("5 groups of 5 and 2, 5*5+2=27", 27),
        ("I see 3. Answer: 14 ones, or 15", 14),
        ("Answer: 1 no wait. Answer: 0", 0),
        ("none at all", None),
        ("Answer: many", None),
        ("11111111111111", None),  # a copied sequence is not a count
        ("0007", 7),
    ],
)
def test_numbers_of_replies(reply, number):
    assert answers.number(reply) == number


@given(st.sampled_from(prompts.FAMILIES), st.integers(4, 200))
def test_the_asked_element_is_0_and_its_mirror_is_the_other_side(family, length):
    last, first = (prompts.copied(family, side, length) for side in ("last", "first"))
    assert (last[-1], first[0]) == ("0", "0")
    assert last[::-1] == first
    assert length - 2 < len(last) <= length
    assert set(last) == {"0", "1"}
    if family == "edge":
        assert (len(last), last.count("0")) == (length, 1)


def test_interleaved_is_a_pair_repeated_and_then_one_0():
    """The legend of figure 2c."""
    assert prompts.copied("zero_first", "last", 7) == "0101010"
    assert prompts.copied("one_first", "last", 8) == "1010100"


@given(st.integers(1, 60), st.integers(0, 50))
def test_truths_are_counts_of_what_is_shown(length, seed):
    rng = np.random.default_rng(seed)
    for task, unit in (("sum", "1"), ("ones", "1"), ("bits", "1"), ("word", prompts.COUNTED_WORD)):
        shown, truth = prompts.counted(task, length, rng)
        found = shown.split().count(unit) if task == "word" else shown.count(unit)
        assert found == truth
        # Three of the four tasks have the length as their answer (figure 4: 3 truths per length).
        assert truth == length if task in answers.EXACT_TASKS else len(shown) == length


def test_ones_come_at_the_published_rate():
    rng = np.random.default_rng(0)
    for task in requests.RANDOM_TASKS:
        shown, truth = prompts.counted(task, 4000, rng)
        items = len(shown.split() if task == "word" else shown)
        assert truth / items == pytest.approx(0.7, abs=0.03)


def test_promptings_are_put_around_the_question():
    for wording in prompts.WORDINGS.values():
        plain = prompts.prompt(wording, "ones", "111", "plain").removesuffix(wording.only)
        assert prompts.prompt(wording, "ones", "111", "hint") == plain + wording.hint
        assert prompts.prompt(wording, "ones", "111", "few_shot") == wording.examples + plain
        assert "2*5+2" in wording.examples
        assert "1*5+1" in wording.examples


def answered(answer):
    """Replies of an answerer (a function of a request) to the study's requests, as `read` gives."""
    table = pd.DataFrame(requests.rows(TASKS, ASKED, 0))
    replies = pd.DataFrame(
        {
            "request_id": table["request_id"],
            "model": "made",
            "text": [answer(row) for row in table.to_dict("records")],
            "finish_reason": "stop",
        }
    )
    return answers.read(table, replies, {"made": False})


def told(rows, metric, **wanted):
    return [
        row["value"]
        for row in rows
        if row["metric"] == metric and all(row.get(k) == v for k, v in wanted.items())
    ]


def test_an_answerer_that_is_right_has_no_errors_and_no_trend():
    frame = answered(lambda row: f"Answer: {row['truth']}")
    rows = [*answers.copying(frame, 0), *answers.counting(frame, 0, 60)]
    for metric in ("accuracy", "accuracy_all", "accuracy_within", "accuracy_beyond"):
        assert set(told(rows, metric)) == {1.0}
    assert set(told(rows, "absolute_error")) == set(told(rows, "signed_error")) == {0.0}
    assert not told(rows, "error_trend")
    assert set(told(rows, "first_error_length")) == {None}
    assert set(told(rows, "first_over_last")) == {0.0}
    for row in rows:
        if row["metric"] in {name for name, *_ in answers.DIFFERENCES} | {"last_drop"}:
            assert row["ci_low"] < 0 < row["ci_high"]
            assert row["note"].startswith("both arms have all of the replies right")


def test_an_answerer_that_stops_at_100_piles_up_there():
    frame = answered(lambda row: str(min(row["truth"], 100)))
    rows = answers.counting(frame, 0, 100)
    assert told(rows, "signed_error", task="sum", prompting="plain", length=160) == [-60.0]
    assert told(rows, "absolute_error", task="sum", prompting="plain", length=160) == [60.0]
    assert told(rows, "top_answer", task="sum", prompting="plain") == [100.0]
    # Ones: 101 and 160 become 100; bits of 160 end near 112, of 101 near 71.
    assert told(rows, "hundred_share", task="ones", prompting="plain") == [1.0]
    (pooled,) = [row for row in rows if row["metric"] == "hundred_share"
                 and row["task"] == "all" and row["prompting"] == "plain"]  # fmt: skip
    # Two lengths from 100 on of sum and ones, and three sentences of each; no bits.
    assert (pooled["value"], pooled["n"]) == (1.0, 10)
    assert told(rows, "within_trained", task="ones", prompting="plain") == [1.0]
    # Only 101 is not itself round, and its answer is.
    assert told(rows, "round_share", task="sum", prompting="plain") == [1.0]
    assert told(rows, "error_trend", task="sum", prompting="plain")[0] > 0.7
    histogram = {r["answer"]: r["value"] for r in rows if r["metric"] == "answers"
                 and r["task"] == "sum" and r["prompting"] == "plain"}  # fmt: skip
    assert histogram == {4.0: 1.0, 12.0: 1.0, 100.0: 2.0}


def test_an_answerer_that_forgets_the_end_copies_the_first_better():
    def forgets(row):
        if row["experiment"] == "E2":
            return "none"
        late = row["task"] != "first" and row["length"] >= 100
        hinted = row["prompting"] == "hint" or row["family"] == "zero_first"
        return "1" if late and not hinted else "0"

    frame = answered(forgets)
    rows = answers.copying(frame, 0)
    assert told(rows, "first_over_last") == [0.5]
    assert told(rows, "hint_gain") == [0.5]
    assert told(rows, "zero_first_gain") == [0.5]
    assert told(rows, "one_first_gain") == [0.0]
    assert told(rows, "type2_gain") == [0.0]
    assert told(rows, "last_drop") == [pytest.approx(2 / 3)]  # 4, 8, not 100; not 300
    assert told(rows, "first_error_length", experiment="E1a", task="last") == [100.0]
    assert told(rows, "accuracy_longest", experiment="E5", task="type1") == [0.0]
    unreadable = told(answers.counting(frame, 0, None), "unreadable")
    assert set(unreadable) == {1.0}


@pytest.mark.parametrize("asked", ["sum", "ones", "word"])
def test_without_chain_of_thought_the_paper_s_wording_asks_for_the_answer_only(asked):
    texts = {name: prompts.prompt(prompts.PAPER, asked, "1+1", name) for name in prompts.PROMPTINGS}
    assert [name for name, text in texts.items() if "only the answer" in text] == ["plain"]
    assert "only" not in prompts.prompt(prompts.SHORT, asked, "1+1", "plain")
    assert "only" not in prompts.prompt(prompts.PAPER, "last", "10", "plain")


def test_replies_that_were_not_read_are_missing_and_not_wrong():
    """A third of the replies are cut off or say nothing; all others are right."""
    table = pd.DataFrame(requests.rows(TASKS, ASKED, 0))
    number = np.arange(len(table)) % 6
    told_by = {0: ("Answer: 0", "length"), 3: ("I cannot tell.", "stop")}
    texts = [
        told_by.get(int(k), (f"Answer: {truth}", "stop"))
        for k, truth in zip(number, table["truth"], strict=True)
    ]
    replies = pd.DataFrame(texts, columns=["text", "finish_reason"])
    replies = replies.assign(request_id=table["request_id"], model="made")
    frame = answers.read(table, replies, {"made": False})
    assert frame["right"].isna().mean() == pytest.approx(1 / 3, abs=0.02)
    rows = [*answers.copying(frame, 0), *answers.counting(frame, 0, None)]
    for metric in ("accuracy_all", "accuracy_longest"):
        assert {value for value in told(rows, metric) if value is not None} == {1.0}
    assert set(told(rows, "first_error_length")) == {None}
    assert set(told(rows, "first_over_last")) <= {0.0, None}
    notes = [row["note"] for row in rows if row["metric"] == "first_over_last"]
    assert all(note.startswith("only ") for note in notes)
    some = frame.assign(given=frame["given"].where(np.arange(len(frame)) % 5 > 1))
    beyond = [row for row in answers.counting(some, 0, 0) if row["metric"] == "within_trained"]
    assert beyond
    assert all(row["note"].startswith("only ") for row in beyond)
