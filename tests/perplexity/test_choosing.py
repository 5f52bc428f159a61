"""Answers that are written in parallel, against one symbol after another."""

import numpy as np
import pytest
import torch

from workflow_scripts.perplexity import choosing
from workflow_scripts.perplexity.digits import Spelling

VOCABULARY, PROMPT = 12, 7


class Rewriting:
    """A model whose logits are a hash of the tokens so far, or of few of them."""

    def __init__(self, rows, reach):
        self.rows, self.reach, self.passed = dict(enumerate(rows)), reach, []

    def after(self, tokens):
        seed = [len(tokens), *tokens[-self.reach :], tokens[0]]
        return torch.from_numpy(np.random.default_rng(seed).normal(size=VOCABULARY))

    def logs(self, rows, places):
        return torch.stack(
            [
                torch.stack([self.after(row[: place + 1]).log_softmax(-1) for place in places])
                for row in rows
            ]
        )

    def written(self, places):
        return self.logs(self.rows.values(), places)

    def rewritten(self, chosen, rows, same, places):
        for number, row in zip(chosen, rows, strict=True):
            assert row[:same] == self.rows[number][:same]
            assert len(self.rows[number]) >= same
        self.rows = dict(zip(chosen, rows, strict=True))
        self.passed += [len(row) - same for row in rows]
        return self.logs(rows, places)


def one_by_one(model, spelt):
    row, given, steps = row_of_zeros(spelt), [], []
    for slot, symbols in zip(spelt.slots, spelt.tokens, strict=True):
        place = len(spelt.prompt) + slot
        logs = model.after(row[:place]).log_softmax(-1)
        given.append(int(logs[symbols].argmax()))
        row[place] = symbols[given[-1]]
        steps.append(logs)
    return given, torch.stack(steps)


def row_of_zeros(spelt):
    return spelt.prompt + list(spelt.answer)


@pytest.mark.parametrize("symbols", [2, 5])
@pytest.mark.parametrize("gap", [1, 2])  # tokens from one symbol to the next
@pytest.mark.parametrize("reach", [1, 3, 100])
def test_answers_are_those_of_sequential_decoding(symbols, gap, reach):
    random = np.random.default_rng(symbols + 10 * gap)
    size = 45
    slots = [gap - 1 + gap * step for step in range(size)]
    tokens = [random.permutation(VOCABULARY)[:symbols].tolist() for _ in slots]
    answer = random.integers(0, VOCABULARY, gap * size).tolist()
    for slot, each in zip(slots, tokens, strict=True):
        answer[slot] = each[0]
    spelt = [
        Spelling(random.integers(0, VOCABULARY, PROMPT).tolist(), answer, slots, tokens)
        for _ in range(6)
    ]
    model = Rewriting([], reach)
    expected = [one_by_one(model, each) for each in spelt]
    right = random.integers(0, symbols, (6, size)).tolist()
    right[0] = expected[0][0]  # one is right at once,
    right[1] = [*expected[1][0][:-1], (expected[1][0][-1] + 1) % symbols]  # one but for the end
    rewriting = Rewriting(list(map(choosing.row_of, spelt, right)), reach)
    steps = rewriting.written(choosing.steps_of(spelt[0]))
    found = choosing.greedy(rewriting, spelt, right, steps)
    for given, logs, (wanted, wanted_logs) in zip(found, steps, expected, strict=True):
        assert given == wanted
        assert torch.equal(logs, wanted_logs)


@pytest.mark.parametrize(("reach", "wrong", "most"), [(100, 40, 40 * choosing.AHEAD), (1, 1, 80)])
def test_what_passes_again_grows_with_the_wrong_symbols(reach, wrong, most):
    """All symbols wrong: a few tokens for each. The first one alone: hardly more than all once."""
    model = Rewriting([], reach)
    spelt = Spelling([3, 4], [1] * 40, list(range(40)), [[1, 2, 5]] * 40)
    given, _ = one_by_one(model, spelt)
    right = [(symbol + 1) % 3 for symbol in given[:wrong]] + given[wrong:]
    rewriting = Rewriting([choosing.row_of(spelt, right)], reach)
    steps = rewriting.written(choosing.steps_of(spelt))
    assert choosing.greedy(rewriting, [spelt], [right], steps) == [given]
    assert 0 < sum(rewriting.passed) <= most


def test_right_answers_pass_no_more():
    model = Rewriting([], 100)
    spelt = Spelling([3, 4], [1] * 20, list(range(20)), [[1, 2]] * 20)
    given, _ = one_by_one(model, spelt)
    rewriting = Rewriting([choosing.row_of(spelt, given)], 100)
    steps = rewriting.written(choosing.steps_of(spelt))
    assert choosing.greedy(rewriting, [spelt], [given], steps) == [given]
    assert not rewriting.passed
