"""Which weights a reasoner keeps: the last ones, or the best ones on the validation sets."""

import pytest
import torch

from tests.cocycles import breadth
from workflow_scripts.clrs import train, weights
from workflow_scripts.shared import tables

SETTINGS = {"processor": "triplet_gmpnn", "width": 8, "batch": 4, "learning_rate": 5e-2}
SETTINGS |= {"max_grad_norm": 1.0, "chunk_steps": 16, "checkpoint_every": 2}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = breadth.write(tmp_path / "bfs.npz")

    def trained(name, steps, **settings):
        path, curve = f"{name}.safetensors", f"{name}.parquet"
        own = SETTINGS | settings
        train.main([data], [path], curve, ["bfs"], steps, own, 1, {"code": "a test"})
        return weights.read(path).state_dict(), tables.read(curve)

    return trained


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_without_validation_the_last_weights_are_kept(run):
    old, _ = run("old", 6)
    last, curve = run("last", 6, validate_every=0)
    assert equal(old, last)
    assert curve["score"].isna().all()


def test_with_validation_the_best_weights_are_kept(run):
    found, curve = run("chosen", 6, validate_every=1)
    assert len(curve) == 6
    best = int(curve.loc[curve["score"].idxmax(), "step"])
    expected, _ = run("short", best, validate_every=0)
    assert equal(found, expected)
