"""Vectorised training equals single training; determinism, divergence, stopping, resuming."""

import numpy as np
import pandas as pd
import pytest
import torch

from workflow_scripts.optimizers import continual, network, registry, tune
from workflow_scripts.optimizers.data import CLASSES, Split
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.optimizers.updates import Moment

PIXELS = 12
NAMES = list(registry.KINDS)
SETTINGS = {
    "shampoo_averaged": {"decay": 0.9},
    "shampoo_grafted": {"decay": 0.9, "grafted": True},
    "adamw": {"weight_decay": 0.1},
}


def synthetic(count: int = 120, seed: int = 0) -> Split:
    """Ten classes around ten centres."""
    draws = np.random.default_rng(seed)
    y = np.arange(count) % CLASSES
    centres = np.random.default_rng(99).normal(size=(CLASSES, PIXELS))
    x = centres[y] + 0.3 * draws.normal(size=(count, PIXELS))
    return Split(x.astype(np.float32), y.astype(np.int64))


PARTS = {"train": synthetic(), "valid": synthetic(40, 1), "test": synthetic(40, 2)}


def training(optimizer, replicas, name="permuted", seeds=3, dtype=torch.float64):
    stream = Stream(name, 2, PARTS, [str(i) for i in range(seeds)], 7)
    return Training(stream, [8], CLASSES, optimizer, replicas, dtype)


@pytest.mark.parametrize("name", NAMES)
def test_a_replica_among_others_takes_the_path_it_takes_alone(name):
    optimizer = registry.optimizer(name, SETTINGS.get(name, {}))
    replicas = [Replica(row, rate) for row, rate in ((0, 0.01), (1, 0.003), (2, 0.03))]
    together = training(optimizer, replicas)
    alone = training(optimizer, replicas[1:2])
    for one in (together, alone):
        for task in range(2):
            one.train_task(task, 12, 16, 0)
    for layer, tensor in alone.parameters.items():
        torch.testing.assert_close(together.parameters[layer][1:2], tensor, rtol=1e-7, atol=1e-8)


def test_a_step_agrees_with_torch_modules():
    """Against torch.nn and torch.optim on the same start and batch."""
    vectorised = training(registry.optimizer("sgd", {}), [Replica(0, 0.1), Replica(1, 0.1)])
    start = {n: t.clone() for n, t in vectorised.parameters.items()}
    index, _ = vectorised.stream.draws(0, 5, 16)
    vectorised.train_task(0, 5, 16, 0)
    for row in range(2):
        module = torch.nn.Sequential(
            torch.nn.Linear(PIXELS, 8), torch.nn.ReLU(), torch.nn.Linear(8, CLASSES)
        ).double()
        layers = dict(zip(start, (module[0], module[2]), strict=True))
        with torch.no_grad():
            for name, layer in layers.items():
                layer.weight.copy_(start[name][row, :, :-1])
                layer.bias.copy_(start[name][row, :, -1])
        optimiser = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        for step in range(5):
            x, y = vectorised.stream.batch(0, torch.tensor([row]), index[:, step])
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(x[0].double()), y[0]).backward()
            optimiser.step()
        for name, layer in layers.items():
            mine = vectorised.parameters[name][row]
            torch.testing.assert_close(mine[:, :-1], layer.weight.detach(), rtol=1e-9, atol=1e-10)
            torch.testing.assert_close(mine[:, -1], layer.bias.detach(), rtol=1e-9, atol=1e-10)


def test_kfac_factors_are_the_fisher_of_a_softmax():
    """For one layer E[d d'] is the mean of diag(p) - p p'; many drawn labels approach it."""
    stream = Stream("single", 1, PARTS, ["0"], 7)
    x = stream.whole("train", 0, torch.tensor([0]))[0].double().repeat(1, 300, 1)
    w = {
        "layer1": torch.randn(1, CLASSES, PIXELS + 1, generator=torch.Generator().manual_seed(0))
        / 4
    }
    w = {name: tensor.double() for name, tensor in w.items()}
    noise = torch.rand(x.shape[:2], generator=torch.Generator().manual_seed(1))
    a, s = network.kronecker_factors(w, x, noise)["layer1"]
    p = network.forward({"layer1": w["layer1"][0]}, x[0])[0].softmax(-1)
    exact = torch.diag(p.mean(0)) - p.mT @ p / len(p)
    torch.testing.assert_close(s[0], exact, rtol=0, atol=4e-3)
    with_one = torch.cat([x[0], torch.ones(len(p), 1)], 1)
    torch.testing.assert_close(a[0], with_one.mT @ with_one / len(p))


