"""An interrupted training run gives the results of an uninterrupted one; means and differences by
hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cocycles import breadth
from workflow_scripts.clrs import store, training, weights
from workflow_scripts.cocycles import processors, scores, train, trained
from workflow_scripts.shared import tables
from workflow_scripts.shared.parts import Parts

SETTINGS = {
    "width": 8,
    "steps": 6,
    "batch": 4,
    "learning_rate": 1e-2,
    "max_grad_norm": 1.0,
    "chunk_steps": 16,
    "validate_every": 2,
    "inverted_pointers": True,
}


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return breadth.write(tmp_path / "bfs.npz")


def run(folder, data, name="l3", seeds=2):
    models = [str(folder / name / f"{index}.safetensors") for index in range(seeds)]
    curve = str(folder / name / "curve.parquet")
    train.main(data, models, curve, "bfs", name, SETTINGS, 2, 1, {"code": "x"})
    return models, curve


def test_a_killed_training_ends_as_an_undisturbed_one(data, tmp_path, monkeypatch):
    models, curve = run(tmp_path / "whole", data)
    advance, count = training.Training.advance, iter(range(1000))

    def killed(self):
        if next(count) == 9:  # in the second seed, after its checkpoint
            raise KeyboardInterrupt
        advance(self)

    monkeypatch.setattr(training.Training, "advance", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", data)
    again, curve_again = run(tmp_path / "killed", data)
    assert next(count) == 14  # 12 steps, one kill, and the step after the checkpoint once more
    assert tables.read(curve).equals(tables.read(curve_again))
    for first, second in zip(models, again, strict=True):
        one, other = (
            weights.read(path, processors.PROCESSORS).state_dict() for path in (first, second)
        )
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_table_of_an_algorithm_has_what_the_claims_read(data, tmp_path, monkeypatch):
    models = {name: run(tmp_path, data, name)[0] for name in ("l1", "l2", "l3", "l3_linear")}
    work = Parts("trained", [data], code="x")
    frame = trained.measured(models, data, "bfs", [0.5], 2, 1, work)
    # A job that was killed measures no network twice.
    monkeypatch.setattr(trained.weights, "read", None)
    assert trained.measured(models, data, "bfs", [0.5], 2, 1, work).equals(frame)
    rows = pd.DataFrame(trained.pooled(frame, "bfs", 6))
    assert set(rows["model"]) == {"L1", "L2", "L3"}
    own = frame[frame["metric"] == "ood_score"]
    own = own[own["degree"].isna()].pivot(index="seed", columns="processor", values="value")
    best = trained.picked(frame)["L3"]
    found = rows[(rows["metric"] == "ood_difference") & (rows["model"] == "L3")]
    found = found.set_index("other")["value"]
    assert found["L1"] == pytest.approx((own[best] - own["l1"]).mean())
    assert found["L2"] == pytest.approx((own[best] - own["l2"]).mean())
    gaps = rows[(rows["metric"] == "map_largest_gap") & rows["seed"].isna()]
    gaps = gaps.set_index("aggregator")["value"]
    assert gaps["max"] > 1e-3 > 1e-4 > gaps["logsumexp"]


def test_the_mean_over_algorithms_is_taken_seed_by_seed():
    rows = [
        {"experiment": "training", "metric": "ood_score", "algorithm": a, "model": m, "seed": s}
        | {"value": value}
        for a, m, s, value in (
            ("bfs", "L1", 0, 0.2),
            ("bfs", "L1", 1, 0.4),
            ("dfs", "L1", 0, 0.6),
            ("dfs", "L1", 1, 0.8),
            ("bfs", "L2", 0, 0.5),
            ("bfs", "L2", 1, 0.5),
            ("dfs", "L2", 0, 0.9),
            ("dfs", "L2", 1, 1.0),
        )
    ]
    found = pd.DataFrame(scores.overall(pd.DataFrame(rows)))
    means = found[found["metric"] == "ood_score"].set_index("model")["value"]
    assert means.round(9).to_dict() == {"L1": 0.5, "L2": 0.725}
    gap = found[(found["metric"] == "ood_difference") & (found["model"] == "L2")].iloc[0]
    half = 12.706204736 * np.std([0.3, 0.15], ddof=1) / np.sqrt(2)  # Student's t, one degree
    assert (gap["value"], gap["ci_low"]) == pytest.approx((0.225, 0.225 - half))


def test_weights_are_selected_without_the_test_sets(data, tmp_path):
    """Other test sets, same weights; another validation set is another selection."""
    learned, valid, test = train.sets(data, "bfs")
    assert [part.nodes for part in (*learned, valid, test)] == [4, 5, 5, 8]
    columns = store.read(data, "test", 5)
    assert not np.array_equal(columns["input/A"], store.read(data, "valid", 5)["input/A"])
    rng = np.random.default_rng(7)
    splits = {place: store.read(data, *place) for place in store.sets(data)}
    tested = {place: breadth.columns(place[1], 4, rng) for place in splits if place[0] == "test"}
    other = str(tmp_path / "other.npz")
    store.write(other, breadth.SPEC, splits | tested)
    (path, *_), curve = run(tmp_path / "one", data, seeds=1)
    (again, *_), curve_again = run(tmp_path / "two", other, seeds=1)
    assert tables.read(curve).equals(tables.read(curve_again))
    first, second = (weights.read(p, processors.PROCESSORS).state_dict() for p in (path, again))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_gap_of_the_maps_is_averaged_over_seeds_and_tasks():
    gaps = {("bfs", 0): 0.1, ("bfs", 1): 0.3, ("dfs", 0): 0.2, ("dfs", 1): 0.6}
    rows = [
        {"metric": "map_largest_gap", "model": "L3", "aggregator": "max", "algorithm": name}
        | {"seed": seed, "value": value}
        for (name, seed), value in gaps.items()
    ]
    (found,) = scores.map_gaps(pd.DataFrame(rows))
    by_seed, by_task = [0.15, 0.45], [0.2, 0.4]
    t = 12.706204736  # Student's t, one degree of freedom
    half = t * np.sqrt(np.var(by_seed, ddof=1) / 2 + np.var(by_task, ddof=1) / 2)
    assert (found["value"], found["ci_high"]) == pytest.approx((0.3, 0.3 + half))
