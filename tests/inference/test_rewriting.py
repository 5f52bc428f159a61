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


@pytest.mark.parametrize("same", [0, 1, 16, 17, 45])
def test_log_probabilities_are_those_of_whole_rows(engine, same):
    random = np.random.default_rng(same)
    rows = random.integers(5, 300, (ROWS, LENGTH)).tolist()
    rewriting = engine.rewriting(rows)
    every = [0, 3, 30, 58, 59]
    found = rewriting.written(every)
    torch.testing.assert_close(found, expected(engine, rows, every), atol=1e-4, rtol=1e-4)
    # Fewer rows each time, and some that stay the same for longer and have other lengths.
    for chosen, kept, length in (
        ([0, 1, 2, 3, 4], same, 60),
        ([3, 1], same, 50),
        ([1], 49, 60),
        ([1], 60, 70),
    ):
        for row in chosen:
            rows[row] = rows[row][:kept] + random.integers(5, 300, length - kept).tolist()
        late = [kept, length - 3, length - 1]
        new = [rows[row] for row in chosen]
        found = rewriting.rewritten(chosen, new, kept, late)
        torch.testing.assert_close(found, expected(engine, new, late), atol=1e-4, rtol=1e-4)


def test_only_ends_pass_the_model_again(tmp_path):
    engine = engines.load("tiny", tiny.SPEC, str(tiny.save(tmp_path / "model")))
    passed = []
    forward = engine.forward
    engine.forward = lambda tokens, *more: passed.append(tokens.numel()) or forward(tokens, *more)
    vars(engine.forward).update(device=forward.device, windowed=forward.windowed)
    common = list(range(5, 45))
    rows = [common + [other] * 20 for other in range(50, 58)]
    rewriting = engine.rewriting(rows)
    rewriting.written([0, 49, 55])
    assert passed == [32, 8 * 28]  # a common beginning once, in whole blocks
    passed.clear()
    rewriting.rewritten([0, 1, 2, 3], rows[:4], 49, [49, 55])
    assert passed == [4 * 12]  # what follows the last whole block that is the same


def test_logits_that_are_not_finite_are_an_error(tmp_path):
    engine = engines.load("tiny", tiny.SPEC, str(tiny.save(tmp_path / "model")))
    rewriting = engine.rewriting([list(range(5, 35))])
    rewriting.written([25])
    with torch.no_grad():
        engine.model.model.norm.weight[0] = torch.nan
    with pytest.raises(EngineError, match=r"models\.tiny"):
        rewriting.rewritten([0], [list(range(5, 35))], 20, [25])
    with pytest.raises(EngineError, match=r"models\.tiny"):
        engine.rewriting([list(range(5, 35))]).written([25])
