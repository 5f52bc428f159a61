"""Rows of scores about collisions, from laws and from draws of artificial agents."""

import numpy as np
import pandas as pd
import pytest

from tests.stochasticity.verdicts import PLAIN, digit_laws, drawn
from workflow_scripts.shared import schemas
from workflow_scripts.shared.scores import table
from workflow_scripts.stochasticity import collision_scores
from workflow_scripts.stochasticity.draw_table import CONDITIONS, TRUE


def rows(found):
    frame = table([list(found)], [*CONDITIONS[1:], "cell"], texts=("cell",))
    return schemas.SCORES.validate(frame)


def value(frame, metric, **wanted):
    for name, each in ({"metric": metric} | wanted).items():
        frame = frame[frame[name] == each]
    return frame.iloc[0]


def test_rows_of_laws_of_two_models():
    laws = [digit_laws({PLAIN: far}, model=model) for model, far in (("a", 0.2), ("b", -0.2))]
    found = rows(collision_scores.law_scores(laws))
    # Digits have 0.14 and 0.06 in one model, 0.06 and 0.14 in the other.
    assert value(found, "law_collision", model="a")["value"] == pytest.approx(0.116)
    assert value(found, "law_collision_between", model="a")["value"] == pytest.approx(0.084)
    assert value(found, "law_collision", model=TRUE)["value"] == pytest.approx(0.1)
    assert value(found, "law_guessed", model="b")["value"] == pytest.approx(0.14)
    assert value(found, "law_majority", model=TRUE, cell="5")["value"] == pytest.approx(0.0856)
    assert found["exact"].all()


def test_rows_of_draws_leave_out_replies_that_could_not_be_read():
    rng = np.random.default_rng(6)
    digits = rng.integers(0, 10, 600).astype(float)
    digits[::3] = np.nan
    frames = [
        drawn("S1", "digit", digits, "a"),
        drawn("S2", "digit", np.full(64, 7.0), "a", style="formula"),
        drawn("S1", "digit", np.full(64, 7.0), "b"),
        drawn("S1", "uniform", np.full(64, np.nan), "b"),
    ]
    found = rows(collision_scores.draw_scores(frames))
    row = value(found, "collision", model="a", style="plain")
    assert row["n"] == 400
    assert row["ci_low"] < 0.1 < row["ci_high"]
    assert value(found, "collision", model="b", target="digit")["value"] == 1
    assert pd.isna(value(found, "collision", model="b", target="uniform")["value"])
    seven = np.nanmean(digits == 7) * 600 / 400
    assert value(found, "collision_between", model="a", cell="b")["value"] == pytest.approx(seven)
    # Two prompts, one with a fixed answer: more bits than none.
    assert value(found, "information_bits", model="a", cell="")["ci_low"] > 0
    assert value(found, "guessed", model="b")["value"] == 1
