"""Chains: which earlier draws each round shows, and a run on a small model."""

import json

import pytest

from tests.inference import tiny
from workflow_scripts.inference import forms
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import tables
from workflow_scripts.stochasticity import sequential
from workflow_scripts.stochasticity.asking import Manner
from workflow_scripts.stochasticity.draw_table import DRAWS

LONG = {
    "batched": {"targets": ["digit"], "sizes": [4]},
    "generators": {"moduli": [10], "xorshift_bits": [], "starts": 2, "steps": 2},
}
MANNER = Manner({"kind": "embedded", "thinks": False, "reply_tokens": 8})
SETTINGS = {"targets": ["digit"], "chains": 3, "rounds": 4}


def replies(frame, texts):
    return frame.assign(text=texts, finish_reason="stop")[["request_id", "text", "finish_reason"]]


def test_full_history_shows_all_draws_and_last_only_shows_one():
    first = sequential.start(MANNER, SETTINGS, 1)
    assert len(first) == 6
    second = sequential.follow(MANNER, 0, first, replies(first, ["4"] * 6))
    third = sequential.follow(MANNER, 1, second, replies(second, ["7"] * 6))
    for request in third.to_dict("records"):
        turns = json.loads(request["messages"])
        told = [turn["content"] for turn in turns if turn["role"] == "assistant"]
        if request["experiment"] == "S5":
            assert told == ["4", "7"]
            assert turns[-1]["content"] == words.AGAIN
        else:
            assert not told
            assert "7" in turns[-1]["content"]
            assert "4" not in turns[-1]["content"]


def test_an_unreadable_reply_stays_in_the_history_and_is_no_last_draw():
    first = sequential.start(MANNER, SETTINGS, 1)
    second = sequential.follow(MANNER, 0, first, replies(first, ["no idea"] * 6))
    for request in second.to_dict("records"):
        if request["experiment"] == "S5":
            assert "no idea" in request["messages"]
        else:
            assert "no idea" not in request["messages"]


def test_a_base_model_sees_the_examples_in_every_round():
    base = Manner({"kind": "base", "thinks": False, "reply_tokens": None})
    opening = forms.opening("base", "short")
    frame = sequential.start(base, SETTINGS, 1)
    for number in range(3):
        for request in frame.to_dict("records"):
            turns = json.loads(request["messages"])
            assert turns[: len(opening)] == opening
            rest = turns[len(opening) :]
            assert len(rest) == (2 * number + 1 if request["experiment"] == "S5" else 1)
            assert json.loads(request["stop"]) == list(forms.stop("base"))
            assert request["max_tokens"] == base.short
        frame = sequential.follow(base, number, frame, replies(frame, ["4"] * 6))


def test_chains_end_at_their_length():
    frame = sequential.start(MANNER, SETTINGS, 1)
    for number in range(3):
        frame = sequential.follow(MANNER, number, frame, replies(frame, ["1"] * 6))
        assert frame is not None
    assert sequential.follow(MANNER, 3, frame, replies(frame, ["1"] * 6)) is None


@pytest.mark.slow
def test_a_model_draws_whole_chains(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = tiny.save(tmp_path / "model")
    arguments = (tiny.SPEC, str(checkpoint), 4096, SETTINGS, LONG, 8, MANNER.asked, 1)
    sequential.main("draws.parquet", "tiny", *arguments)
    drawn = tables.read("draws.parquet", DRAWS)
    chained = drawn["experiment"].isin(["S5", "S6"])
    assert chained.sum() == 2 * 3 * 4
    assert drawn.loc[~chained, "unit"].nunique() == 2 + 2
    assert (drawn["value"].notna() != drawn["failure"].notna()).all()
