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
    lengths = [2, 4, 8]
    found = metrics.over_seeds(lengths, [np.inf, 8.0, 4.0])
    assert (found.value, found.low) == (8.0, 2.0)
    assert np.isnan(found.high)
    assert np.isnan(metrics.over_seeds(lengths, [4.0, np.inf]).value)


def test_seeds_that_agree_have_an_onset_since_the_length_before():
    assert metrics.over_seeds([2, 4, 8], [8.0, 8.0])[:3] == (8.0, 4.0, 8.0)
    assert metrics.over_seeds([2, 4, 8], [2.0, 2.0]).low == 1.0


@given(st.lists(st.floats(-100, 100, width=16), min_size=2, max_size=2), st.floats(1e-4, 1))
def test_units_are_of_each_coordinate_not_of_the_largest(values, step):
    plain = torch.tensor([*values, 100.0], dtype=torch.float16)
    moved = torch.nextafter(plain, torch.tensor(torch.inf, dtype=torch.float16))
    for one in range(2):
        other = plain.clone()
        other[one] = moved[one]
        found = metrics.gaps(plain.double().numpy(), other.double().numpy(), "float16")
        # At a power of two the neighbour below is half a unit away.
        assert found["ulps"] in (0.5, 1.0)
        assert found["equal"] == 0
    # A step that a unit of the largest coordinate hides is many units of a small one.
    found = metrics.gaps([1e-3, 100.0], [1e-3 + step / 100, 100.0], "bfloat16")
    assert found["ulps"] > step / 100 / 1e-3


def test_zero_and_subnormal_coordinates_have_the_least_unit():
    least = float(np.finfo(np.float16).smallest_subnormal)
    found = metrics.gaps([0.0, 1.0], [least, 1.0], "float16")
    assert found["ulps"] == 1.0
    assert metrics.gaps([0.0], [0.0], "float64")["ulps"] == 0.0


@given(st.floats(0.3, 2), st.floats(0.1, 100))
def test_crossings_of_a_power_are_exact(power, factor):
    lengths = [5, 50, 500, 5000]
    values = factor * np.array(lengths, float) ** -power
    wanted = (factor / 0.01) ** (1 / power)
    found = metrics.crossings(lengths, [values], 0.01)[0]
    if wanted <= 5:
        assert found == 5
    elif wanted < 5000:
        assert found == pytest.approx(wanted)
    else:
        assert found == pytest.approx(np.inf) or wanted == pytest.approx(5000)


def test_grids_run_from_end_to_end():
    grid = metrics.log_grid(4, 100_000, 20)
    assert (grid[0], grid[-1], len(grid)) == (4, 100_000, 20)
    assert metrics.log_grid(2, 5, 20) == [2, 3, 4, 5]


def gaps_of(gap, unit=2.0**-7):
    return {"gap_l1": gap, "gap_linf": gap, "equal": (gap < 1e-3) * 1.0, "ulps": gap / unit}


LENGTHS = [2**power for power in range(1, 13)]


def test_rows_of_gaps_that_halve_name_the_length_at_which_they_pass_a_unit():
    gap = np.array([[1.0 / n for n in LENGTHS], [2.0 / n for n in LENGTHS]])
    where = {"precision": "bfloat16", "units": "seeds"}
    found = gap_scores.gap_rows("X", LENGTHS, gaps_of(gap), **where)
    told = {row["metric"]: row for row in found if row.get("seed") is None}
    assert (told["collapse_length"]["ci_low"], told["collapse_length"]["ci_high"]) == (64, 256)
    assert (told["equal_length"]["ci_low"], told["equal_length"]["ci_high"]) == (512, 2048)
    assert told["longest_gap_ulps"]["value"] == pytest.approx(1.5 / 4096 * 128)
    assert (told["apart_share"]["value"], told["apart_share"]["n"]) == (0.0, 2)
    told = {
        row["metric"]: row for row in gap_scores.limit_rows("X", LENGTHS, gaps_of(gap), **where)
    }
    assert told["limit_l1"]["value"] == pytest.approx(0.0, abs=1e-5)
    lines = [row["value"] for row in gap_scores.limit_rows("X", LENGTHS, gaps_of(gap), **where)
             if row["metric"] == "line_length"]  # fmt: skip
    assert lines == pytest.approx([128, 256])


def test_an_overflow_is_named_and_does_not_count_as_apart_for_ever():
    gap = np.array([[1.0 / n for n in LENGTHS]])
    gap[0, 7:] = np.nan
    found = gap_scores.gap_rows(
        "X", LENGTHS, gaps_of(gap), precision="float16", units="draws", panel="count_ones"
    )
    told = {row["metric"]: row for row in found if "length" not in row}
    assert told["overflow_length"]["value"] == LENGTHS[7]
    for metric in ("collapse_length", "equal_length", "apart_share"):
        assert (told[metric]["value"], told[metric]["note"]) == (None, "overflow")
    late = [row for row in found if row.get("length") == LENGTHS[-1]]
    assert {row["note"] for row in late} == {"overflow"}
    assert found[0]["value"] == 0.5


def test_positive_numbers_are_pooled_geometrically_and_zeros_arithmetically():
    assert metrics.positive_mean([1e-4, 1e-2]).value == pytest.approx(1e-3)
    mixed = metrics.positive_mean([0.0, 0.2])
    assert mixed.value == pytest.approx(0.1)
    assert mixed.low == 0.0
