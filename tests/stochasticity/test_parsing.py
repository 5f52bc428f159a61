"""Only an unambiguous reply gives a number; any other is a failure with a reason."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.inference import requests as inference
from workflow_scripts.stochasticity import (
    asking,
    condition_scores,
    parsing,
    sequential,
    targets,
)
from workflow_scripts.stochasticity.controls import MANNER

DIGIT, UNIFORM, NORMAL = (targets.of(name) for name in ("digit", "uniform", "normal"))


@given(st.integers(0, 9))
def test_a_digit_is_read_bare_marked_up_or_after_its_mark(number):
    for reply in (
        str(number),
        f"**{number}**",
        f"Draw: {number}.",
        f"<think>maybe 3</think>{number}",
    ):
        assert parsing.value(reply, DIGIT) == parsing.Parsed(float(number), None)


@given(st.floats(-8, 8).map(lambda x: round(x, 2)))
def test_a_real_number_is_read_as_written(number):
    assert parsing.value(f"{number:.2f}", NORMAL).value == pytest.approx(number)


@pytest.mark.parametrize(
    ("reply", "target", "failure"),
    [
        ("", DIGIT, "empty"),
        ("I cannot", DIGIT, "no number"),
        ("3 or 4", DIGIT, "several numbers"),
        ("12", DIGIT, "outside the support"),
        ("2.5", DIGIT, "outside the support"),
        ("-1", DIGIT, "outside the support"),
        ("1.2", UNIFORM, "outside the support"),
        ("50%", UNIFORM, "no number"),
        ("<think>7", DIGIT, "empty"),
    ],
)
def test_an_ambiguous_reply_is_a_failure(reply, target, failure):
    assert parsing.value(reply, target) == parsing.Parsed(None, failure)


def test_a_typographic_minus_is_a_minus():
    assert parsing.value("\u22120.50", NORMAL).value == -0.5


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30))
def test_lists_are_read_in_order(numbers):
    expected = [float(number) for number in numbers]
    for reply in (
        ", ".join(map(str, numbers)),
        "Here are the draws: " + " ".join(map(str, numbers)),
        "\n".join(f"{i}. {number}" for i, number in enumerate(numbers, 1)),
    ):
        assert [each.value for each in parsing.values(reply, DIGIT)] == expected


def test_a_bad_entry_of_a_list_keeps_its_place():
    read = parsing.values("1, 77, 3", DIGIT)
    assert [each.value for each in read] == [1.0, None, 3.0]


@pytest.mark.parametrize(
    ("reply", "letter"), [("Key: C", 2.0), ("The answer is B", 1.0), ("Key: A ... Key: D", 3.0)]
)
def test_the_last_stated_key_counts(reply, letter):
    assert parsing.key(reply).value == letter


@pytest.mark.parametrize(
    ("experiment", "batch", "text", "parts"),
    [
        ("S1", 1, "7", {"draw": 1}),
        ("S7", 4, "1, 2, 3", {"count": 1, "draw": 4}),
        ("S8", 3, "x = 8\nx = 1", {"step": 3}),
        ("S10", 1, "u = 0.25, part = 2", {"draw": 1, "seed": 1}),
    ],
)
def test_a_reply_that_was_cut_off_gives_nothing(experiment, batch, text, parts):
    style, given = {"S8": ("lcg-10", "[3, 1, 10, 9]"), "S10": ("bucket", "")}.get(
        experiment, ("plain", "")
    )
    target = "steps" if experiment == "S8" else "digit"
    fields = {"batch": batch, "given": given, "tokens": 9, "seed": 1}
    asked = inference.table([asking.direct(MANNER, experiment, target, style, "?", **fields)])
    reply = {"request_id": asked["request_id"][0], "text": text, "completion_tokens": 9}
    for finish, failure in (("stop", None), ("length", "cut off"), ("context", "cut off")):
        read = parsing.draws(asked, pd.DataFrame([reply | {"finish_reason": finish, "model": "m"}]))
        if finish == "stop":
            assert read["failure"].isna().all()
            continue
        assert read["part"].value_counts().to_dict() == parts
        assert read["value"].isna().all()
        assert (read["failure"] == failure).all()


def test_no_key_is_a_failure():
    assert parsing.key("Which of these is red?") == parsing.Parsed(None, "no key")


@given(st.lists(st.integers(0, 200), min_size=2, max_size=12))
def test_steps_are_the_last_number_of_each_worked_line(outputs):
    worked = "\n".join(f"x = 5*3+1 mod 11 = {x}" for x in outputs)
    assert parsing.steps(worked, len(outputs)) == outputs
    assert parsing.steps(" ".join(map(str, outputs)), len(outputs)) == outputs


def test_the_last_number_of_a_name_counts():
    assert parsing.named("u = 0.1, then u = 0.25, d = 2", "u", targets.of("seed")).value == 0.25
    assert parsing.named("d = 2", "u", targets.of("seed")).failure == "no u"


def test_letters_of_a_categorical_target():
    target = targets.of("categorical-40-30-20-10")
    assert parsing.value("B", target).value == 1.0
    assert parsing.value("E", target).failure == "outside the support"
    assert parsing.value("A or B", target).failure == "several letters"
    assert parsing.value("A model cannot draw", target).failure == "no letter"


def test_a_history_holds_a_reply_without_its_thoughts():
    """S5: of a reply, the next prompt shows what follows its thoughts; S6 reads the same."""
    settings = {"rounds": 2, "chains": 1, "targets": ["digit"]}
    first = sequential.start(MANNER, settings, 1)
    texts = ["Perhaps 3.\n</think>\n\n7", "<think>5?</think>7"]
    replies = pd.DataFrame({"text": texts, "finish_reason": "stop"})
    later = sequential.follow(MANNER, 0, first, replies)
    shown = json.loads(later.loc[later["experiment"] == "S5", "messages"].iloc[0])
    assert [turn["content"] for turn in shown][1:] == ["7", "Draw again."]
    assert later.loc[later["experiment"] == "S6", "given"].tolist() == ["7"]


def test_a_map_whose_result_was_not_read_is_missing_and_not_wrong():
    frame = pd.DataFrame(
        {"given": ["0.15", "0.25", "0.35", "0.45"], "value": [1.0, np.nan, 3.0, np.nan]}
    ).assign(failure=[None, "no number", None, "several numbers"], unit=range(4))
    condition = {"experiment": "S9", "style": "bucket", "target": "digit"}
    rows = {row["metric"]: row for row in condition_scores.mapped(condition, frame, 1)}
    assert (rows["map_right"]["value"], rows["map_right"]["n"]) == (1.0, 2)
    assert rows["map_chance"]["value"] == 0.0
    (nothing,) = condition_scores.mapped(condition, frame.assign(value=np.nan), 1)
    assert (nothing["value"], nothing["note"]) == (None, "no reply could be read")


def test_a_generator_without_any_output_is_a_failure():
    fields = {"batch": 3, "given": "[3, 1, 10, 9]", "tokens": 9, "seed": 1}
    asked = inference.table([asking.direct(MANNER, "S8", "steps", "lcg-10", "?", **fields)])
    reply = {"request_id": asked["request_id"][0], "text": "I cannot do that.", "model": "m"}
    reply |= {"completion_tokens": 5, "finish_reason": "stop"}
    read = parsing.draws(asked, pd.DataFrame([reply]))
    assert read["failure"].tolist() == ["no output"] * 3
    assert read["value"].isna().all()
