"""One small model for all tests of this folder."""

import pytest
import torch

from tests.inference import tiny

torch.set_num_threads(1)  # as in a job


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def engine(checkpoint):
    from workflow_scripts.inference import engines

    return engines.load("tiny", tiny.SPEC, str(checkpoint))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Each test has its own `work/`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
