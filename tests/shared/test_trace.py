"""What a claim's test read of the scores is noted as it reads, and its code is found."""

from functools import partial

import pandas as pd
import pytest

from workflow_scripts.shared import claims, measurements, rows_read, trace
from workflow_scripts.shared.claims import Claim, Evidence, Measured, ModelEvidence, Region

EVIDENCE = ModelEvidence({"a": {"source": "/a"}, "b": {"source": "/b"}}, "softmax")
pick = partial(measurements.select, seeds="pooled", undefined="keep")


@pytest.fixture
def scores():
    """Two metrics by three models: rows 0 to 5."""
    rows = [
        {"experiment": "E1", "metric": metric, "model": model, "value": value}
        for metric, values in (("mean", (1.0, 2.0, 3.0)), ("limit", (7.0, 8.0, 9.0)))
        for model, value in zip(("a", "b", "control"), values, strict=True)
    ]
    fixed = {"ci_low": 0.0, "ci_high": 10.0, "n": 4, "units": "seeds", "exact": False, "seed": None}
    return pd.DataFrame([row | fixed for row in rows])


def traced(test, scores):
    claim = Claim(
        id="S1a",
        statement="It grows.",
        source="Table 1",
        quantity="growth",
        region=Region(low=0.0),
        decided_by=frozenset({Evidence.OTHER_MODEL}),
        test=test,
    )
    entries = claims.judge(claim, scores, EVIDENCE, {"gain": ("S1a",), "maps": ("S9",)})
    return [entry["trace"] for entry in entries]


def each_model(scores, evidence):
    limits = pick(scores, metric="limit")
    rows = pick(scores, metric="mean", model=["a", "b"])
    assert len(limits) == 3
    return measurements.each(rows, evidence, "mean", "none")


def test_the_row_of_a_number_is_known_and_so_is_what_was_read_beside_it(scores):
    first, second = traced(each_model, scores)
    assert (first["rows"], second["rows"]) == ([[0, 0]], [[1, 1]])
    assert first["metrics"] == ["mean"]
    # Of the limits, that of the model itself and the control's, not that of the other model.
    assert rows_read.numbers(first["also_read"]) == [3, 5]
    assert rows_read.numbers(second["also_read"]) == [4, 5]
    assert first["figures"] == ["gain"]


def test_an_extreme_stands_for_all_rows_that_it_was_chosen_from(scores):
    def least(scores, evidence):
        row = measurements.extreme(pick(scores, metric="mean"), "least")
        return [measurements.measured(row, evidence("a"), "least", model="a")]

    (found,) = traced(least, scores)
    assert found["rows"] == [[0, 2]]


def test_a_computed_number_has_no_row_but_what_it_was_computed_from(scores):
    def ratio(scores, evidence):
        rows = pick(scores, model="a")
        wide = rows.pivot(index="model", columns="metric", values="value")
        value = float((wide["limit"] / wide["mean"]).iloc[0])
        return [Measured(value, 6.0, 8.0, 4, evidence("a"), "ratio", "a")]

    (found,) = traced(ratio, scores)
    assert found["rows"] == []
    assert rows_read.numbers(found["also_read"]) == [0, 3]
    assert found["metrics"] == ["mean", "limit"]


def test_a_merged_frame_has_no_rows_of_the_table(scores):
    """Its labels start anew at 0; row 0 of the merge is row 5 of the table."""

    def merged(scores, evidence):
        joined = pick(scores, metric="limit").iloc[::-1].merge(pd.DataFrame({"metric": ["limit"]}))
        assert joined.loc[0, "model"] == "control"
        return measurements.each(pick(joined, model="a"), evidence, "merged", "none")

    (found,) = traced(merged, scores)
    assert found["rows"] == []
    assert rows_read.numbers(found["also_read"]) == [3, 4, 5]  # of the first selection alone


def test_nothing_is_noted_outside_of_a_claim(scores):
    assert rows_read.behind(pick(scores, metric="mean").iloc[0]) == ()


def test_ranges_and_numbers_are_inverse():
    rows = [9, 3, 4, 5, 11, 10]
    assert rows_read.ranges(rows) == [[3, 5], [9, 11]]
    assert rows_read.numbers(rows_read.ranges(rows)) == sorted(rows)


def test_functions_are_found_behind_partials_and_inside_functions():
    def outer(inner):
        def test(scores, evidence):
            return inner(scores, evidence)

        return test

    for test in (each_model, partial(each_model), outer(each_model), partial(outer(each_model))):
        *_, last = trace.functions(test)
        assert last["function"] == "each_model"
        assert last["file"] == "tests/shared/test_trace.py"
    # Those of `shared` count only where there is no other.
    (place,) = trace.functions(partial(measurements.untested, "a proposal"))
    assert place["function"] == "untested"
    assert (
        trace.functions(partial(measurements.untested, each_model))[0]["function"] == "each_model"
    )


def test_a_function_of_a_script_is_found_in_the_script_not_in_the_copy_that_runs(
    tmp_path, monkeypatch
):
    """Snakemake writes lines before a copy of the script, and sets `__file__` to the original."""
    monkeypatch.setattr(trace, "ROOT", tmp_path)
    script = tmp_path / "workflow_scripts" / "claims.py"
    script.parent.mkdir()
    script.write_text("import math\n\n\ndef test(scores, evidence):\n    return [math.pi]\n")
    copy = tmp_path / ".snakemake" / "scripts" / "tmpabc.claims.py"
    copy.parent.mkdir(parents=True)
    copy.write_text(f"# first\n__file__ = {str(script)!r}\n# last\n{script.read_text()}")
    names = {}
    exec(compile(copy.read_text(), str(copy), "exec"), names)
    place = {"file": "workflow_scripts/claims.py", "function": "test", "first": 4, "last": 5}
    assert trace.functions(names["test"]) == [place]
    script.write_text("# changed since\n" + script.read_text().replace("pi", "e"))
    assert trace.functions(names["test"]) == []


def test_a_suffix_for_a_model_of_the_paper_belongs_to_the_claim():
    figures = {"oucs": ("9a",), "ideal": ("9b",)}
    assert trace.showing(figures, "9a-27B") == ["oucs"]
    assert trace.showing(figures, "9") == []
