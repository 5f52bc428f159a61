"""Training: the loss is the textbook's, weights repeat bit for bit, a kill changes no result."""

import dataclasses
import math
import signal

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.faults import children
from tests.models import tiny
from workflow_scripts.models import architecture, batches, training
from workflow_scripts.shared import devices

torch.set_num_threads(1)


def build(seed=1):
    return architecture.build(tiny.tokens(), tiny.SHAPE, seed)


def fit(folder, seed=5, settings=tiny.SETTINGS):
    folder.mkdir(exist_ok=True)
    model = build()
    data = tiny.encoded()
    curve = training.fit(model, data, {"all": data}, settings, folder, seed)
    return model, [{k: v for k, v in row.items() if k != "cpu_s"} for row in curve]


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("undisturbed"))


def test_packed_loss_is_that_of_conversations_one_by_one():
    """Independent: transformers' own forward pass with its own attention, one row at a time."""
    model, data = build().eval(), tiny.encoded()
    plain = build().eval()
    total, count = 0.0, 0
    for start, end in zip(data.starts[:40], data.starts[1:41], strict=True):
        ids = torch.from_numpy(data.ids[start:end])
        learnt = torch.from_numpy(data.learnt[start:end])
        with torch.no_grad():
            logits = plain(ids[None]).logits[0, :-1]
        losses = functional.cross_entropy(logits, ids[1:], reduction="none")
        total += float(losses[learnt[1:]].sum())
        count += int(learnt.sum())
    part = batches.Encoded(
        data.ids[: data.starts[40]], data.learnt[: data.starts[40]], data.starts[:41]
    )
    architecture.use_block_attention(model)
    assert training.evaluate(model, part) == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [("avx2 avx512f avx512_bf16", torch.bfloat16), ("sse4_2 avx2", torch.float32)],
)
def test_products_are_in_bfloat16_only_where_the_processor_is_faster_in_it(
    tmp_path, monkeypatch, flags, dtype
):
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n\nprocessor\t: 1\n")
    monkeypatch.setattr(devices, "CPU", cpu)
    model, data, seen = build(), tiny.encoded(), set()
    layer = model.model.layers[0].mlp.gate_proj
    layer.register_forward_hook(lambda _, given, out: seen.add(out.dtype))
    settings = dataclasses.replace(tiny.SETTINGS, steps=1)
    training.fit(model, data, {}, settings, tmp_path, 1)
    assert seen == {dtype}


def test_every_conversation_is_seen_once_an_epoch():
    lengths = tiny.encoded().lengths
    schedule = batches.Schedule(lengths, 512, 3)
    steps = int(lengths.sum()) // 512
    first = [schedule.step(number) for number in range(steps)]
    assert sorted(np.concatenate(first)) == list(range(len(lengths)))
    second = np.concatenate([schedule.step(number) for number in range(steps, 2 * steps)])
    assert sorted(second) == list(range(len(lengths)))
    assert not np.array_equal(np.concatenate(first), second)
    # A step depends on its number alone, so that a resumed run needs no saved position.
    assert np.array_equal(batches.Schedule(lengths, 512, 3).step(4), first[4])


def test_a_batch_holds_its_conversations_and_predicts_their_replies():
    data = tiny.encoded()
    chosen = np.array([5, 1, 90, 33])
    batch = batches.gather(data, chosen)
    assert len(batch.ids) % batches.ROUND == 0
    assert sum(count * length for count, length in batch.blocks) == len(batch.ids)
    expected = [data.ids[data.starts[i] : data.starts[i + 1]] for i in chosen]
    expected.sort(key=len)
    kept = batch.ids[: sum(map(len, expected))]
    assert np.array_equal(kept, np.concatenate(expected))
    following = np.append(batch.ids[1:], 0)
    assert np.array_equal(following[batch.predicts], batch.targets)


def test_a_conversation_beyond_the_context_is_refused_by_name():
    with pytest.raises(ValueError, match=r"9 tokens, the model's max_context is 8: raise models"):
        batches.flatten([(list(range(9)), [True] * 9)], 8)


def test_learning_rate_follows_its_formula():
    settings = dataclasses.replace(tiny.SETTINGS, steps=100, warmup_steps=10)
    rates = [training.learning_rate(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(6.0e-3 / 10)
    assert rates[9] == pytest.approx(6.0e-3)
    assert max(rates) == pytest.approx(6.0e-3)
    middle = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi / 2))
    assert rates[55] == pytest.approx(6.0e-3 * middle)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_it_learns(undisturbed):
    _, curve = undisturbed
    assert [row["step"] for row in curve] == [3, 6, 9, 12]
    assert curve[-1]["loss"] < curve[0]["loss"] - 0.5
    assert curve[0]["loss"] < math.log(len(tiny.tokens())) + 1


def test_same_seed_same_weights_and_another_seed_others(undisturbed, tmp_path):
    model, curve = undisturbed
    again, curve_again = fit(tmp_path / "again")
    assert same(model, again)
    assert curve == curve_again
    other, _ = fit(tmp_path / "other", seed=6)
    assert not same(model, other)


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    build()
    assert torch.equal(torch.rand(3), expected)


def at_step(number):
    """A fault after step `number` (from 0) has been taken."""

    def fault(patch, die):
        step = batches.Schedule.step

        def counted(schedule, at):
            if at == number + 1:
                die()
            return step(schedule, at)

        patch.setattr(batches.Schedule, "step", counted)

    return fault


def in_checkpoint(patch, die):
    """A fault when the second checkpoint is half written."""
    save, saves = torch.save, []

    def half(state, path):
        saves.append(1)
        if len(saves) == 2:
            with open(path, "wb") as stream:
                stream.write(b"half a checkpoint")
            die()
        save(state, path)

    patch.setattr(training.torch, "save", half)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name
)
@pytest.mark.parametrize(
    ("fault", "resumed_from"),
    [(at_step(1), 0), (at_step(9), 8), (in_checkpoint, 4)],
    ids=["before a checkpoint", "after two", "in the second"],
)
def test_a_killed_training_ends_as_an_undisturbed_one(
    undisturbed, tmp_path, monkeypatch, fault, resumed_from, number
):
    folder = tmp_path / "work"
    ended = children.killed(fault, number, lambda: fit(folder))
    assert ended == (130 if number == signal.SIGINT else -number)
    steps, step = [], batches.Schedule.step

    def noted(schedule, at):
        steps.append(at)
        return step(schedule, at)

    monkeypatch.setattr(batches.Schedule, "step", noted)
    model, curve = fit(folder)
    assert steps == list(range(resumed_from, 12))
    assert same(model, undisturbed[0])
    assert curve == undisturbed[1]
