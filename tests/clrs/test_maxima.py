"""Maxima over nodes and their gradients against `torch.amax`, ties included."""

import pytest
import torch

from workflow_scripts.clrs import maxima

SIZES = [(2, 1, 3), (3, 4, 5), (2, 7, 4)]  # samples, nodes, features


def drawn(*shape, ties):
    values = torch.randn(*shape, dtype=torch.float64)
    return (values.round() if ties else values).requires_grad_()


def gradients(found, *arguments):
    torch.manual_seed(1)
    return torch.autograd.grad((found * torch.randn_like(found)).sum(), arguments)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("samples", "nodes", "features"), SIZES)
def test_maximum_is_amax_with_its_gradient(samples, nodes, features, ties):
    torch.manual_seed(0)
    values = drawn(samples, nodes, nodes, features, ties=ties)
    found, expected = maxima.maximum(values), values.amax(1)
    assert torch.equal(found, expected)
    torch.testing.assert_close(gradients(found, values), gradients(expected, values))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("samples", "nodes", "features"), SIZES)
def test_max_plus_is_amax_of_sums_with_its_gradient(samples, nodes, features, ties):
    torch.manual_seed(0)
    pair = [drawn(samples, nodes, nodes, features, ties=ties) for _ in range(2)]
    found = maxima.max_plus(*pair)
    expected = (pair[0][:, :, :, None] + pair[1][:, :, None]).amax(1)
    assert torch.equal(found, expected)
    torch.testing.assert_close(gradients(found, *pair), gradients(expected, *pair))


def test_a_value_that_the_caller_still_needs_stays_as_it_is():
    values = drawn(2, 3, 3, 4, ties=False)
    before = values.detach().clone()
    gradients(maxima.maximum(values), values)
    assert torch.equal(values.detach(), before)
