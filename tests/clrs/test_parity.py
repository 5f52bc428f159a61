"""Our network against the package's on the same weights and trajectories (`freeze_parity.py`)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from workflow_scripts.clrs import specs
from workflow_scripts.clrs.losses import Loss
from workflow_scripts.clrs.processors import PROCESSORS
from workflow_scripts.clrs.reasoner import Reasoner
from workflow_scripts.clrs.trajectories import Trajectories

FROZEN = sorted((Path(__file__).parent / "frozen").glob("*.npz"))
CLOSE = {"rtol": 1e-4, "atol": 2e-5}  # float32, in another order of summation


def part(frozen, kind):
    prefix = f"{kind}/"
    return {k.removeprefix(prefix): frozen[k] for k in frozen.files if k.startswith(prefix)}


def load(path):
    """The frozen file, our network with its weights, and its trajectories as one batch."""
    algorithm, processor = path.stem.split("-")
    frozen = np.load(path)
    spec = specs.from_json(json.loads(str(frozen["spec"])))
    sets = Trajectories(algorithm, spec, part(frozen, "column"))
    width = part(frozen, "weight")["processor.norm.weight"].shape[0]
    reasoner = Reasoner({algorithm: sets.spec}, width, PROCESSORS[processor])
    weights = {name: torch.from_numpy(value) for name, value in part(frozen, "weight").items()}
    reasoner.load_state_dict(weights)
    return frozen, reasoner, sets.batch(np.arange(len(sets)))


def test_every_kind_of_feature_and_processor_is_there():
    assert {"insertion_sort-triplet_gmpnn", "lcs_length-triplet_gmpnn"} < {p.stem for p in FROZEN}
    assert {path.stem.split("-")[1] for path in FROZEN} >= {"mpnn", "pgn", "gat", "gatv2"}


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
def test_raw_predictions_agree(path):
    frozen, reasoner, batch = load(path)
    with torch.no_grad():
        found = reasoner(batch)
    for name, theirs in part(frozen, "output").items():
        torch.testing.assert_close(
            found.outputs[name], torch.from_numpy(theirs)[batch.order], **CLOSE
        )
    hints = part(frozen, "hint")
    assert set(found.hints[0]) == set(hints)
    for step, ours in enumerate(found.hints):
        for name, value in ours.items():
            running = torch.from_numpy(hints[name][step])[batch.order][: len(value)]
            torch.testing.assert_close(value, running, **CLOSE)


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
@pytest.mark.parametrize("chunk", [None, 2])
def test_losses_agree(path, chunk):
    frozen, reasoner, batch = load(path)
    if "loss" not in frozen.files:
        pytest.skip("the package draws noise for permutations")
    loss = Loss(reasoner.specs[batch.algorithm], batch)
    with torch.no_grad():
        total = sum(float(loss(chunked)) for chunked in reasoner.chunks(batch, chunk))
    assert total == pytest.approx(float(frozen["loss"]), rel=2e-5)


def test_a_layer_that_is_mixed_up_is_noticed():
    frozen, reasoner, batch = load(next(p for p in FROZEN if p.stem == "bellman_ford-mpnn"))
    layer = reasoner.processor
    layer.receiver, layer.sender = layer.sender, layer.receiver
    with torch.no_grad():
        moved = reasoner(batch).outputs["pi"] - torch.from_numpy(frozen["output/pi"])[batch.order]
    assert moved.abs().max() > 1e-2
