"""Normalisers: each against a closed form or another library, with masks."""

import math

import numpy as np
import pytest
import torch
from entmax import entmax_bisect, sparsemax_bisect
from scipy import stats

from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.softmax import normalisers

COEFFICIENTS = adaptive_temperature.published(
    ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
)
SCALE = torch.full((1, 1, 1), 0.7)


def logits(*shape: int) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_entropy_agrees_with_scipy():
    weights = logits(5, 9).double().softmax(-1)
    assert adaptive_temperature.entropy_nats(weights).numpy() == pytest.approx(
        stats.entropy(weights.numpy(), axis=-1), abs=1e-7
    )


@pytest.mark.parametrize("normaliser", normalisers.NORMALISERS)
def test_padding_changes_nothing(normaliser):
    """Weights, and so the entropy, equal those without padding; padding gets exactly 0."""
    weigh = normalisers.NORMALISERS[normaliser]
    full = logits(2, 3, 7)
    padded = torch.cat([full, 50 + logits(2, 3, 5)], -1)
    mask = torch.arange(12) < 7
    alone = weigh(full, None, SCALE, 3)
    among = weigh(padded, mask, SCALE, 3)
    assert torch.all(among[..., 7:] == 0)
    torch.testing.assert_close(among[..., :7], alone)


def test_masked_items_do_not_enter_the_entropy():
    """With them, the entropy would leave the window and nothing would be sharpened."""
    full = logits(4, 20).double()
    padded = torch.cat([full, full.new_zeros(4, 5000)], -1)
    mask = torch.arange(5020) < 20
    found = adaptive_temperature.adaptive(padded, COEFFICIENTS, mask)
    torch.testing.assert_close(found[:, :20], adaptive_temperature.adaptive(full, COEFFICIENTS))
    assert torch.all(found[:, 20:] == 0)


@pytest.mark.parametrize(
    ("normaliser", "reference"),
    [
        ("sparsemax", lambda e: sparsemax_bisect(e, dim=-1)),
        ("entmax15", lambda e: entmax_bisect(e, alpha=1.5, dim=-1)),
    ],
)
def test_sparse_weights_agree_with_bisection(normaliser, reference):
    e = logits(6, 40).double()
    found = normalisers.NORMALISERS[normaliser](e, None, SCALE, 0)
    torch.testing.assert_close(found, reference(e), atol=1e-6, rtol=0)
    assert (found == 0).any()


def test_sparsemax_closed_form():
    """Two items 0.4 apart: (1 + 0.4) / 2 and (1 - 0.4) / 2 (Martins and Astudillo, figure 1)."""
    found = normalisers.sparse(torch.tensor([0.4, 0.0]), None, SCALE, 0)
    assert found.tolist() == pytest.approx([0.7, 0.3])


def test_scalable_softmax_closed_form():
    """One logit at a, n - 1 at 0: n^(s a) / (n^(s a) + n - 1)."""
    n, a, s = 50, 2.0, 0.7
    e = torch.zeros(1, n)
    e[0, 0] = a
    weight = normalisers.scalable_softmax(e, None, SCALE[0], 0)[0, 0]
    assert float(weight) == pytest.approx(n ** (s * a) / (n ** (s * a) + n - 1), rel=1e-5)


def test_top_k_keeps_k():
    e = logits(8, 30)
    found = normalisers.top_k_softmax(e, None, SCALE, 4)
    assert ((found > 0).sum(-1) == 4).all()
    kept = e.topk(4, -1).values
    torch.testing.assert_close(found.topk(4, -1).values, kept.softmax(-1))


def test_sigmoid_weights_do_not_depend_on_the_other_items():
    e = logits(3, 10)
    both = normalisers.sigmoid(e, None, SCALE[0], 0)
    torch.testing.assert_close(both[:, :2], normalisers.sigmoid(e[:, :2], None, SCALE[0], 0))


def test_first_scales_match_softmax_at_the_training_size():
    e = logits(1, 16)
    scale = torch.full((1, 1), normalisers.first_scale("ssmax", 16))
    torch.testing.assert_close(normalisers.scalable_softmax(e, None, scale, 0), e.softmax(-1))
    bias = torch.full((1, 1), normalisers.first_scale("sigmoid", 16))
    at_zero = normalisers.sigmoid(torch.zeros(1, 16), None, bias, 0)
    assert float(at_zero.max()) == pytest.approx(1 / 17)


def test_adaptive_is_the_published_listing():
    """Recomputed in NumPy with `polyval`, row by row."""
    e = logits(6, 300).double()
    found = adaptive_temperature.adaptive(e, COEFFICIENTS)
    for row, weights in zip(e.numpy(), found.numpy(), strict=True):
        p = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        entropy = -(p * np.log(p + 1e-9)).sum()
        beta = max(np.polyval(COEFFICIENTS, entropy), 1.0) if entropy > 0.5 else 1.0
        sharper = np.exp(beta * (row - row.max()))
        assert weights == pytest.approx(sharper / sharper.sum(), abs=1e-12)


def test_adaptive_is_a_no_op_on_large_flat_rows():
    e = logits(2, 4000).double() / 3
    assert math.log(4000) - 0.6 > 5.9445
    torch.testing.assert_close(adaptive_temperature.adaptive(e, COEFFICIENTS), e.softmax(-1))


def test_a_row_of_masked_items_spoils_no_gradient():
    e = (3 * logits(2, 3, 40)).requires_grad_()
    mask = torch.ones(2, 3, 40, dtype=torch.bool)
    mask[0, 1] = False
    found = adaptive_temperature.adaptive(e, COEFFICIENTS, mask)
    torch.testing.assert_close(found[0, 1], torch.full((40,), 1 / 40))
    found.square().sum().backward()
    assert e.grad.isfinite().all()
    assert e.grad[0, 1].eq(0).all()
    assert e.grad[1].ne(0).any()
