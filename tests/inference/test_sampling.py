"""The drawn distributions against the exact ones, and the filters against transformers' own."""

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import TopKLogitsWarper, TopPLogitsWarper

from workflow_scripts.inference import sampling

LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -3.0, 1.5])


def draw(count, temperature=1.0, top_k=0, top_p=1.0, steps=None):
    generator = torch.Generator().manual_seed(5)
    keys = torch.randint(-(2**62), 2**62, (count,), generator=generator)
    return sampling.choose(
        LOGITS.expand(count, -1),
        torch.full((count,), temperature),
        torch.full((count,), top_k),
        torch.full((count,), top_p, dtype=torch.float64),
        keys,
        torch.zeros(count, dtype=torch.int64) if steps is None else steps,
    )


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.5, 0, 1.0), (2.0, 0, 1.0), (1.0, 3, 1.0), (1.0, 0, 0.8), (1.3, 5, 0.9)],
)
def test_draws_follow_the_exact_distribution(temperature, top_k, top_p):
    scaled = LOGITS[None] / temperature
    if top_k:
        scaled = TopKLogitsWarper(top_k)(None, scaled)
    scaled = TopPLogitsWarper(top_p)(None, scaled)
    exact = scaled.softmax(-1)[0].double().numpy()
    counts = np.bincount(draw(200_000, temperature, top_k, top_p), minlength=len(LOGITS))
    assert counts[exact == 0].sum() == 0
    kept = exact > 0
    expected = exact[kept] / exact[kept].sum() * counts.sum()
    assert stats.chisquare(counts[kept], expected).pvalue > 1e-3


def test_gumbel_noise_has_its_distribution():
    keys = torch.arange(400)
    noise = sampling.gumbel(keys, torch.zeros_like(keys), 500)
    assert stats.kstest(noise.flatten().numpy(), stats.gumbel_r.cdf).pvalue > 1e-3


@pytest.mark.parametrize("axis", ["keys", "steps", "tokens"])
def test_neighbouring_noise_is_unrelated(axis):
    keys = torch.arange(2000)
    if axis == "steps":
        noise = sampling.gumbel(torch.zeros_like(keys), keys, 100)
    else:
        noise = sampling.gumbel(keys, torch.zeros_like(keys), 100)
    uniform = np.exp(-np.exp(-noise.double().numpy()))
    first, second = (
        (uniform[:, :-1], uniform[:, 1:]) if axis == "tokens" else (uniform[:-1], uniform[1:])
    )
    correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(first.size)


def test_a_row_does_not_depend_on_its_neighbours():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(64, 300, generator=generator) * 3
    keys = torch.randint(-(2**62), 2**62, (64,), generator=generator)
    temperature = torch.tensor([0.0, 0.7, 1.0, 2.0]).repeat(16)
    top_k = torch.tensor([0, 5, 0, 40, 0]).repeat(13)[:64]
    top_p = torch.tensor([1.0, 0.9, 0.5], dtype=torch.float64).repeat(22)[:64]
    steps = torch.arange(64)
    settings = (logits, temperature, top_k, top_p, keys, steps)
    whole = sampling.choose(*settings)
    alone = torch.cat([sampling.choose(*(each[i : i + 1] for each in settings)) for i in range(64)])
    order = torch.randperm(64, generator=generator)
    shuffled = sampling.choose(*(each[order] for each in settings))
    assert torch.equal(alone, whole)
    assert torch.equal(shuffled, whole[order])
    assert torch.equal(whole[temperature == 0], logits.argmax(-1)[temperature == 0])


def test_the_top_token_survives_any_nucleus():
    assert set(draw(1000, top_p=1e-6).tolist()) == {0}


def test_stop_table_marks_tokens_that_hold_the_last_character():
    texts = ["a", "xb", "c\ufffd", "", "b"]
    assert sampling.stop_table(texts, ["ab"]).tolist() == [False, True, True, False, True]
    assert sampling.stop_table(texts, ["a "]).all()