@pytest.mark.parametrize("name", NAMES)
def test_replicas_that_rest_early_are_left_behind_and_change_nothing(name):
    """Four of five end after 3, 5 or 7 of 12 steps; all take the paths they take alone."""
    optimizer = registry.optimizer(name, SETTINGS.get(name, {}))
    limits = [3, 12, 5, 7, 3]
    replicas = [Replica(row % 3, 0.01 / (row + 1)) for row in range(len(limits))]
    together = training(optimizer, replicas)
    seen = []
    for task in range(2):
        together.train_task(
            *(task, 12, 16, 0),
            after_step=lambda step: seen.append(together.parameters["layer1"][1].clone()),
            limits=torch.tensor(limits),
            read_at=range(8, 13),
        )
    assert together.steps.tolist() == limits
    for index, (replica, limit) in enumerate(zip(replicas, limits, strict=True)):
        alone = training(optimizer, [replica])
        paths = []
        for task in range(2):
            alone.train_task(
                *(task, 12, 16, 0),
                after_step=lambda _, one=alone, path=paths: path.append(
                    one.parameters["layer1"][0]
                ),
                limits=torch.tensor([limit]),
                read_at=range(1, 13),
            )
        for layer, tensor in alone.parameters.items():
            mine = together.parameters[layer][index : index + 1]
            torch.testing.assert_close(mine, tensor, rtol=1e-7, atol=1e-8)
            for key, value in alone.state[layer].items():
                state = together.state[layer][key][index : index + 1]
                torch.testing.assert_close(state, value, rtol=1e-6, atol=1e-7)
        if index == 1:  # `read_at` are the last steps of both tasks
            for step in (*range(7, 12), *range(19, 24)):
                torch.testing.assert_close(seen[step], paths[step], rtol=1e-7, atol=1e-8)


def test_replicas_stop_exactly_at_their_loss():
    replicas = [Replica(row, 0.02, nats) for row, nats in ((0, 0.5), (1, 0.5), (2, 1.0))]
    run = training(registry.optimizer("adam", {}), replicas, "single")
    run.train_task(0, 400, 32, 120)
    assert not run.moving.any()
    wanted = torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(run.task_loss(0, 120), wanted, rtol=1e-3, atol=0)
    assert len(set(run.steps.tolist())) > 1
    assert float(run.steps[2]) < float(run.steps[0])


@pytest.mark.parametrize("name", ["sgd", "adam", "shampoo", "kfac"])
def test_rare_checks_stop_where_a_check_after_every_step_does(name):
    """No overshoot: weights, steps and optimiser state are those of the first step at the loss."""
    runs = []
    for every in (1, 7):
        replicas = [Replica(row, 0.02, nats) for row, nats in ((0, 0.5), (1, 0.7), (2, 1.0))]
        run = training(registry.optimizer(name, {}), replicas, "permuted")
        for task in range(2):
            run.train_task(task, 401, 32, 120, every)
            stopped = run.task_loss(task, 120)
            torch.testing.assert_close(stopped, run.stops.double(), rtol=2e-3, atol=0)
        runs.append(run)
    fine, coarse = runs
    assert coarse.steps.tolist() == fine.steps.tolist()
    assert coarse.count.tolist() == fine.count.tolist()
    for layer, tensor in fine.parameters.items():
        torch.testing.assert_close(coarse.parameters[layer], tensor, rtol=1e-7, atol=1e-8)
        for key, value in fine.state[layer].items():
            torch.testing.assert_close(coarse.state[layer][key], value, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["sgd", "shampoo"])
def test_a_first_look_at_the_hardest_examples_changes_nothing_but_the_work(name, monkeypatch):
    runs, looks = [], []
    nats = network.nats

    def counted(parameters, x, y):
        looks[-1] += x.ndim == 2 and len(x) == 120  # all examples, and not a batch
        return nats(parameters, x, y)

    monkeypatch.setattr(network, "nats", counted)
    for near in (Training._near, lambda self, weights, rows, x, y: rows):
        monkeypatch.setattr(Training, "_near", near)
        looks.append(0)
        replicas = [Replica(row, 0.02, stop) for row, stop in ((0, 0.5), (1, 0.1), (2, 1.0))]
        run = training(registry.optimizer(name, {}), replicas, "permuted")
        for task in range(2):
            run.train_task(task, 401, 32, 120)
        runs.append(run)
    first, every = runs
    assert looks[0] < looks[1]
    assert first.steps.tolist() == every.steps.tolist()
    assert not first.moving.any()
    for layer, tensor in every.parameters.items():
        torch.testing.assert_close(first.parameters[layer], tensor, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "adagrad", "shampoo", "muon"])
