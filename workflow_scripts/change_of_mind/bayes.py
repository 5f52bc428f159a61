"""The joint model of the regressions, sampled with NumPyro's NUTS and compiled once per data size.

NumPyro's `MCMC` recompiles at every call. Its functional interface, inside one jitted function
with the data as arguments, does not. The sampler works in the coordinates of the Laplace
approximation at the mode, in which the posterior is nearly a standard normal. This keeps its trees
short and leaves the posterior unchanged.

All densities are computed in float64. The Beta density is written out here: NumPyro's
`Beta.log_prob` under `jit(vmap(...))` returns wrong values with jaxlib 0.10.2 on the CPU.
"""

import os
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from workflow_scripts.change_of_mind.confidence import Floats
from workflow_scripts.change_of_mind.design import COLUMNS, HEADS, Data

BETAS = 2  # heads with a precision
SIZE = len(HEADS) + len(COLUMNS) + BETAS
FURTHEST = 300.0  # log-odds; beyond them a mean of a Beta distribution would underflow to 0
HALF_NORMAL_SCALE = 10.0  # of the precisions' prior (assumed)


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
    """Log prior of `theta`, shape (SIZE,), up to a constant.

    Intercepts and weights are N(0, 1) (inferred), precisions HalfNormal(10) (assumed).
    """
    precisions = split(theta)["precisions"]
    # The last term is the Jacobian: theta contains the logarithms of the precisions.
    return (
        -0.5 * (theta[..., :-BETAS] ** 2).sum()
        - 0.5 * ((precisions / HALF_NORMAL_SCALE) ** 2).sum()
        + theta[..., -BETAS:].sum()
    )


def log_beta(x: Any, log_odds: Any, precision: Any) -> Any:
    """Log density at `x` of Beta(mean precision, (1 - mean) precision), mean = logistic(log_odds).

    The arguments are JAX arrays whose shapes broadcast; the result has their common shape. The
    density is written out by the logarithm of the gamma function.
    """
    from jax.nn import sigmoid
    from jax.scipy.special import gammaln

    jnp = _jax().numpy
    inside = jnp.clip(log_odds, -FURTHEST, FURTHEST)
    a, b = sigmoid(inside) * precision, sigmoid(-inside) * precision
    normalizer = gammaln(precision) - gammaln(a) - gammaln(b)
    return normalizer + (a - 1) * jnp.log(x) + (b - 1) * jnp.log1p(-x)


def log_beta_binomial(hits: Any, draws: Any, log_odds: Any, precision: Any) -> Any:
    """Log-probability of `hits` in `draws`, whose probability has the density of `log_beta`.

    The arguments are JAX arrays whose shapes broadcast; the result has their common shape.
    """
    from jax.nn import sigmoid
    from jax.scipy.special import gammaln

    def log_choose(a: Any, b: Any) -> Any:
        return gammaln(a + b) - gammaln(a) - gammaln(b)

    inside = _jax().numpy.clip(log_odds, -FURTHEST, FURTHEST)
    a, b = sigmoid(inside) * precision, sigmoid(-inside) * precision
    arrangements = gammaln(draws + 1) - gammaln(hits + 1) - gammaln(draws - hits + 1)
    return arrangements + log_choose(a, b) - log_choose(hits + a, draws - hits + b)


def log_likelihood(
    theta: Any, x: Any, final: Any, changed: Any, first: Any, draws: Any, counted: bool = False
) -> Any:
    """Joint log-likelihood of each trial's three heads, shape (n,).

    `theta` has shape (SIZE,), `x` (heads, n, columns), the other arrays (n,). Where the choices are
    `counted`, the first and last head are beta-binomial.
    """
    from jax.nn import log_sigmoid

    parts = split(theta)
    logits = parts["intercepts"][:, None] + x @ parts["weights"]

    def confidence(values: Any, head: int, precision: Any) -> Any:
        if counted:
            return log_beta_binomial(values, draws, logits[head], precision)
        return log_beta(values, logits[head], precision)

    return (
        confidence(final, 0, parts["precisions"][0])
        + log_sigmoid((2 * changed - 1) * logits[1])
        + confidence(first, 2, parts["precisions"][1])
    )


def log_joint(theta: Any, *data: Any, counted: bool = False) -> Any:
    """Log prior plus log-likelihood of `theta`, shape (SIZE,), up to a constant."""
    x, final, changed, first, draws = data
    found = log_likelihood(theta, x, final, changed, first, draws, counted)
    return log_prior(theta) + found.sum()


class Sampler:
    """NUTS with compiled programs that data of equal shape reuse.

    `counted` says that the data are counts of sampled choices.
    """

    def __init__(self, chains: int, warmup: int, draws: int, counted: bool = False):
        jax = _jax()
        joint = partial(log_joint, counted=counted)
        self._slope = jax.jit(jax.value_and_grad(lambda *given: -joint(*given)))
        self._curvature = jax.jit(jax.hessian(lambda *given: -joint(*given)))
        likelihood = partial(log_likelihood, counted=counted)
        self._pointwise = jax.jit(jax.vmap(likelihood, in_axes=(0, *[None] * 5)))
        chain = partial(_chain, warmup, draws, joint)
        self._run = jax.jit(jax.vmap(chain, in_axes=(0, *[None] * 7)))
        self._chains = chains

    def fit(self, data: Data, seed: int) -> Fit:
        """Sample the posterior; draws of `theta` have shape (chains, draws, SIZE)."""
        jax = _jax()
        with jax.enable_x64(True):
            given = _arrays(data)
            centre = self._mode(given)
            curvature = np.asarray(self._curvature(centre, *given))
            covariance: Floats = np.linalg.inv(curvature)
            scale: Any = np.linalg.cholesky((covariance + covariance.T) / 2)
            keys = jax.random.split(jax.random.key(seed % 2**32), self._chains)
            found, diverging = self._run(keys, centre, scale, *given)
            theta = np.asarray(found)
        return Fit(split(theta) | {"theta": theta}, int(diverging.sum()))

    def log_likelihood(self, data: Data, fit: Fit) -> Floats:
        """Log-likelihood of each trial under each draw, shape (chains, draws, n)."""
        with _jax().enable_x64(True):
            given = _arrays(data)
            # One chain at a time: at paper scale all chains together need several GB.
            return np.stack(
                [np.asarray(self._pointwise(chain, *given)) for chain in fit.draws["theta"]]
            )

    def _mode(self, given: list[Any]) -> Floats:
        """The posterior mode, shape (SIZE,)."""
        from scipy import optimize

        def slope(theta: Floats) -> tuple[float, Floats]:
            value, gradient = self._slope(theta, *given)
            return float(value), np.asarray(gradient)

        return optimize.minimize(slope, np.zeros(SIZE), jac=True, method="L-BFGS-B").x


def _chain(
    warmup: int, draws: int, joint: Any, key: Any, centre: Any, scale: Any, *data: Any
) -> Any:
    """One chain: draws of theta = centre + scale z, shape (draws, SIZE), and which diverged."""
    jax = _jax()
    from numpyro.infer.hmc import hmc

    def step(state: Any, _: None) -> tuple[Any, tuple[Any, Any]]:
        state = sample(state)
        return state, (centre + scale @ state.z, state.diverging)

    start, sample = hmc(lambda z: -joint(centre + scale @ z, *data), algo="NUTS")
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


def _arrays(data: Data) -> list[Any]:
    """The data as float64 arrays of JAX."""
    return [_jax().numpy.asarray(values, dtype="float64") for values in data]
