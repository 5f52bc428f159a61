"""Units in the last place, and the lengths from which a condition holds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.glasses import gap_scores, metrics

SCALES = st.floats(1e-3, 1e3)


@given(SCALES)
def test_a_unit_is_numpys_spacing(scale):
    for name, kind in (("float64", np.float64), ("float32", np.float32), ("float16", np.float16)):
        rounded = kind(scale)
        assert metrics.ulp(float(rounded), name) == np.spacing(rounded)


@given(SCALES)
def test_a_unit_of_bfloat16_is_torchs_next_number(scale):
    rounded = torch.tensor(scale, dtype=torch.bfloat16)
    upward = torch.nextafter(rounded, torch.tensor(torch.inf, dtype=torch.bfloat16))
    assert metrics.ulp(float(rounded), "bfloat16") == float(upward) - float(rounded)


@given(st.lists(st.booleans(), min_size=4, max_size=9))
def test_onsets_by_looking_one_by_one(holds):
    lengths = [2**place for place in range(len(holds))]
    lasting = next((n for i, n in enumerate(lengths) if all(holds[i:])), np.inf)
    if lasting > lengths[-metrics.LASTING]:
        lasting = np.inf
    assert metrics.lasting_onset(lengths, [holds])[0] == lasting
    first = next((n for n, here in zip(lengths, holds, strict=True) if here), np.inf)
    assert metrics.first_onset(lengths, [holds])[0] == first


def test_a_seed_that_never_gets_there_counts_as_latest():
    found = metrics.over_seeds([np.inf, 8.0, 2.0])
    assert (found.value, found.low) == (8.0, 2.0)
    assert np.isnan(found.high)
    assert np.isnan(metrics.over_seeds([4.0, np.inf]).value)


@given(st.floats(-2, -0.1), st.floats(0.1, 10))
def test_slopes_recover_a_power(power, factor):
    sizes = [10, 100, 1000, 10_000]
    values = factor * np.array(sizes, float) ** power
    values[0] = 1.0  # before the tail
    assert metrics.tail_slopes(sizes, [values], 100)[0] == pytest.approx(power)


def test_grids_run_from_end_to_end():
    grid = metrics.log_grid(4, 100_000, 20)
    assert (grid[0], grid[-1], len(grid)) == (4, 100_000, 20)
    assert metrics.log_grid(2, 5, 20) == [2, 3, 4, 5]


def test_rows_of_gaps_that_halve_name_the_length_at_which_they_pass_a_unit():
    lengths = [2**power for power in range(1, 13)]
    gap = np.array([[1.0 / n for n in lengths], [2.0 / n for n in lengths]])
    scale = np.full_like(gap, 1.5)  # a unit of bfloat16 there is 2^-7
    found = gap_scores.gap_rows(
        "X",
        lengths,
        {"gap_l1": gap, "gap_linf": gap, "equal": gap < 1e-3, "scale": scale},
        precision="bfloat16",
        units="seeds",
    )
    told = {row["metric"]: row for row in found if row.get("seed") is None}
    assert (told["collapse_length"]["ci_low"], told["collapse_length"]["ci_high"]) == (128, 256)
    assert (told["equal_length"]["ci_low"], told["equal_length"]["ci_high"]) == (1024, 2048)
    assert told["gap_slope"]["value"] == pytest.approx(-1.0)
    assert told["longest_gap_ulps"]["value"] == pytest.approx(1.5 / 4096 * 128)


def test_positive_numbers_are_pooled_geometrically_and_zeros_arithmetically():
    assert metrics.positive_mean([1e-4, 1e-2]).value == pytest.approx(1e-3)
    mixed = metrics.positive_mean([0.0, 0.2])
    assert mixed.value == pytest.approx(0.1)
    assert mixed.low == 0.0
