"""Packed linear layers: error, bits in every batch, copies, changed weights, global settings."""

import copy

import pytest
import torch

from tests.inference import tiny
from tests.inference.test_batch_independence import answers
from workflow_scripts.inference import engines, packing
from workflow_scripts.inference.cache import MIN_ROWS
from workflow_scripts.inference.engines import Draw
from workflow_scripts.inference.requests import request

SHAPES = [(576, 1536), (1536, 576), (1024, 1024), (576, 3001)]  # inputs, outputs
UNIT = {torch.float32: 2.0**-24, torch.bfloat16: 2.0**-8}

pytestmark = pytest.mark.skipif(
    not packing.available(torch.float32), reason="no oneDNN for x86-64 in this build of torch"
)


class Two(torch.nn.Module):
    """A layer that gains and one that is too small."""

    def __init__(self, inputs=576, outputs=1536, dtype=torch.float32):
        super().__init__()
        torch.manual_seed(inputs + outputs)
        self.large = torch.nn.Linear(inputs, outputs, dtype=dtype)
        self.small = torch.nn.Linear(inputs, 8, dtype=dtype)

    def forward(self, states):
        return self.large(states), self.small(states)


def packed_and_plain(model, states):
    with torch.inference_mode(), packing.Packed(model).in_use():
        packed = model(states)
    with torch.inference_mode():
        return packed, model(states)


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("shape", SHAPES)
def test_sums_have_the_precision_of_the_type(shape, dtype):
    """Against float64: the classical bound of a sum in float32, and one rounding of the result."""
    if not packing.available(dtype):
        pytest.skip("this processor does not compute in bfloat16")
    inputs, outputs = shape
    model = Two(inputs, outputs, dtype)
    states = torch.randn(64, inputs, dtype=dtype)
    (found, small), (_, same) = packed_and_plain(model, states)
    assert torch.equal(small, same)
    weight, bias = model.large.weight.double(), model.large.bias.double()
    exact = states.double() @ weight.T + bias
    sizes = states.double().abs() @ weight.abs().T + bias.abs()
    bound = (inputs + 1) * UNIT[torch.float32] * sizes + UNIT[dtype] * exact.abs()
    assert bool(((found.double() - exact).abs() <= bound).all())
    # Terms of random sign, added one after another: roundings of about sqrt(inputs / 6) units.
    relative = (found.double() - exact).norm().item() / exact.norm().item()
    assert relative < inputs**0.5 * UNIT[torch.float32] + UNIT[dtype]


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_has_the_same_bits_in_every_batch(shape, dtype):
    """On processors with AMX, oneDNN's products in bfloat16 depend on the number of rows anyway."""
    if not packing.available(dtype):
        pytest.skip("this processor does not compute in bfloat16")
    model = Two(*shape, dtype)
    states = torch.randn(2048, shape[0], dtype=dtype)
    sizes = (MIN_ROWS, 16, 24, 64, 72, 192, 256, 1000, 1536)
    with torch.inference_mode():
        plain = {rows: model.large(states[-rows:]) for rows in sizes}
        with packing.Packed(model).in_use():
            whole = model.large(states)
            packed = {rows: model.large(states[-rows:]) for rows in sizes}
    depends = dtype == torch.bfloat16 and torch.cpu._is_amx_tile_supported()
    for rows in sizes:
        assert torch.equal(packed[rows], plain[rows] if depends else whole[-rows:])


def test_layers_are_as_before_outside_a_pass():
    """Gradients and a study's own passes use the model's own layers."""
    model = Two()
    own = packing.Packed(model)
    with own.in_use():
        assert "forward" in model.large.__dict__
        assert "forward" not in model.small.__dict__
    assert "forward" not in model.large.__dict__
    with pytest.raises(KeyError), own.in_use():
        raise KeyError
    assert "forward" not in model.large.__dict__
    model(torch.randn(8, 576))[0].sum().backward()
    assert model.large.weight.grad is not None


def test_changed_weights_are_packed_anew_and_a_copy_packs_its_own():
    model = Two()
    model.own = packing.Packed(model)
    states = torch.randn(8, 576)
    with torch.inference_mode(), model.own.in_use():
        before = model.large(states)
    other = copy.deepcopy(model)
    with torch.no_grad():
        model.large.weight.mul_(2)
        model.large.bias.mul_(2)
    with torch.inference_mode(), model.own.in_use():
        assert torch.equal(model.large(states), 2 * before)
    with torch.inference_mode(), other.own.in_use():
        assert torch.equal(other.large(states), before)


def test_a_model_too_large_to_be_packed_takes_no_memory(monkeypatch):
    """In float32 oneDNN computes with the weights as they are; in bfloat16 torch does so anyway."""
    monkeypatch.setattr(packing, "MOST_BYTES", 1000)
    model = Two()
    own = packing.Packed(model)
    states = torch.randn(64, 576)
    with torch.inference_mode(), own.in_use():
        found = model.large(states)
        assert [layer.pack for layer in own._layers] == [False]
    torch.testing.assert_close(found, model.large(states))
    assert packing._layers(Two(dtype=torch.bfloat16)) == []


def test_no_global_setting_lowers_the_precision(monkeypatch):
    """On processors with AMX, "medium" would let oneDNN round float32 to bfloat16."""
    model = Two()
    setting = torch.backends.mkldnn.matmul
    seen = []
    model.small.register_forward_hook(lambda *_: seen.append(setting.fp32_precision))
    torch.set_float32_matmul_precision("medium")
    try:
        before = setting.fp32_precision
        assert before == "bf16"
        with torch.inference_mode(), packing.Packed(model).in_use():
            model(torch.randn(8, 576))
        assert setting.fp32_precision == before
    finally:
        torch.set_float32_matmul_precision("highest")
    assert seen == ["ieee"]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_replies_alone_are_those_of_64(tmp_path, dtype):
    """With layers wide enough to be packed."""
    if not packing.available(getattr(torch, dtype)):
        pytest.skip("this processor does not compute in bfloat16")
    folder = tiny.save(tmp_path / "model", hidden=512, vocabulary=600, spread=0.05)
    engine = engines.load("tiny", tiny.SPEC | {"dtype": dtype}, str(folder))
    for temperature in (0.0, 1.0):
        how = {"n": 64, "temperature": temperature, "max_tokens": 12, "seed": 4}
        row = request("one", prompt="the river", **how)
        crowd = answers(engine, [Draw(row, sample) for sample in range(64)])
        for sample in (0, 9, 63):
            alone = answers(engine, [Draw(row, sample)])
            assert alone == {(row["request_id"], sample): crowd[row["request_id"], sample]}
    assert len(engine.forward.packed._layers) >= 6
