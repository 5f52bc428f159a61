"""Rows whose ends are written anew: logits of the whole rows, and how much passes the model."""

import numpy as np
import pytest
import torch

from tests.inference import tiny
from tests.inference.test_batch_independence import ARCHITECTURES
from workflow_scripts.inference import agreement, engines
from workflow_scripts.inference.engines import EngineError

ROWS, LENGTH = 5, 60


@pytest.fixture(params=ARCHITECTURES)
def engine(request, tmp_path):
    folder = tiny.save(tmp_path / "model", request.param, **ARCHITECTURES[request.param])
    return engines.load("tiny", tiny.SPEC, str(folder))


def expected(engine, rows, places):
    """From one call of the model with eager attention per row."""
    logs = [agreement.eager_logits(engine.model, row).log_softmax(-1) for row in rows]
    return torch.stack(logs)[:, places]


@pytest.mark.parametrize("fixed", [1, 16, 17, 45])
def test_log_probabilities_are_those_of_whole_rows(engine, fixed):
    random = np.random.default_rng(fixed)
    rows = random.integers(5, 300, (ROWS, LENGTH)).tolist()
    rewriting = engine.rewriting(rows, fixed)
    every = [0, 3, fixed - 1, 58, 59]
    found = rewriting.written(every)
    torch.testing.assert_close(found, expected(engine, rows, every), atol=1e-4, rtol=1e-4)
    late = [fixed - 1, fixed, 50, 58]
    for chosen in ([0, 1, 2, 3, 4], [3, 1], [4]):
        ends = random.integers(5, 300, (len(chosen), LENGTH - fixed)).tolist()
        new = [rows[place][:fixed] + end for place, end in zip(chosen, ends, strict=True)]
        found = rewriting.rewritten(chosen, new, late)
        torch.testing.assert_close(found, expected(engine, new, late), atol=1e-4, rtol=1e-4)


def test_only_ends_pass_the_model_again(tmp_path):
    engine = engines.load("tiny", tiny.SPEC, str(tiny.save(tmp_path / "model")))
    passed = []
    forward = engine.forward
    engine.forward = lambda tokens, *more: passed.append(tokens.numel()) or forward(tokens, *more)
    vars(engine.forward).update(device=forward.device, windowed=forward.windowed)
    common = list(range(5, 45))
    rows = [common + [other] * 20 for other in range(50, 58)]
    rewriting = engine.rewriting(rows, 50)
    rewriting.written([49, 55])
    assert passed == [32, 8 * 28]  # a common beginning once, in whole blocks
    passed.clear()
    rewriting.rewritten([0, 1, 2, 3], rows[:4], [49, 55])
    assert passed == [4 * 12]  # what follows the last whole block of the fixed part


def test_logits_that_are_not_finite_are_an_error(tmp_path):
    engine = engines.load("tiny", tiny.SPEC, str(tiny.save(tmp_path / "model")))
    rewriting = engine.rewriting([list(range(5, 35))], 20)
    rewriting.written([25])
    with torch.no_grad():
        engine.model.model.norm.weight[0] = torch.nan
    with pytest.raises(EngineError, match=r"models\.tiny"):
        rewriting.rewritten([0], [list(range(5, 35))], [25])
    with pytest.raises(EngineError, match=r"models\.tiny"):
        engine.rewriting([list(range(5, 35))], 20).written([25])
