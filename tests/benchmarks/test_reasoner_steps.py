"""The plain formulas of the benchmark give the training steps that the study takes."""

import numpy as np
import pytest
import reasoner_steps
import torch

from tests.cocycles import breadth
from workflow_scripts.clrs import processors
from workflow_scripts.clrs.training import Settings, Training
from workflow_scripts.clrs.trajectories import Trajectories
from workflow_scripts.cocycles import processors as asynchronous

SETTINGS = Settings(8, 3, 4, 1.0e-3, 1.0, 16, 10**9, inverted_pointers=True)
ALL = {**asynchronous.PROCESSORS, **processors.PROCESSORS}


def trained(name):
    data = Trajectories("bfs", breadth.SPEC, breadth.columns(6, 12, np.random.default_rng(1)))
    training = Training({"bfs": [data]}, ALL[name], SETTINGS, 7)
    losses = [training._learn("bfs") for _ in range(3)]
    return losses, {key: value.grad for key, value in training.network.named_parameters()}


@pytest.mark.parametrize("name", ["l1", "l2", "l3", "mpnn", "triplet_gmpnn", "gpgn"])
def test_losses_and_gradients_are_those_of_every_message(name):
    losses, found = trained(name)
    with reasoner_steps.plainly():
        plain, expected = trained(name)
    assert losses == pytest.approx(plain, rel=1e-4)
    assert found.keys() == expected.keys()
    known = {key for key, value in expected.items() if value is not None}
    assert known == {key for key, value in found.items() if value is not None}
    scale = max(float(expected[key].abs().max()) for key in known)
    for key in known:
        torch.testing.assert_close(found[key], expected[key], rtol=1e-3, atol=1e-5 * scale, msg=key)
