"""Half-precision products through float32: rounded once, and the model as before afterwards."""

import pytest
import torch
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from workflow_scripts.glasses import half_products

DTYPES = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}  # half a unit in the last place
FLOAT32 = 2.0**-24


@pytest.fixture(autouse=True)
def no_instructions(monkeypatch):
    """A processor without products of bfloat16."""
    monkeypatch.setattr(half_products, "_fast_bfloat16", lambda: False)


def within_one_rounding(found, exact, sizes, inputs, unit):
    """A sum of `inputs` products in float32, whose absolute values add up to `sizes`, then one."""
    bound = (inputs + 1) * FLOAT32 * sizes
    return bool(((found.double() - exact).abs() <= bound + unit * (exact.abs() + bound)).all())


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_are_rounded_once(dtype):
    torch.manual_seed(0)
    left, right = torch.randn(2, 30, 300).to(dtype), torch.randn(2, 300, 50).to(dtype)
    found = half_products.product(left, right)
    exact, sizes = left.double() @ right.double(), left.double().abs() @ right.double().abs()
    assert found.dtype == dtype
    assert within_one_rounding(found, exact, sizes, 300, DTYPES[dtype])
    # Sums in the type itself would be far outside of that.
    coarse = torch.zeros_like(found)
    for k in range(300):
        coarse += left[..., k, None] * right[..., k, None, :]
    assert not within_one_rounding(coarse, exact, sizes, 300, DTYPES[dtype])


class Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.linear = torch.nn.Linear(200, 60)
        self.transposed = Conv1D(40, 60)
        torch.nn.init.normal_(self.transposed.bias)

    def forward(self, states):
        return self.transposed(self.linear(states))


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_layers_of_both_kinds_are_rounded_once_per_layer(dtype):
    model, states = Two().to(dtype), torch.randn(9, 200).to(dtype)
    with torch.inference_mode(), half_products.linear_layers(model):
        assert "forward" in model.linear.__dict__
        middle, found = model.linear(states), model(states)
    for inputs, outputs, weight, bias in (
        (states, middle, model.linear.weight, model.linear.bias),
        (middle, found, model.transposed.weight.T, model.transposed.bias),
    ):
        inputs, weight, bias = (each.detach().double() for each in (inputs, weight, bias))
        exact = functional.linear(inputs, weight, bias)
        sizes = functional.linear(inputs.abs(), weight.abs(), bias.abs())
        assert within_one_rounding(outputs, exact, sizes, inputs.shape[1], DTYPES[dtype])
    assert "forward" not in model.linear.__dict__
    assert "forward" not in model.transposed.__dict__


def test_layers_are_left_alone_where_their_own_products_are_fast(monkeypatch):
    with half_products.linear_layers(model := Two()):
        assert "forward" not in model.linear.__dict__  # float32
    monkeypatch.setattr(half_products, "_fast_bfloat16", lambda: True)
    with half_products.linear_layers(model := Two().bfloat16()):
        assert "forward" not in model.linear.__dict__
    with half_products.linear_layers(model := Two().half()):
        assert "forward" in model.linear.__dict__


def test_a_failure_leaves_the_layers_as_they_were():
    model = Two().half()
    with pytest.raises(KeyError), half_products.linear_layers(model):
        raise KeyError
    assert "forward" not in model.linear.__dict__
