"""The parity task: labels, held-out strings, the two targets, and checkpoints across a kill."""

import functools
import operator

import pandas as pd
import pytest
import torch
from torch.nn import functional

from workflow_scripts.perplexity import checkpoints, decoder, parity, training
from workflow_scripts.perplexity.decoder import Shape

torch.set_num_threads(1)
SHAPE = Shape(parity.BITS, parity.BITS, 16, 1, 2, "rope")
SETTINGS = {"steps": 6, "learning_rate": 1e-2, "warmup_steps": 2}
SETTINGS |= {"final_rate": 1.0, "weight_decay": 0.0}


def test_labels_are_the_xor_of_the_bits():
    bits = torch.randint(0, 2, (20, 13), generator=torch.Generator().manual_seed(0))
    labels = parity.prefix_parity(bits)
    for row, label in zip(bits.tolist(), labels.tolist(), strict=True):
        for end in range(1, 14):
            assert label[end - 1] == functools.reduce(operator.xor, row[:end])


def test_bits_are_those_of_the_number():
    numbers = torch.tensor([0, 5, 255])
    assert ["".join(map(str, row)) for row in parity.bits_of(numbers, 8).tolist()] == [
        "00000000",
        "00000101",
        "11111111",
    ]


def test_held_out_strings_are_never_drawn():
    train, held_out = parity.split(7, 6)
    assert len(held_out) == 8
    assert set(train.tolist()) | set(held_out.tolist()) == set(range(64))
    data = parity.Strings(7, 1, 500, 6, SHAPE)
    drawn = data.train[data.streams.integers(len(data.train), (500,))]
    assert not set(drawn.flatten().tolist()) & set(held_out.tolist())
    tested = checkpoints.test_strings(7, 6, 6, 8)
    assert {int("".join(map(str, row)), 2) for row in tested.tolist()} == set(held_out.tolist())


def test_the_final_target_has_one_label_per_string_and_the_prefix_target_one_per_bit():
    data = parity.Strings(1, 1, 5, 6, SHAPE)
    parameters = training.initial(1, SHAPE, ["prefix 0", "final 0"], "parity")
    state = data.streams.state()
    loss, _ = data.losses(parameters)
    data.streams.restore(state)
    numbers = data.train[data.streams.integers(len(data.train), (5,))]
    size = data.streams.integers(6, (5, 1))[..., 0] + 1
    bits = parity.bits_of(numbers, 6)
    logits = decoder.forward(parameters, bits, SHAPE)
    by_hand = []
    for model in (0, 1):
        terms = []
        for row in range(5):
            ends = range(1, 7) if model == 0 else [int(size[model, row])]
            for end in ends:
                label = bits[model, row, :end].sum() % 2
                terms.append(functional.cross_entropy(logits[model, row, end - 1], label))
        by_hand.append(torch.stack(terms).mean())
    torch.testing.assert_close(loss, torch.stack(by_hand))


def run(folder, monkeypatch, until=None):
    """`parity.main` in `folder`, killed after `until` steps."""
    monkeypatch.chdir(folder)
    real = decoder.write

    def write(path, *rest):
        if until is not None and f"step{until}." in str(path):
            raise KeyboardInterrupt
        real(path, *rest)

    shape = {name: getattr(SHAPE, name) for name in ("width", "layers", "heads", "encoding")}
    with monkeypatch.context() as patch:
        patch.setattr(decoder, "write", write)
        parity.main("w.safetensors", "c.parquet", shape, SETTINGS, 2, 2, 4, 6, 3, {"code": "x"})
    return decoder.read("w.safetensors")[0]


def test_checkpoints_survive_a_kill(tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = run(tmp_path / "whole", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", monkeypatch, until=4)
    resumed = run(tmp_path / "killed", monkeypatch)
    assert decoder.count(whole) == 3 * 4
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    curve = pd.read_parquet("c.parquet")
    assert sorted(curve["step"].unique()) == list(range(1, 7))
    assert set(zip(curve["target"], curve["seed"], strict=True)) == set(parity.members(2))
    kept = [path.suffix for path in (tmp_path / "killed" / "work").rglob("*") if path.is_file()]
    assert kept == []


def test_a_perfect_model_is_measured_as_one(monkeypatch):
    """Logits that know the parity up to 6 bits only: both targets, near and far."""

    def knows(parameters, bits, shape):
        right = parity.prefix_parity(bits)
        right[..., 6:] = 1 - right[..., 6:]
        return 20.0 * functional.one_hot(right, 2).float()

    monkeypatch.setattr(decoder, "forward", knows)
    stack = decoder.stack([decoder.initial(0, SHAPE)] * 2)
    tested = [checkpoints.test_strings(1, size, 6, 8) for size in (6, 24)]
    frame = checkpoints.evaluate(stack, SHAPE, tested, 6, 1, 100, 1e-12)
    found = frame.set_index(["target", "size", "metric"])["value"]
    assert set(frame["step"]) == {100}
    assert found["prefix", 6, "accuracy"] == found["final", 6, "accuracy"] == 1
    assert found["prefix", 24, "accuracy"] == 0  # bits beyond the trained length only
    assert found["prefix, whole string", 24, "accuracy"] == pytest.approx(6 / 24)
    assert found["final", 24, "accuracy"] == 0
    assert found["final", 24, "nats"] == pytest.approx(20.0, rel=1e-3)


def test_everything_that_training_draws_follows_the_weights_to_their_device():
    """On the device `meta` nothing is computed, but tensors of two devices do not mix."""
    names = [f"{target} {index}" for target, index in parity.members(2)]
    start = training.initial(1, SHAPE, names, "parity")
    data = parity.Strings(1, 2, 3, 8, SHAPE)
    for part in data.losses(decoder.to(start, "meta")):
        assert (part.device.type, part.shape) == ("meta", (4,))
