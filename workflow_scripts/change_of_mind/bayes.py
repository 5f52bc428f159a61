"""The regressions' joint model, sampled with NumPyro's NUTS and compiled once per data size.

NumPyro's `MCMC` recompiles at every call. Its functional interface, inside one jitted function
with the data as arguments, does not. The sampler works in the coordinates of the Laplace
approximation at the mode, in which the posterior is nearly a standard normal; this keeps its trees
short and leaves the posterior the same.
"""

import os
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from workflow_scripts.change_of_mind.confidence import Floats
from workflow_scripts.change_of_mind.design import COLUMNS, HEADS, Data

BETAS = 2  # heads with a precision
SIZE = len(HEADS) + len(COLUMNS) + BETAS


class Fit(NamedTuple):
    """Posterior draws, each of shape (chains, draws, …), and the number of divergences."""

    draws: dict[str, Floats]
    divergences: int


def split(theta: Any) -> dict[str, Any]:
    """Intercepts (…, heads), weights (…, columns) and precisions (…, 2) of `theta` (…, SIZE)."""
    heads, last = len(HEADS), len(HEADS) + len(COLUMNS)
    exp = np.exp if isinstance(theta, np.ndarray) else _jax().numpy.exp
    return {
        "intercepts": theta[..., :heads],
        "weights": theta[..., heads:last],
        "precisions": exp(theta[..., last:]),
    }


def log_prior(theta: Any) -> Any:
    """Log prior of `theta`, shape (SIZE,).

    Intercepts and weights are N(0, 1) (inferred), precisions HalfNormal(10) (assumed).
    """
    from numpyro import distributions as dist

    parts = split(theta)
    plain = sum(dist.Normal(0, 1).log_prob(parts[k]).sum() for k in ("intercepts", "weights"))
    # The last term is the Jacobian: theta contains the logarithms of the precisions.
    precisions = dist.HalfNormal(10).log_prob(parts["precisions"]).sum()
    return plain + precisions + theta[..., -BETAS:].sum()


def log_likelihood(theta: Any, x: Any, final: Any, changed: Any, first: Any) -> Any:
    """Joint log-likelihood of each trial's three heads, shape (n,).

    `theta` has shape (SIZE,), `x` (heads, n, columns), `final`, `changed` and `first` (n,).
    """
    import jax
    from numpyro import distributions as dist

    parts = split(theta)
    logits = parts["intercepts"][:, None] + x @ parts["weights"]
    # In float32 a mean can round to exactly 0 or 1, for which there is no Beta distribution.
    means = jax.numpy.clip(jax.nn.sigmoid(logits), 1e-5, 1 - 1e-5)
    a, b = parts["precisions"]
    return (
        dist.Beta(means[0] * a, (1 - means[0]) * a).log_prob(final)
        + dist.Bernoulli(logits=logits[1]).log_prob(changed)
        + dist.Beta(means[2] * b, (1 - means[2]) * b).log_prob(first)
    )


def log_joint(theta: Any, *data: Any) -> Any:
    """Log prior plus log-likelihood of `theta`, shape (SIZE,)."""
    return log_prior(theta) + log_likelihood(theta, *data).sum()


class Sampler:
    """NUTS with compiled programs that data of equal shape reuse."""

    def __init__(self, chains: int, warmup: int, draws: int):
        jax = _jax()
        self._slope = jax.jit(jax.value_and_grad(lambda *given: -log_joint(*given)))
        self._curvature = jax.jit(jax.hessian(lambda *given: -log_joint(*given)))
        self._pointwise = jax.jit(jax.vmap(log_likelihood, in_axes=(0, *[None] * 4)))
        chain = partial(_chain, warmup, draws)
        self._run = jax.jit(jax.vmap(chain, in_axes=(0, *[None] * 6)))
        self._chains = chains

    def fit(self, data: Data, seed: int) -> Fit:
        """Sample the posterior; draws of `theta` have shape (chains, draws, SIZE)."""
        jax = _jax()
        single = _single(data)
        centre = self._mode(single)
        curvature = np.asarray(self._curvature(_single32(centre), *single), dtype=float)
        covariance: Floats = np.linalg.inv(curvature)
        scale: Any = np.linalg.cholesky((covariance + covariance.T) / 2)
        keys = jax.random.split(jax.random.key(seed % 2**32), self._chains)
        found, diverging = self._run(keys, _single32(centre), _single32(scale), *single)
        theta = np.asarray(found, dtype=float)
        return Fit(split(theta) | {"theta": theta}, int(diverging.sum()))

    def log_likelihood(self, data: Data, fit: Fit) -> Floats:
        """Log-likelihood of each trial under each draw, shape (chains, draws, n)."""
        theta = fit.draws["theta"]
        flat = _single32(theta.reshape(-1, SIZE))
        found = np.asarray(self._pointwise(flat, *_single(data)), dtype=float)
        return found.reshape(*theta.shape[:2], -1)

    def _mode(self, single: list[Any]) -> Floats:
        from scipy import optimize

        def slope(theta: Floats) -> tuple[float, Floats]:
            value, gradient = self._slope(_single32(theta), *single)
            return float(value), np.asarray(gradient, dtype=float)

        return optimize.minimize(slope, np.zeros(SIZE), jac=True, method="L-BFGS-B").x


def _chain(warmup: int, draws: int, key: Any, centre: Any, scale: Any, *data: Any) -> Any:
    """One chain: draws of theta = centre + scale z, shape (draws, SIZE), and which diverged."""
    jax = _jax()
    from numpyro.infer.hmc import hmc

    def step(state: Any, _: None) -> tuple[Any, tuple[Any, Any]]:
        state = sample(state)
        return state, (centre + scale @ state.z, state.diverging)

    start, sample = hmc(lambda z: -log_joint(centre + scale @ z, *data), algo="NUTS")
    first, key = jax.random.split(key)
    z = jax.random.normal(first, (SIZE,))
    state = start(z, warmup, adapt_mass_matrix=False, rng_key=key)
    _, (theta, diverging) = jax.lax.scan(step, state, None, warmup + draws)
    return theta[warmup:], diverging[warmup:]


def predictions(data: Data, fit: Fit) -> tuple[Floats, Floats]:
    """Posterior means per trial, shape (n,): chance of a change, confidence in the first choice."""
    intercepts = fit.draws["intercepts"].reshape(-1, len(HEADS))
    weights = fit.draws["weights"].reshape(-1, len(COLUMNS))
    found = []
    for head in (1, 2):
        logits = intercepts[:, head, None] + weights @ data.x[head].T
        found.append((1 / (1 + np.exp(-logits))).mean(axis=0))
    return found[0], found[1]


def _jax() -> Any:
    # One thread, as the rule declares: XLA sizes its own pool when jax is imported.
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ.setdefault("XLA_FLAGS", flags)
    import jax

    return jax


def _single(data: Data) -> list[Any]:
    return [_single32(values) for values in data]


def _single32(values: Floats) -> Any:
    return _jax().numpy.asarray(values, dtype="float32")
