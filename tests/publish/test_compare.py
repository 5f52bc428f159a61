"""Two runs side by side."""

import math

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.publish import compare, summary
from workflow_scripts.shared import tables


def card(values, half=0.1, model="m", **changes):
    frame = pd.DataFrame(
        {
            "study": "softmax",
            "id": [f"S{number}" for number in range(len(values))],
            "model": model,
            "condition": "",
            "quantity": "slope",
            "value": values,
            "ci_low": np.array(values) - half,
            "ci_high": np.array(values) + half,
            "exact": False,
            "n": 5,
            "units": "seeds",
            "verdict": "supported",
            "scale": "default",
        }
    )
    return frame.assign(**changes)


def test_equal_within_and_apart():
    first, second = card([1.0, 1.0, 1.0, 1.0]), card([1.0, 1.12, 1.2, 5.0])
    second.loc[3, ["ci_low", "ci_high"]] = math.nan
    both = compare.side_by_side(first, second)
    assert both["relation"].tolist() == ["equal", "within their intervals", "apart", "no interval"]
    line = compare.summary(both, first, second)
    assert "4 measurements in both: 1 equal, 1 within their intervals, 1 apart" in line


def test_exact_numbers_that_differ_by_rounding_or_below_the_digits_shown_are_equal():
    first = card([0.35052, 2.0e-15, 0.3505, 3.0e-7], half=0.0, exact=True)
    second = card([0.35054, 9.0e-15, 0.3515, 1.0e-7], half=0.0, exact=True)
    both = compare.side_by_side(first, second)
    assert both["relation"].tolist() == ["equal", "equal", "apart", "apart"]


def test_a_study_of_one_run_only_is_named_and_its_lines_are_not_missing():
    whole = pd.concat([card([1.0]), card([2.0, 3.0], study="glasses")], ignore_index=True)
    line = compare.summary(compare.side_by_side(card([1.0]), whole), card([1.0]), whole)
    assert "only in the second 0. Studies only in the second: glasses." in line
    assert "first:" not in line


def test_independent_estimates_of_one_number_are_apart_in_1_of_20():
    rng = np.random.default_rng(0)
    a, b = (card(rng.normal(0, 1, 4000), half=1.96) for _ in range(2))
    share = (compare.side_by_side(a, b)["relation"] == "apart").mean()
    assert share == pytest.approx(0.05, abs=0.012)


def test_two_models_are_compared_under_both_names():
    both = compare.side_by_side(card([1.0], model="a"), card([1.0], model="b"), ("a", "b"))
    assert both["model"].tolist() == ["a / b"]
    assert compare.side_by_side(card([1.0], model="a"), card([1.0], model="b")).empty


def test_from_the_command_line_with_folders_and_a_kept_file(tmp_path, capsys):
    for name, values in (("one", [1.0, 2.0]), ("two", [1.0, 9.0])):
        (tmp_path / name / "results").mkdir(parents=True)
        tables.write(card(values), tmp_path / name / "results/scorecard.parquet")
    kept = tmp_path / "kept.csv"
    assert compare.main([str(tmp_path / "one")], None, str(kept)) == 0
    assert compare.main([str(kept), str(tmp_path / "two")], None, None) == 0
    shown = capsys.readouterr().out
    assert "1 equal, 1 apart" in shown
    assert "softmax S1 (m): slope: 2 [1.9, 2.1]" in " ".join(shown.split())
    assert compare.main([str(tmp_path / "none"), str(kept)], None, None) == 1
    assert "none" in capsys.readouterr().err


def test_a_kept_file_with_a_claim_that_was_not_tested_keeps_its_intervals(tmp_path, capsys):
    untested = {"value": math.nan, "ci_low": math.nan, "ci_high": math.nan, "n": math.nan}
    none = card([0.0], id="S9").assign(**untested, exact=None, units=None, verdict="not tested")
    tables.write(pd.concat([card([2.0]), none], ignore_index=True), tmp_path / "scorecard.parquet")
    kept = tmp_path / "kept.csv"
    assert compare.main([str(tmp_path)], None, str(kept)) == 0
    assert compare.read(kept)["exact"].tolist()[0] is False
    tables.write(card([9.0]), tmp_path / "scorecard.parquet")
    assert compare.main([str(kept), str(tmp_path)], None, None) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "slope: 2 [1.9, 2.1], n = 5 seeds, supported | 9 [8.9, 9.1]" in shown.replace(
        "\u00a0", " "
    )


def test_the_end_of_a_run_is_compared_with_the_reference_of_its_scale(tmp_path, capsys):
    whole = card([1.0, 2.0], statement="It holds.", source="table 1", note="", kind="claim")
    tables.write(whole, tmp_path / "scorecard.parquet")
    reference = tmp_path / "default.csv"
    assert compare.main([str(tmp_path)], None, str(reference)) == 0
    paths = (tmp_path / "scorecard.parquet", tmp_path / "work/last.parquet", tmp_path / "none")
    assert summary.main(*paths, reference) == 0
    assert "reference run (default.csv): 2 measurements in both: 2 equal" in " ".join(
        capsys.readouterr().out.split()
    )
    tables.write(whole.assign(scale="smoke"), tmp_path / "scorecard.parquet")
    assert summary.main(*paths, reference) == 0
    assert "reference run" not in capsys.readouterr().out
