"""The judgement on samplers: its distribution, and how often it errs on known languages."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from workflow_scripts.inference.probe_samplers import Position, at_most, judge, positions


def test_the_distribution_is_the_binomial_one_for_equal_chances():
    for count in (0, 3, 17, 64):
        expected = stats.binom(64, 0.3).cdf(count)
        assert at_most(count, [0.3] * 64) == pytest.approx(expected, abs=1e-12)
    assert at_most(1, [0.5, 0.2, 0.9]) == pytest.approx(0.04 + 0.04 + 0.01 + 0.36)
    assert at_most(-1, [0.5]) == 0.0


def drawn(rng, exponent, kept, temperature=1.0, listed=19):
    """64 draws from a power law over 5,000 tokens, of which `kept` (a number or a share) can be."""
    law = np.arange(1.0, 5001.0) ** -exponent
    law /= law.sum()
    allowed = law >= kept * law[0] if kept < 1 else np.arange(5000) < kept
    sampled = np.where(allowed, law, 0.0) ** (1 / temperature)
    logs = np.log(law)
    tokens = rng.choice(5000, 64, p=sampled / sampled.sum())
    return [Position(float(logs[token]), tuple(logs[:listed])) for token in tokens]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.5, 2.0])
def test_it_does_not_err(exponent, temperature):
    """Laws from flat to steep, each 200 times: no wrong answer, whether decided or not."""
    rng = np.random.default_rng(5)
    for kept, wrong in ((5000, False), (40, True), (0.05, True)):
        found = Counter(
            judge(drawn(rng, exponent, kept, temperature), temperature).off for _ in range(200)
        )
        assert found[wrong] <= 1, (kept, found)


def test_it_decides_where_rare_tokens_are_frequent():
    rng = np.random.default_rng(6)
    for kept, right in ((5000, True), (40, False), (0.05, False)):
        found = Counter(judge(drawn(rng, 1.0, kept)).off for _ in range(100))
        assert found[right] >= 95, (kept, found)


def test_both_forms_of_log_probabilities_are_read():
    tops = [[-0.5, -1.5, -2.5], [-0.1, -3.0, -4.0]]
    chat = [
        {"token": "x", "logprob": own, "top_logprobs": [{"logprob": each} for each in top]}
        for own, top in zip((-1.5, -9.0), tops, strict=True)
    ]
    older = {
        "token_logprobs": [-1.5, -9.0],
        "top_logprobs": [dict(zip("abc", top, strict=True)) for top in tops],
    }
    expected = [Position(-1.5, (-0.5, -1.5)), Position(-9.0, (-0.1, -3.0))]
    assert positions({"logprobs": {"content": chat}}) == expected
    assert positions({"logprobs": older}) == expected
    for nothing in (None, {}, {"content": None}, {"content": [{}]}, {"token_logprobs": [None]}, 3):
        assert positions({"logprobs": nothing}) == []
