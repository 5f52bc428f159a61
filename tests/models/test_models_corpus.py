"""The corpus: repeatable, split without overlap, and true to its stated rates."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workflow_scripts.models import corpus
from workflow_scripts.models.corpora import arithmetic, choices, copying, facts, world

SETTINGS = {
    "places": 60,
    "zipf_exponent": 0.8,
    "earlier_right_rate": 0.5,
    "most_steps": 6,
    "most_attempts": 5,
    "longest": 24,
}
COUNTS = dict.fromkeys(("facts", "arithmetic", "sampling", "copying", "choices"), 400)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def lands() -> world.World:
    return corpus.world_of(5, 60, 0.8)


def tables(seed: int, split: str) -> pd.DataFrame:
    makers = corpus.skills(SETTINGS, corpus.world_of(seed, 60, 0.8))
    return corpus.table(makers, COUNTS, split, seed)


def test_same_seed_same_corpus_and_another_seed_another():
    pd.testing.assert_frame_equal(tables(1, "train"), tables(1, "train"))
    assert not tables(1, "train")["messages"].equals(tables(2, "train")["messages"])


def test_no_held_out_prompt_is_trained_on():
    train, held_out = tables(1, "train"), tables(1, "held_out")
    for skill in ("facts", "arithmetic", "copying", "choices"):
        prompts = [
            {json.dumps(json.loads(m)[0]) for m in frame.loc[frame["skill"] == skill, "messages"]}
            for frame in (train, held_out)
        ]
        assert prompts[0]
        assert prompts[1]
        assert not prompts[0] & prompts[1]


def test_held_out_options_are_never_trained_with_that_place():
    for latitude in range(world.SOUTHMOST, world.NORTHMOST + 1):
        held_out = world.held_out_foils(latitude)
        assert held_out
        assert not set(held_out) & {
            *world.trained_foils(latitude, True),
            *world.trained_foils(latitude, False),
        }
        assert all(
            abs(foil - latitude) == pytest.approx(latitude / 2, abs=0.5) for foil in held_out
        )


def test_the_ratio_of_the_options_does_not_tell_the_answer():
    """Away from the map's ends, the ratio does not reveal which of the two is right."""
    lands = world.make(rng(2), 320, 0.0)
    generator, larger_is_right, ratios = rng(3), [], []
    while len(ratios) < 600:
        made = facts.conversation(generator, "train", lands, 0.5)
        if made["form"] == "options":
            text = made["messages"][0]["content"]
            a, b = (int(text.split(f"{letter}: ")[1].split()[0]) for letter in "AB")
            right = made["messages"][1]["content"]
            if not 20 <= (a * b) ** 0.5 <= 24:
                continue
            larger_is_right.append((a > b) == (right == "A"))
            ratios.append(max(a, b) / min(a, b))
    assert abs(stats.spearmanr(ratios, larger_is_right).statistic) < 0.1
    assert abs(np.mean(larger_is_right) - 0.5) < 0.06


@pytest.mark.parametrize("reliability", facts.RELIABILITIES)
def test_advice_is_right_at_its_stated_rate(lands, reliability):
    generator, right, given = rng(reliability), 0, 0
    while given < 500:
        made = facts.conversation(generator, "train", lands, 0.5)
        if made["form"] == "advice" and made["level"] == f"{reliability}%":
            said = made["messages"][0]["content"].split("says ")[1][0]
            right += said == made["messages"][1]["content"]
            given += 1
    assert stats.binomtest(right, given, reliability / 100).pvalue > 1e-4


def test_earlier_answers_are_right_at_their_rate(lands):
    generator, shown = rng(4), []
    while len(shown) < 800:
        made = facts.conversation(generator, "train", lands, 0.7)
        text = made["messages"][0]["content"]
        if "answered A" in text or "answered B" in text:
            shown.append(text.split("answered ")[1][0] == made["messages"][1]["content"])
    assert stats.binomtest(sum(shown), len(shown), 0.7).pvalue > 1e-4


def test_places_are_spoken_of_by_zipfs_law(lands):
    generator = rng(6)
    drawn = [facts.conversation(generator, "train", lands, 0.5)["place"] for _ in range(6000)]
    counts = np.array([drawn.count(place) for place in lands.places])
    expected = np.arange(1, 61) ** -0.8
    assert stats.chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 1e-4


def test_worked_sums_are_right():
    generator = rng(7)
    for _ in range(300):
        made = arithmetic.conversation(generator, "train", 6, 5, 0.5)
        *history, solution = made["messages"]
        lines = solution["content"].split("\n")
        assert len(lines) == int(made["level"].split()[0]) + 1
        for line in lines[:-1]:
            left, right = line.split("=")
            assert eval(left) == int(right)
        assert arithmetic.answer_in(solution["content"]) == int(lines[-2].split("=")[1])
        # Earlier answers are history and not learnt.
        assert all(m["learn"] is False for m in history if m["role"] == "assistant")


def test_earlier_attempts_are_right_at_their_rate():
    generator, right = rng(8), []
    while len(right) < 600:
        made = arithmetic.conversation(generator, "train", 3, 5, 0.6)
        *history, solution = made["messages"]
        truth = arithmetic.answer_in(solution["content"])
        right += [
            arithmetic.answer_in(m["content"]) == truth for m in history if m["role"] == "assistant"
        ]
    assert stats.binomtest(sum(right), len(right), 0.6).pvalue > 1e-4


def test_copying_and_counting_are_right():
    generator = rng(9)
    for _ in range(400):
        made = copying.conversation(generator, "train", 24)
        question, reply = (m["content"] for m in made["messages"])
        shown = question.rstrip("?").split(" in: ")[-1].split(" ")
        expected = {
            "copy": shown[-1],
            "first": shown[-1][0],
            "last": shown[-1][-1],
            "ones": str(shown[-1].count("1")),
            "sum": str(shown[-1].count("1")),
            "word": str(shown.count("car")),
        }[made["form"]]
        assert reply == expected


def test_choices_are_right_and_letters_are_even():
    generator, letters = rng(10), []
    for _ in range(2000):
        made = choices.conversation(generator, "train", 24)
        question, reply = (m["content"] for m in made["messages"])
        best = max if "largest" in question else min
        if made["form"] == "letters":
            words = question.split("? ")[1].split()
            options = {words[i][0]: int(words[i + 1]) for i in range(0, len(words), 2)}
            assert options[reply] == best(options.values())
            if len(options) == 4:
                letters.append(reply)
        else:
            numbers = [int(n) for n in question.rstrip("?").split(": ")[1].split(", ")]
            assert int(reply) == best(numbers)
    assert stats.chisquare([letters.count(letter) for letter in "ABCD"]).pvalue > 1e-4
