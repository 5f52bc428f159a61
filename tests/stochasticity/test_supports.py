"""Supports of exact laws, against the study's own reading of replies and against true draws."""

import itertools

import numpy as np
import pytest

from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.stochasticity import parsing, supports, targets

NAMES = ["digit", "uniform", "normal", "bernoulli-30", "categorical-40-30-20-10"]
PADS = ["{}", " {}", "{}\n", "\n{}.", "{}. ", "\t{} "]


@pytest.mark.parametrize("name", NAMES)
def test_every_text_of_a_support_is_read_as_its_answer(name):
    support, target = supports.of(name), targets.of(name)
    for (text, number), pad in zip(support.spellings.items(), itertools.cycle(PADS), strict=False):
        reply = pad.format(text)
        assert support.answer(reply) == number
        parsed = parsing.value(reply, target)
        assert parsed.value is not None, (reply, parsed)
        assert target.cells([parsed.value])[0] == support.cells[number]
        if target.edges is not None:
            assert parsed.value == pytest.approx(float(support.answers[number]))


@pytest.mark.parametrize("name", [*NAMES, "die"])
def test_whatever_begins_an_answer_opens_it(name):
    support = supports.of(name)
    for text in support.spellings:
        for pad in PADS:
            reply = pad.format(text)
            assert all(support.opens(reply[:size]) for size in range(len(reply) + 1))
            assert support.characters.issuperset(reply)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("digit", ["10", "7 7", "seven", "7..", "-1", "7.0", ""]),
        ("uniform", ["1.001", "0.1234", "-0.1", "00.1", ".5", "1.5", "0.5.1"]),
        ("normal", ["10", "1.234", "--1", "1-1", "+1"]),
        ("categorical-40-30-20-10", ["E", "a", "AB", "A B"]),
        ("die", ["0", "7", "66"]),
    ],
)
def test_other_texts_are_no_answers(name, texts):
    assert [supports.of(name).answer(text) for text in texts] == [None] * len(texts)


@pytest.mark.parametrize("name", ["uniform", "normal"])
def test_probabilities_of_decimals_are_those_of_rounded_draws(name):
    """A million draws of the target, rounded; each answer within its binomial spread."""
    support, target = supports.of(name), targets.of(name)
    drawn = target.draw(np.random.default_rng(5), 1_000_000)
    scale = 10**target.decimals
    counts = np.bincount(
        np.round(drawn * scale).astype(int) - round(float(support.answers[0]) * scale),
        minlength=support.size,
    )
    assert support.probabilities.sum() == pytest.approx(1)
    spread = np.sqrt(support.probabilities * 1e6) + 1
    assert np.abs(counts - support.probabilities * 1e6).max() < 6 * spread.max()
    assert (np.abs(counts - support.probabilities * 1e6) < 6 * spread).all()
    cells = support.by_cell(support.probabilities)
    assert np.allclose(cells, target.probabilities, atol=1e-12)


def test_sizes():
    sizes = {name: supports.of(name).size for name in [*NAMES, "die"]}
    assert list(sizes.values()) == [10, 1001, 1999, 2, 4, 6]


@pytest.mark.parametrize("weights", [(70, 30), (50, 30, 20), (40, 30, 20, 10)])
def test_letters_have_as_many_weights_as_the_schema_allows(weights):
    name = "categorical-" + "-".join(map(str, weights))
    asked = words.categorical(weights).split("probabilities ")[1].split(".")[0].split(", ")
    told = zip(supports.of(name).answers, weights, strict=True)
    assert asked == [f"{letter} {weight}%" for letter, weight in told]