def test_the_order_of_a_gradient_in_memory_changes_no_step_of_an_entry(name):
    """Optimisers that are `elementwise` take the same step, to the last bit."""
    optimizer = registry.optimizer(name, {})
    generator = torch.Generator().manual_seed(1)
    g, w = torch.randn(2, 3, 17, 33, generator=generator)
    transposed = g.mT.contiguous().mT
    moment = Moment(torch.ones(3, 1, 1), True)
    steps = [optimizer.step(each, w, optimizer.start(w), moment)[0] for each in (g, transposed)]
    if optimizer.elementwise:
        assert torch.equal(*steps)
    assert optimizer.elementwise == (name not in ("shampoo", "muon"))


def test_a_replica_that_starts_at_its_loss_does_not_move():
    run = training(registry.optimizer("sgd", {}), [Replica(0, 0.02, 50.0)], "single")
    start = run.parameters["layer1"]
    run.train_task(0, 10, 16, 120, 5)
    assert run.steps.tolist() == [0]
    assert not run.moving.any()
    torch.testing.assert_close(run.parameters["layer1"], start)


def test_the_last_steps_are_checked_as_well():
    """`most` is no multiple of the interval between checks."""
    run = training(registry.optimizer("adam", {}), [Replica(0, 0.02, 0.5)], "single")
    run.train_task(0, 400, 32, 120)
    needed = int(run.steps[0])
    again = training(registry.optimizer("adam", {}), [Replica(0, 0.02, 0.5)], "single")
    again.train_task(0, 400, 32, 120, 300, limits=torch.tensor([needed]))
    assert not again.moving.any()


@pytest.mark.parametrize("name", ["sgd", "shampoo", "soap", "kfac"])
def test_a_diverging_replica_is_flagged_and_disturbs_no_other(name):
    optimizer = registry.optimizer(name, {})
    run = training(optimizer, [Replica(0, 0.003), Replica(1, 1.0e5)])
    alone = training(optimizer, [Replica(0, 0.003)])
    for one in (run, alone):
        one.train_task(0, 25, 16, 0)
    assert run.alive.tolist() == [True, False]
    assert all(bool(tensor[0].isfinite().all()) for tensor in run.parameters.values())
    torch.testing.assert_close(
        run.parameters["layer1"][:1], alone.parameters["layer1"], rtol=1e-7, atol=1e-8
    )


def test_a_reset_clears_only_the_optimisers_state():
    run = training(registry.optimizer("adam", {}), [Replica(0, 0.01), Replica(0, 0.01, reset=True)])
    run.train_task(0, 10, 16, 0)
    before = run.parameters["layer1"].clone()
    torch.testing.assert_close(before[0], before[1])
    run.begin_task()
    assert run.count[:, 0, 0].tolist() == [10, 0]
    assert float(run.state["layer1"]["second"][1].abs().max()) == 0
    assert float(run.state["layer1"]["second"][0].abs().max()) > 0
    torch.testing.assert_close(run.parameters["layer1"], before)


def continual_settings(**changes):
    settings = {
        "hidden": [8],
        "batch": 16,
        "steps": {"permuted": 12, "classes": 8},
        "tasks": 3,
        "seeds": 2,
        "stop_nats": 1.0,
        "most_steps": {"permuted": 20, "classes": 16},
        "loss_examples": 60,
        "check_every": 2,
        "probe_every": 4,
        "fixed_rates": [0.001],
    }
    return continual.Settings(**(settings | changes))


def experiment(name="permuted", rate=0.01, **changes):
    optimizer = registry.optimizer("adam", {})
    return continual.Experiment(name, optimizer, rate, continual_settings(**changes), PARTS, 7)


@pytest.mark.parametrize("name", ["permuted", "classes"])
def test_the_same_rows_twice_and_after_a_kill(tmp_path, name):
    first = experiment(name).run(tmp_path / "one.pt")
    killed = experiment(name)
    killed.run_task()
    extra = [killed.record.rows, killed.updates, killed.accuracies, killed.done]
    killed.training.save(tmp_path / "two.pt", extra)
    again = experiment(name).run(tmp_path / "two.pt")
    pd.testing.assert_frame_equal(first, again)


def test_counts_of_steps_and_protocols(tmp_path):
    rows = experiment().run(tmp_path / "one.pt")
    steps = rows[rows["metric"] == "steps"]
    assert set(steps[steps["protocol"] == "steps"]["value"]) == {12.0}
    assert steps[steps["protocol"] == "matched"]["value"].max() <= 20
    reached = rows[rows["metric"] == "reached"]
    assert set(reached["protocol"]) == {"matched"}
    losses = rows[(rows["metric"] == "train_loss_nats") & (rows["protocol"] == "matched")]
    done = reached.set_index(["seed", "task"])["value"]
    found = losses.set_index(["seed", "task"])["value"]
    assert (found[done == 1] <= 1.001).all()


def test_a_diverged_condition_is_flagged_in_every_row(tmp_path):
    rows = experiment("classes", fixed_rates=[1.0e9]).run(tmp_path / "one.pt")
    assert rows[rows["rate"] == "1e+09"]["diverged"].all()
    assert not rows[rows["rate"] == "tuned"]["diverged"].any()


