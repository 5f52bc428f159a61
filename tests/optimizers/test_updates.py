"""Every optimiser against a direct implementation in NumPy float64, and against `torch.optim`."""

import numpy as np
import pytest
import torch

from tests.optimizers import direct
from workflow_scripts.optimizers import registry
from workflow_scripts.optimizers.updates import Moment

SHAPE, STEPS = (4, 6), 12
TOLERANCE = 1.0e-9  # relative, float64
SHAMPOO = {"momentum": 0.9, "decay": 1.0, "exponent": 0.25, "epsilon": 1.0e-4}
CASES = {
    "sgd": ("sgd", {"momentum": 0.9}, direct.sgd, {}),
    "adam": ("adam", {"beta1": 0.9, "beta2": 0.99}, direct.adam, {"epsilon": 1e-8}),
    "adagrad": ("adagrad", {"momentum": 0.9, "epsilon": 1e-4}, direct.adagrad, {}),
    "shampoo, summed": (
        "shampoo",
        SHAMPOO | {"grafted": False, "refresh_every": 1},
        direct.shampoo,
        {},
    ),
    "shampoo, averaged": (
        "shampoo_averaged",
        SHAMPOO | {"decay": 0.9, "grafted": False, "refresh_every": 3},
        direct.shampoo,
        {},
    ),
    "shampoo, averaged and grafted": (
        "shampoo_grafted",
        SHAMPOO | {"decay": 0.9, "grafted": True, "refresh_every": 3},
        direct.shampoo,
        {},
    ),
    "soap": (
        "soap",
        {"beta1": 0.95, "beta2": 0.9, "decay": 0.9, "epsilon": 1e-8, "refresh_every": 4},
        direct.soap,
        {},
    ),
    "muon": ("muon", {"momentum": 0.95, "newton_schulz_steps": 5}, None, {}),
}


def gradients(replicas=3, seed=0, shape=SHAPE):
    generator = torch.Generator().manual_seed(seed)
    # Full rank and unequal scales, so that every eigenvalue is simple.
    scale = torch.linspace(1, 3, shape[1], dtype=torch.float64)
    raw = torch.randn(STEPS, replicas, *shape, generator=generator, dtype=torch.float64)
    return raw * scale


def directions(optimizer, stack, factors=None):
    """Directions at gradients (steps, R, out, in), with the weights held at 0."""
    w = torch.zeros_like(stack[0])
    state, found = optimizer.start(w), []
    for step, g in enumerate(stack):
        refresh = step % optimizer.refresh_every == 0
        count = torch.full((len(w), 1, 1), step + 1.0, dtype=w.dtype)
        moment = Moment(count, refresh, factors[step] if factors and refresh else None)
        direction, state = optimizer.step(g, w, state, moment)
        found.append(direction)
    return torch.stack(found)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", [(4, 6), (6, 4)])
def test_against_the_update_written_out(case, shape):
    name, settings, reference, more = CASES[case]
    stack = gradients(shape=shape)
    found = directions(registry.optimizer(name, settings), stack).numpy()
    for replica in range(stack.shape[1]):
        mine = list(stack[:, replica].numpy())
        if case == "muon":
            expected = direct.muon(mine, 0.95, 5)
        else:
            expected = reference(mine, **settings, **more)
        np.testing.assert_allclose(found[:, replica], expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_kfac_against_the_update_written_out():
    settings = {"momentum": 0.9, "decay": 0.8, "damping": 0.01, "refresh_every": 3}
    stack, generator = gradients(), torch.Generator().manual_seed(1)
    factors = []
    for _ in range(STEPS):
        draws = [torch.randn(3, 9, n, generator=generator, dtype=torch.float64) for n in (6, 4)]
        factors.append(tuple(d.mT @ d / 9 for d in draws))
    found = directions(registry.optimizer("kfac", settings), stack, factors).numpy()
    for replica in range(3):
        own = [tuple(f[replica].numpy() for f in pair) for pair in factors]
        expected = direct.kfac(list(stack[:, replica].numpy()), own, **settings)
        np.testing.assert_allclose(found[:, replica], expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("name", "settings", "library", "arguments", "tolerance"),
    [
        ("sgd", {"momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}, 1e-12),
        ("adam", {}, torch.optim.Adam, {}, 1e-12),
        ("adamw", {"weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}, 1e-12),
        # torch runs Newton-Schulz in bfloat16.
        ("muon", {}, torch.optim.Muon, {"weight_decay": 0.0}, 3e-2),
    ],
)
def test_against_torch_optim(name, settings, library, arguments, tolerance):
    stack, rate = gradients(replicas=1), 0.02
    optimizer = registry.optimizer(name, settings)
    start = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    w, state = start[None].clone(), optimizer.start(start[None])
    theirs = torch.nn.Parameter(start.clone())
    expected = library([theirs], lr=rate, **arguments)
    for step, g in enumerate(stack):
        count = torch.full((1, 1, 1), step + 1.0, dtype=torch.float64)
        direction, state = optimizer.step(g, w, state, Moment(count, True))
        w = w - rate * direction
        theirs.grad = g[0].clone()
        expected.step()
    moved = (theirs.detach() - start).norm()
    assert float((w[0] - theirs.detach()).norm() / moved) < tolerance


@pytest.mark.parametrize("name", ["shampoo", "kfac", "muon"])
def test_rotating_the_axes_rotates_the_direction(name):
    """Matrix optimisers are invariant to rotation: U G V' gives U D V'. Adam is not."""
    generator = torch.Generator().manual_seed(3)
    u, v = (
        torch.linalg.qr(torch.randn(1, n, n, generator=generator, dtype=torch.float64))[0]
        for n in SHAPE
    )
    stack = gradients(replicas=1)
    factors = rotated = None
    if name == "kfac":
        pairs = [(g.mT @ g, g @ g.mT) for g in stack]
        factors = pairs
        rotated = [(v @ a @ v.mT, u @ s @ u.mT) for a, s in pairs]
    optimizer = registry.optimizer(name, {})
    plain, after = (
        directions(optimizer, stack, factors),
        directions(optimizer, u @ stack @ v.mT, rotated),
    )
    torch.testing.assert_close(after, u @ plain @ v.mT, rtol=1e-6, atol=1e-6)
    adam = registry.optimizer("adam", {})
    difference = directions(adam, u @ stack @ v.mT) - u @ directions(adam, stack) @ v.mT
    assert float(difference.abs().max()) > 0.1


def test_adagrad_is_shampoo_without_off_diagonal_terms():
    """On diagonal gradients both statistics are diagonal, and L^-1/4 G R^-1/4 is G / |G|."""
    generator = torch.Generator().manual_seed(4)
    sizes = torch.rand(STEPS, 1, 5, generator=generator, dtype=torch.float64) + 0.5
    stack = torch.diag_embed(sizes)
    found = [
        directions(registry.optimizer(name, {"epsilon": 1e-9}), stack)
        for name in ("adagrad", "shampoo")
    ]
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


def test_adagrad_against_torch_optim():
    stack, rate = gradients(replicas=1), 0.02
    found = directions(registry.optimizer("adagrad", {"momentum": 0.0, "epsilon": 1e-20}), stack)
    theirs = torch.nn.Parameter(torch.zeros(SHAPE, dtype=torch.float64))
    expected = torch.optim.Adagrad([theirs], lr=rate, eps=1e-10)
    for g in stack:
        theirs.grad = g[0].clone()
        expected.step()
    torch.testing.assert_close(-rate * found.sum(0)[0], theirs.detach(), rtol=1e-6, atol=1e-9)


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(KeyError, match="sgdd"):
        registry.optimizer("sgdd", {})
