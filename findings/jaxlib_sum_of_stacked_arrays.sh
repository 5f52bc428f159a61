#!/usr/bin/env bash
# jaxlib 0.10.2 on the CPU: `jit(vmap(...))` of a sum over stacked arrays returns wrong numbers past 65,536 elements.
#
# Expected: stack([x, 1 - x]) * stack([a, b]), summed over the stacked axis, less the sum of
# stack([a, b]), is x a + (1 - x) b - a - b up to rounding (1e-6 in float32), with and without `jit`
# and for every size.
# Seen: for `a` and `b` of shape (draws, 864), mapped over the draws with `x` of shape (864,) fixed, 32
# draws are right. With 64 draws, 110,592 elements, 42 % of the results are wrong by up to 0.9; no error
# is raised. Without `jit`, or with `x` broadcast and no `vmap`, they are right. NumPyro 0.22.0 computes
# `Beta.log_prob` in this form, so log-likelihoods of Beta regressions over draws are wrong by up to
# 130 nats.
# Exits with 0 while jaxlib behaves like this, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 scipy==1.17.1
cd "$folder"
JAX_PLATFORMS=cpu "$folder/venv/bin/python" - <<'PYTHON'
import sys
import jax
import jax.numpy as jnp
import numpy as np


def density(a, b, x):
    values, weights = jnp.stack([x, 1 - x], -1), jnp.stack([a, b], -1)
    return jnp.sum(values * weights, -1) - jnp.sum(weights, -1)


def wrong(function, draws):
    """Share of results that are off by more than 0.001, and the largest error."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 1, (2, draws, 864)).astype("float32")
    x = rng.uniform(0.01, 0.99, 864).astype("float32")
    errors = np.abs(np.asarray(function(a, b, x)) - (x * a + (1 - x) * b - a - b))
    return (errors > 1e-3).mean(), errors.max()


mapped = jax.vmap(density, in_axes=(0, 0, None))
cases = {
    "jit(vmap), 32 draws": wrong(jax.jit(mapped), 32),
    "jit(vmap), 64 draws": wrong(jax.jit(mapped), 64),
    "vmap without jit, 64 draws": wrong(mapped, 64),
    "jit without vmap, 64 draws": wrong(jax.jit(lambda a, b, x: density(a, b, x + 0 * a)), 64),
}
for name, (share, largest) in cases.items():
    print(f"{name}: {share:.0%} wrong, largest error {largest:.2g}")
expected = [name == "jit(vmap), 64 draws" for name in cases]
sys.exit([bool(share) for share, _ in cases.values()] != expected)
PYTHON