def test_streams():
    stream = Stream("classes", 0, PARTS, ["0"], 7)
    rows = torch.tensor([0])
    for task in range(5):
        labels = stream.whole("train", task, rows)[1]
        assert set(labels.flatten().tolist()) == {2 * task, 2 * task + 1}
    permuted = Stream("permuted", 3, PARTS, ["0", "1"], 7)
    plain, other = (permuted.whole("test", task, torch.tensor([0, 1]))[0] for task in (0, 1))
    assert torch.equal(plain[0], torch.from_numpy(PARTS["test"].x))
    assert torch.equal(plain.sort(-1).values, other.sort(-1).values)
    assert not torch.equal(other[0], other[1])
    drawn = permuted.draws(1, 4, 6)[0]
    assert torch.equal(drawn, permuted.draws(1, 4, 6)[0])
    assert not torch.equal(drawn[0], drawn[1])


def test_networks_turned_to_stored_pixels_answer_as_on_the_tasks_order():
    run = training(registry.optimizer("sgd", {}), [Replica(row, 0.1) for row in (1, 0, 2)])
    for task in range(2):
        x, _ = run.stream.whole("test", task, run.rows)
        each = [
            network.forward({n: t[row] for n, t in run.parameters.items()}, x[row].double())
            for row in range(3)
        ]
        logits, _, hidden = run.outputs("test", task)
        torch.testing.assert_close(logits, torch.stack([one[0] for one in each]))
        torch.testing.assert_close(hidden[0], torch.stack([one[1][0] for one in each]))


def test_tuning_takes_the_best_rate_that_does_not_diverge():
    def row(rate, accuracy, loss, diverged=False):
        key = {"stream": "s", "rate": rate, "seed": 0, "task": 0}
        return key | {"accuracy": accuracy, "loss_nats": loss, "diverged": diverged}

    table = pd.DataFrame([row(0.1, 0.9, 0.3), row(0.2, 0.9, 0.2), row(0.3, 0.99, 0.1, True)])
    assert tune.chosen(table, "s") == 0.2
    with pytest.raises(ValueError, match="s: expected a rate at which no run diverges"):
        tune.chosen(table[table["rate"] == 0.3], "s")


def test_a_rate_that_diverges_on_a_later_task_is_not_the_tuned_rate():
    rows = [
        {"stream": "s", "rate": rate, "seed": 0, "task": task, "accuracy": accuracy}
        | {"loss_nats": 0.1, "diverged": rate == 0.3 and task == 4}
        for rate, accuracy in ((0.1, 0.9), (0.3, 0.99))
        for task in range(5)
    ]
    assert tune.chosen(pd.DataFrame(rows), "s") == 0.1


def test_of_rates_that_the_images_cannot_tell_apart_that_of_the_smallest_loss_is_tuned():
    def accuracies(values, loss, rate):
        return [
            {"stream": "s", "rate": rate, "seed": cell % 2, "task": cell // 2, "accuracy": value}
            | {"loss_nats": loss, "diverged": False}
            for cell, value in enumerate(values)
        ]

    # Of 300 images in each of six cells: one more is right in one cell and one fewer in none, two
    # more in each cell, and many fewer in each.
    right = np.array([296, 295, 297, 296, 294, 297])
    barely = accuracies((right + np.eye(6)[0]) / 300, 4.2, 1.0)
    rows = [*accuracies(right / 300, 0.04, 0.02), *accuracies((right - 30) / 300, 0.01, 0.001)]
    assert tune.chosen(pd.DataFrame([*rows, *barely]), "s") == 0.02
    clearly = accuracies((right + 2) / 300, 4.2, 1.0)
    assert tune.chosen(pd.DataFrame([*rows, *clearly]), "s") == 1.0


def test_tuning_gives_every_rate_the_same_budget():
    settings = tune.Settings([8], 16, {"permuted": 6, "classes": 6}, 3, 4, 1e-3, 1.0, 2)
    for name, tasks in (("permuted", 3), ("classes", 5)):
        table = tune.tune(name, registry.optimizer("sgd", {}), settings, PARTS, 7)
        assert table.groupby("rate").size().tolist() == [2 * tasks] * 4
    assert tune.grid(settings) == [0.001, 0.01, 0.1, 1.0]


def test_the_loss_of_many_examples_is_that_of_their_chunks(monkeypatch):
    run = training(registry.optimizer("sgd", {}), [Replica(0, 0.1), Replica(1, 0.1)])
    whole = run.task_loss(0, 120)
    monkeypatch.setattr("workflow_scripts.optimizers.training.CHUNK", 50)
    torch.testing.assert_close(run.task_loss(0, 120), whole, rtol=1e-12, atol=0)
