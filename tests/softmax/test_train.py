"""Training and evaluation of heads: independent seeds, reproducible bits, resuming, the fit."""

import dataclasses

import pytest
import torch

from workflow_scripts.shared import weights
from workflow_scripts.softmax import retrieval, temperature, train
from workflow_scripts.softmax.evaluate import evaluate, set_count, weightings
from workflow_scripts.softmax.train import Settings

SETTINGS = Settings(
    normaliser="softmax",
    steps=30,
    batch=32,
    learning_rate=1e-3,
    weight_decay=1e-3,
    width=32,
    categories=10,
    fewest_items=5,
    most_items=16,
    top_k=4,
)


@pytest.fixture(scope="module")
def three() -> retrieval.Parameters:
    return train.train(SETTINGS, 11, [0, 1, 2])[0]


def test_a_head_among_others_is_the_head_alone(three):
    alone = train.train(SETTINGS, 11, [1])[0]
    for name, tensor in retrieval.head_of(three, 1).items():
        torch.testing.assert_close(alone[name], tensor, atol=1e-4, rtol=1e-3)


def test_one_step_agrees_with_torch_optim():
    """Against a plain module trained by torch.nn and torch.optim on the same sets."""
    settings = dataclasses.replace(SETTINGS, steps=1)
    training = train.Training(settings, 11, [0])
    before = {name: tensor.detach().clone() for name, tensor in training.parameters.items()}
    training.advance()
    leaves = {name: t.double().requires_grad_() for name, t in before.items() if name != "scale"}
    sampler = retrieval.Sampler(11, "softmax", "train", 0)
    sets = sampler.draw(settings.batch, 16, 10, 5)
    double = sets._replace(priority=sets.priority.double(), query=sets.query.double())
    scores = retrieval.forward(leaves | {"scale": torch.ones(1, 1, 1)}, double, "softmax", 0)
    loss = torch.nn.functional.cross_entropy(scores[0], sets.label[0])
    optimiser = torch.optim.AdamW(leaves.values(), lr=1e-3, weight_decay=1e-3)
    loss.backward()
    optimiser.step()
    for name in ("v.weight", "out1.weight", "out2.bias"):
        moved = training.parameters[name].detach().double() - before[name]
        torch.testing.assert_close(
            moved, leaves[name].detach() - before[name].double(), atol=2e-5, rtol=0.02
        )


@pytest.mark.parametrize(
    ("normaliser", "steps"),
    [("softmax", 60), ("sparsemax", 60), ("entmax15", 60), ("ssmax", 60), ("sigmoid", 400)],
)
def test_loss_falls(normaliser, steps):
    settings = dataclasses.replace(SETTINGS, normaliser=normaliser, steps=steps, learning_rate=3e-3)
    curve = train.train(settings, 11, [0, 1])[1]
    first, last = curve.head(4)["loss_nats"].mean(), curve.tail(4)["loss_nats"].mean()
    assert last < first - 0.05


def test_only_learned_scales_move(three):
    assert torch.equal(three["scale"], torch.ones(3, 1, 1))
    settings = dataclasses.replace(SETTINGS, normaliser="ssmax", steps=5)
    learned = train.train(settings, 11, [0])[0]["scale"]
    start = retrieval.initial(0, "ssmax", 10, 4, 16)["scale"]
    assert not torch.equal(learned, start)


def test_same_bits_twice(three, tmp_path):
    again = train.train(SETTINGS, 11, [0, 1, 2])[0]
    for name, parameters in (("one", three), ("two", again)):
        weights.write(tmp_path / name, parameters, {"seed": 11})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert retrieval.count(weights.read(tmp_path / "one", "heads")[0]) == 3


def test_resumes_from_a_checkpoint_to_the_same_bits(three, tmp_path):
    """A training that stopped with a checkpoint of step 20 resumes there."""
    checkpoint = tmp_path / "checkpoint.pt"
    stopped = train.Training(SETTINGS, 11, [0, 1, 2])
    for _ in range(20):
        stopped.advance()
    stopped.save(checkpoint)
    resumed, curve = train.train(SETTINGS, 11, [0, 1, 2], checkpoint)
    for name, tensor in three.items():
        assert torch.equal(resumed[name], tensor)
    assert curve["step"].is_monotonic_increasing
    assert curve["step"].max() == 30


def test_evaluation_repeats_and_does_not_depend_on_the_block(three):
    published = [-0.037, 0.481, -2.3, 4.917, -1.791]

    def run(block: int):
        return evaluate(
            three,
            [16, 64],
            lambda items: set_count(items, 40, 1280),
            lambda head: weightings(head, "softmax", 4, published, {}),
            7,
            block,
        )

    first = run(64)
    assert first.equals(run(64))
    other = run(4096)
    assert first["value"].to_numpy() == pytest.approx(other["value"].to_numpy(), abs=0.03)
    assert first.groupby("items")["n"].min().to_dict() == {16: 40, 64: 20}


def test_fit_finds_a_known_quartic():
    import numpy as np
    import pandas as pd

    coefficients = [0.01, -0.1, 0.2, 0.5, 1.0]
    entropy = np.linspace(0.1, 5.0, 40)
    table = pd.DataFrame(
        {"entropy_nats": entropy, "best_beta_accuracy": np.polyval(coefficients, entropy)}
    )
    found = temperature.fit_polynomial(table, "accuracy", 4)
    assert found["coefficients"] == pytest.approx(coefficients, abs=1e-6)
    assert found["explained_variance"] == pytest.approx(1.0)
    assert found["entropy_range_nats"][0] > 0.5
    with pytest.raises(ValueError, match=r"needs 5 points above 0\.5 nats, found 4"):
        temperature.fit_polynomial(table.tail(4), "accuracy", 4)


def test_ties_between_temperatures_are_split_evenly():
    import numpy as np

    assert temperature.best(np.asarray([1.0, 2.0, 4.0, 8.0]), np.asarray([0, 1, 1, 1])) == 4.0
