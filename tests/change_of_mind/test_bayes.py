"""The densities of the regressions, as compiled for many draws, against SciPy in float64."""

import jax
import numpy as np
import pytest
from scipy import special, stats

from workflow_scripts.change_of_mind import bayes, design

SAMPLER = bayes.Sampler(4, 1, 1)  # sets XLA's flags before jax is first used
COUNTING = bayes.Sampler(4, 1, 1, counted=True)


def simulated(n):
    """Data of n trials with random designs; confidences down to the limit of the clipping."""
    rng = np.random.default_rng(n)
    x = rng.normal(size=(len(design.HEADS), n, len(design.COLUMNS))) * 0.7
    final, first = design.clipped(rng.beta(0.7, 0.5, (2, n)))
    changed = rng.integers(0, 2, n).astype(float)
    return design.Data(x, final, changed, first, np.zeros(n))


def counted(n):
    """The same with counts in 8 draws, or in as many as were read."""
    rng, data = np.random.default_rng(n + 1), simulated(n)
    draws = np.where(rng.random(n) < 0.9, 8, rng.integers(0, 8, n)).astype(float)
    final, first = (rng.binomial(draws.astype(int), p).astype(float) for p in data[1:4:2])
    return data._replace(final=final, first=first, draws=draws)


def parameters(*shape):
    """Draws of theta around plausible values, shape (*shape, SIZE)."""
    rng = np.random.default_rng(1)
    theta = rng.normal(size=(*shape, bayes.SIZE))
    theta[..., -bayes.BETAS :] = np.log(rng.uniform(0.5, 40, (*shape, bayes.BETAS)))
    return theta


def by_scipy(theta, data):
    """Log-likelihood of each trial, shape (draws, n), for theta of shape (draws, SIZE)."""
    parts = bayes.split(theta)
    heads = parts["intercepts"].T[:, :, None] + (data.x @ parts["weights"].T).transpose(0, 2, 1)
    found = stats.bernoulli.logpmf(data.changed.astype(int), special.expit(heads[1]))
    for head, seen, precision in zip(
        (0, 2), (data.final, data.first), parts["precisions"].T[:, :, None], strict=True
    ):
        means, rest = special.expit(heads[head]), special.expit(-heads[head])
        sides = means * precision, rest * precision
        if data.draws.any():
            found = found + stats.betabinom.logpmf(seen, data.draws, *sides)
        else:
            found = found + stats.beta.logpdf(seen, *sides)
    return found


@pytest.mark.parametrize(("draws", "trials"), [(64, 864), (1400, 864), (4, 18_000)])
def test_the_likelihood_is_scipys_at_every_size(draws, trials):
    """From 64 x 864 on, NumPyro's Beta is wrong by up to 130 nats with jaxlib 0.10.2."""
    data, theta = simulated(trials), parameters(1, draws)
    found = SAMPLER.log_likelihood(data, bayes.Fit({"theta": theta}, 0))[0]
    assert found.dtype == float
    np.testing.assert_allclose(found, by_scipy(theta[0], data), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("draws", "trials"), [(64, 864), (1400, 864)])
def test_the_likelihood_of_counts_is_scipys(draws, trials):
    data, theta = counted(trials), parameters(1, draws)
    found = COUNTING.log_likelihood(data, bayes.Fit({"theta": theta}, 0))[0]
    np.testing.assert_allclose(found, by_scipy(theta[0], data), rtol=1e-9, atol=1e-8)


def test_the_samplers_own_density_is_scipys_at_paper_scale():
    """All four chains in one compiled call, as in the sampler; and its gradient."""
    data, theta = simulated(18_000), parameters(4)
    precisions = np.exp(theta[:, -bayes.BETAS :])
    plain = stats.norm.logpdf(theta[:, : -bayes.BETAS]) - stats.norm.logpdf(0)
    scale = stats.halfnorm.logpdf(precisions, scale=10) - stats.halfnorm.logpdf(0, scale=10)
    prior = plain.sum(axis=1) + scale.sum(axis=1) + theta[:, -bayes.BETAS :].sum(axis=1)
    expected = prior + by_scipy(theta, data).sum(axis=1)
    compiled = jax.jit(jax.vmap(jax.value_and_grad(bayes.log_joint), (0, *[None] * 5)))

    def evaluated(at):
        with jax.enable_x64(True):
            return [np.asarray(part) for part in compiled(at, *data)]

    density, gradient = evaluated(theta)
    assert density == pytest.approx(expected, rel=1e-10)
    step = 1e-5 * np.random.default_rng(2).normal(size=theta.shape)
    ahead, behind = (evaluated(theta + side * step)[0] for side in (1, -1))
    assert (gradient * step).sum(axis=1) * 2 == pytest.approx(ahead - behind, rel=1e-4)
