"""Muon in float32 is `torch.optim.Muon`, its rounding included."""

from functools import partial

import pytest
import torch

from tests.optimizers import direct
from workflow_scripts.models import muon

SHAPES = [(4, 6), (6, 4), (4, 6), (5, 5)]
STEPS = 4


def drawn(dtype):
    """Matrices, and a gradient of each at every step."""
    generator = torch.Generator().manual_seed(1)
    numbers = [
        [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
        for _ in range(1 + STEPS)
    ]
    return [[each.to(dtype) for each in row] for row in numbers]


def trained(optimiser, dtype, **options):
    """The matrices after all steps with decreasing rates, and before."""
    first, *gradients = drawn(dtype)
    matrices = [torch.nn.Parameter(each.clone()) for each in first]
    steps = optimiser(matrices, lr=1.0, **options)
    for number, row in enumerate(gradients):
        steps.param_groups[0]["lr"] = 0.1 / (1 + number)
        for matrix, gradient in zip(matrices, row, strict=True):
            matrix.grad = gradient.clone()
        steps.step()
        steps.zero_grad()
    return [each.detach() for each in matrices], first


def test_against_torch_optim():
    options = {"weight_decay": 0.3, "momentum": 0.9}
    found, first = trained(muon.Muon, torch.float32, **options)
    scaled = {"adjust_lr_fn": "match_rms_adamw"}
    expected, _ = trained(torch.optim.Muon, torch.float32, **options, **scaled)
    for own, theirs, start in zip(found, expected, first, strict=True):
        assert float((own - theirs).norm() / (theirs - start).norm()) < 1e-2


@pytest.mark.parametrize("shape", [(48, 48), (96, 32), (32, 96)])
def test_small_directions_are_those_of_torch_optim(shape):
    """Its rounding replaces them; float32 without rounding is 5 to 15 % away."""
    generator = torch.Generator().manual_seed(2)
    u, _, v = torch.linalg.svd(
        torch.randn(shape, generator=generator, dtype=torch.float64), full_matrices=False
    )
    gradient = ((u * torch.logspace(0, -6, min(shape), dtype=torch.float64)) @ v).float()
    moved = []
    for optimiser in (muon.Muon, partial(torch.optim.Muon, adjust_lr_fn="match_rms_adamw")):
        matrix = torch.nn.Parameter(torch.zeros(shape))
        matrix.grad = gradient.clone()
        optimiser([matrix], lr=1.0, weight_decay=0.0).step()
        moved.append(matrix.detach())
    found, expected = moved
    assert float((found - expected).norm() / expected.norm()) < 2e-2


def test_orthogonalised_is_the_polynomial_of_the_singular_values():
    for gradient in drawn(torch.float64)[0]:
        expected = direct.muon([gradient.numpy()], 0.0, 5)[0]
        rows, columns = gradient.shape
        expected /= max(1.0, rows / columns) ** 0.5  # the scale of `direct`
        found = muon.orthogonalised(gradient[None])[0]
        torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-9, atol=1e-9)


def test_newton_schulz_makes_singular_values_nearly_one():
    generator = torch.Generator().manual_seed(1)
    matrices = torch.randn(3, 6, 4, generator=generator, dtype=torch.float64)
    found = torch.linalg.svdvals(muon.orthogonalised(matrices))
    assert float(found.min()) > 0.6
    assert float(found.max()) < 1.3


@pytest.mark.parametrize(
    ("before", "after", "tolerance"),
    [("ours", "ours", 0.0), ("ours", "torch", 2e-2), ("torch", "ours", 2e-2)],
)
def test_training_continues_from_a_state(tmp_path, before, after, tolerance):
    """Also where a job that was killed on one node goes on on another kind of processor."""
    first, *gradients = drawn(torch.float32)
    kinds = {"ours": muon.Muon, "torch": partial(torch.optim.Muon, adjust_lr_fn="match_rms_adamw")}

    def trained_on(optimiser, matrices, rows):
        for row in rows:
            for matrix, gradient in zip(matrices, row, strict=True):
                matrix.grad = gradient.clone()
            optimiser.step()
        return [each.detach().clone() for each in matrices]

    def new(kind, weights):
        matrices = [torch.nn.Parameter(each.clone()) for each in weights]
        return kinds[kind](matrices, lr=0.1, weight_decay=0.1), matrices

    expected = trained_on(*new("ours", first), gradients)
    one, matrices = new(before, first)
    weights = trained_on(one, matrices, gradients[:2])
    torch.save([one.state_dict(), weights], tmp_path / "state.pt")
    state, weights = torch.load(tmp_path / "state.pt", weights_only=True)
    other, matrices = new(after, weights)
    other.load_state_dict(state)
    found = trained_on(other, matrices, gradients[2:])
    for own, wanted, start in zip(found, expected, first, strict=True):
        assert float((own - wanted).norm() / (wanted - start).norm()) <= tolerance
