"""Training of reasoners and decoders, killed at critical moments and resumed.

The child is a fork that runs the whole rule script and kills itself; the parent runs it again and
records which steps are repeated.
"""

import os
import signal
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file

from tests.faults import children
from tests.transnar import made, pretrained_models
from workflow_scripts.clrs import export, store, weights
from workflow_scripts.clrs import train as reasoners
from workflow_scripts.clrs import training as reasoners_training
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.transnar import pretrained_train as pretrained
from workflow_scripts.transnar import train as decoders
from workflow_scripts.transnar import training as decoders_training

torch.set_num_threads(1)
STEPS, EVERY = 8, 3  # of each of two models; checkpoints after steps 3 and 6
MODELS, CURVE = ["models/0.safetensors", "models/1.safetensors"], "models/curve.parquet"
NOTED = {"code": "a test"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """bfs with training sets of both rules."""
    path = str(tmp_path_factory.mktemp("kills") / "bfs.npz")
    spec, sets = export.pairs("bfs", [("text_train", 4, 12), ("text_train", 5, 12)], seed=1)
    for nodes in (4, 5):
        sets["train", nodes] = export.trajectories("bfs", "train", nodes, 12, 1)[1]
    store.write(path, spec, sets)
    return path


@pytest.fixture(scope="module")
def reasoner(data):
    path = data.replace("bfs.npz", "reasoner.safetensors")
    weights.write(path, made.reasoner(data), "triplet_gmpnn")
    return path


def train_reasoners(data, _):
    settings = {"processor": "triplet_gmpnn", "width": made.WIDTH, "batch": 4}
    settings |= {"learning_rate": 1e-3, "max_grad_norm": 1.0, "chunk_steps": 16}
    settings |= {"checkpoint_every": EVERY}
    reasoners.main([data], MODELS, CURVE, ["bfs"], STEPS, settings, 1, NOTED)


def train_decoders(data, reasoner):
    settings = {"steps": STEPS, "batch": 4, "learning_rate": 1e-3, "warmup_steps": 2}
    settings |= {"final_rate": 0.1, "max_grad_norm": 1.0, "checkpoint_every": EVERY}
    settings |= {"pass_tokens": 10**6, "recompute": False, "precision": "float32"}
    common = {"width": 16, "layers": 1, "heads": 2, "mlp": 32, "position_range": 128}
    common |= {"labels": 8, "gate": 1.0}
    polynomial = str(ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv")
    given = [data], [reasoner], polynomial, MODELS, CURVE, "hybrid", ["bfs"]
    decoders.main(*given, common, settings, 1, NOTED)


def train_pretrained(data, reasoner):
    checkpoint = data.replace("bfs.npz", "model")
    if not os.path.isdir(checkpoint):
        pretrained_models.save(Path(checkpoint))
    settings = {"steps": STEPS, "batch": 4, "learning_rate": 1e-3, "warmup_steps": 2}
    settings |= {"final_rate": 0.1, "max_grad_norm": 1.0, "checkpoint_every": EVERY}
    settings |= {"pass_tokens": 10**6, "recompute": False, "precision": "float32"}
    model = pretrained_models.MODEL, pretrained_models.SPEC, checkpoint
    given = [data], [reasoner], MODELS, CURVE, "hybrid", *model, ["bfs"]
    pretrained.main(*given, pretrained_models.START, settings, 1, NOTED)


RULES = {
    "clrs_train": (train_reasoners, reasoners_training),
    "transnar_train": (train_decoders, decoders_training),
    "transnar_pretrained_train": (train_pretrained, decoders_training),
}


def results():
    """Weights of both models, and their curves."""
    return [load_file(path) for path in MODELS], tables.read(CURVE)


@pytest.fixture(scope="module", params=RULES)
def rule(request, data, reasoner, tmp_path_factory):
    """A rule's script, the module that trains, and its outputs without a kill."""
    script, training = RULES[request.param]
    here = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("undisturbed"))
    try:
        script(data, reasoner)
        return lambda: script(data, reasoner), training, results()
    finally:
        os.chdir(here)


def at_step(number):
    """Just before step `number` (from 0, over both models)."""

    def fault(patch, die, training):
        advance, taken = training.Training.advance, []

        def counted(own):
            if len(taken) == number:
                die()
            taken.append(1)
            advance(own)

        patch.setattr(training.Training, "advance", counted)

    return fault


def half_written(path, die):
    with open(path, "wb") as stream:
        stream.write(b"half a file")
    die()


def in_checkpoint(patch, die, training):
    """When the second checkpoint is half written."""
    save, saves = torch.save, []

    def half(state, path):
        saves.append(1)
        if len(saves) == 2:
            half_written(path, die)
        save(state, path)

    patch.setattr(training.torch, "save", half)


def in_second_model(patch, die, _):
    """When the second model's file is half written."""
    save, saves = safetensors.torch.save_file, []

    def half(tensors, path, metadata):
        saves.append(1)
        if len(saves) == 2:
            half_written(path, die)
        save(tensors, path, metadata)

    patch.setattr(safetensors.torch, "save_file", half)


def in_curve(patch, die, _):
    """When the last output is half written."""
    patch.setattr(
        tables.pq.ParquetWriter, "write_table", lambda own, _: half_written(own.where, die)
    )


@pytest.mark.parametrize(
    ("fault", "resumed_from", "left"),
    [
        (at_step(1), (0, 0), 0),
        (at_step(7), (6, 0), 0),
        (in_checkpoint, (3, 0), 0),
        (at_step(STEPS + 5), (6, 3), 1),
        (in_second_model, (6, 6), 1),
        (in_curve, (6, 6), 2),
    ],
    ids=[
        "before a checkpoint",
        "after two",
        "in the second",
        "in the second model",
        "in its file",
        "in the curve",
    ],
)
def test_a_killed_training_ends_as_an_undisturbed_one(
    rule, tmp_path, monkeypatch, fault, resumed_from, left
):
    """`resumed_from`: the step of each model; `left`: files of models, whole ones alone."""
    script, training, (models, curve) = rule
    monkeypatch.chdir(tmp_path)
    ended = children.killed(lambda patch, die: fault(patch, die, training), signal.SIGKILL, script)
    assert ended == -signal.SIGKILL
    there = [path for path in MODELS if os.path.exists(path)]
    assert there == MODELS[:left]
    for path, expected in zip(there, models, strict=False):
        assert same(load_file(path), expected)
    assert not os.path.exists(CURVE)

    steps, advance = [], training.Training.advance

    def noted(own):
        steps.append(own.step)
        advance(own)

    monkeypatch.setattr(training.Training, "advance", noted)
    script()
    assert steps == [step for first in resumed_from for step in range(first, STEPS)]
    found, again = results()
    assert all(same(one, other) for one, other in zip(found, models, strict=True))
    assert again.equals(curve)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
