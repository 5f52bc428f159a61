"""The shells that every script ends in: arguments by name, claims judged, figures drawn."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from snakemake.iocontainers import InputFiles, OutputFiles, Params, Wildcards

from workflow_scripts.shared import (
    claims,
    figures,
    files,
    job,
    measurements,
    schemas,
    scores,
    tables,
)
from workflow_scripts.shared.claims import POSITIVE, THEORY, Claim


@dataclass
class Job:
    """The part of Snakemake's object that the shells read."""

    rule: str
    input: InputFiles
    output: OutputFiles
    params: Params
    wildcards: Wildcards
    log: list
    threads: int = 1
    config = {"seed": 1}  # noqa: RUF012


def named(kind, entries):
    """As in Snakemake: one flat list, in which a name refers to an entry or a slice."""
    found = kind()
    for name, value in dict(entries).items():
        many = isinstance(value, list) and kind is not Params
        start = len(found)
        found.extend(value if many else [value])
        found._set_name(name, start, end=len(found) if many else None)
    return found


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def made(rule, given, out, params=(), wildcards=()):
        return Job(
            rule,
            named(InputFiles, given),
            named(OutputFiles, out),
            named(Params, params),
            named(Wildcards, wildcards),
            [f"logs/{rule}.log"],
        )

    return made


def test_main_gets_what_the_rule_holds_under_its_names(run):
    seen = {}

    def main(tables, table, model, steps, threads, provenance, spare=7):
        seen.update(locals())

    Path("a").touch(), Path("b").touch()
    job.run(
        run(
            "made_rule",
            {"tables": ["a", "b"], "unread": "b"},
            {"table": "out"},
            {"steps": 3, "code": "abc"},
            {"model": "m"},
        ),
        main,
    )
    assert seen.pop("provenance")["rule"] == "made_rule"
    seen.pop("seen")
    assert seen == {
        "tables": ["a", "b"], "table": "out", "model": "m", "steps": 3, "threads": 1, "spare": 7
    }  # fmt: skip
    assert type(seen["tables"]) is list


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ({}, {}, "expects x, which is not an input"),
        ({"x": "a"}, {"x": 1}, "x is in both input and params"),
    ],
)
def test_a_name_that_is_not_there_or_twice_is_refused(run, given, settings, message):
    with pytest.raises(TypeError, match=message):
        job.arguments(run("r", given, {"out": "o"}, settings), lambda x: None)


def test_claims_are_judged_on_the_scores_of_the_rule(run):
    rows = [scores.exact("E1", "error", 0.5, 10, units="cases", model="theory")]
    tables.write(scores.table([rows], []), "scores.parquet", schemas.SCORES)
    pd.DataFrame({"value": [3]}).to_csv("known.csv", index=False)

    def all_claims(known, width):
        value = float(pd.read_csv(known)["value"][0]) + width
        return [
            Claim(
                id="X1",
                statement="The error is positive.",
                source="section 1",
                quantity="error",
                region=POSITIVE,
                decided_by=THEORY,
                test=lambda s, e: measurements.exact("E1", "error", "made", s, e),
                published=claims.Published(value, "published", "table 1"),
            )
        ]

    given = {"scores": "scores.parquet", "known": "known.csv"}
    claims_rule = run("x_claims", given, {"claims": "claims.json"}, {"width": 2})
    claims.run(claims_rule, all_claims, {"bars": ["X1"], "pies": ["X2"]})
    (entry,) = files.read_json("claims.json")["claims"]
    assert (entry["verdict"], entry["published"]["value"]) == ("supported", 5.0)
    assert entry["measured"]["n"] == 10
    assert entry["trace"]["figures"] == ["bars"]


def test_every_declared_figure_is_drawn_by_the_function_of_its_name(run):
    module = ModuleType("made_figures")
    exec(
        "def bars(data):\n"
        "    import matplotlib.pyplot as plt\n"
        "    figure, axes = plt.subplots()\n"
        "    axes.bar(range(len(data)), data)\n"
        "    return figure\n",
        module.__dict__,
    )
    sys.modules["made_figures"] = module
    out = {"png": ["figures/bars.png"], "pdf": ["figures/bars.pdf"]}
    Path("figures").mkdir()
    figures.run(run("x_figures", {}, out, {"heights": [1, 2]}), lambda heights: heights, module)
    assert Path("figures/bars.png").exists()
    assert Path("figures/bars.pdf").exists()
    with pytest.raises(LookupError, match="figure pies: expected one function pies"):
        figures.drawing("pies", [module])


def test_no_two_models_share_a_colour():
    colours = [figures.model_colour(place) for place in range(40)]
    assert len(set(colours)) == 40
    assert not set(colours) & {*figures.COLOURS.values(), "#FFFFFF"}
    assert colours[0] == figures.MODEL_HUES[0]


def test_rows_are_picked_as_the_caller_states():
    frame = pd.DataFrame(
        {
            "metric": ["a", "a", "a", "b"],
            "seed": pd.array([None, 1, None, None], dtype="Int64"),
            "value": [1.0, 2.0, None, 4.0],
            "layer": [None, None, "x", "x"],
        }
    )

    def picked(seeds="pooled", undefined="keep", **wanted):
        rows = measurements.select(frame, seeds=seeds, undefined=undefined, **wanted)
        return rows.index.tolist()

    assert picked(metric="a") == [0, 2]
    assert picked(metric="a", undefined="drop") == [0]
    assert picked(seeds="any") == [0, 1, 2, 3]
    assert picked(seeds="single") == [1]
    assert picked(layer=None) == [0]
    assert picked(metric=["a", "b"], layer="x") == [2, 3]


def test_a_row_says_what_it_counts_and_whether_it_is_exact():
    made = [
        scores.exact("E", "count", 3, 5, units="cases", size=2),
        scores.mean("E", "accuracy", [0.1, 0.2, 0.6]),
        scores.share("E", "hits", 2, 8, units="runs"),
        scores.number("E", "p", 0.04, 8, units="draws"),
        scores.absent("E", "tv", "not asked", units="draws"),
    ]
    table = tables.check(
        scores.table([made], ["size"], whole=["size"]).assign(model="m"), "made", schemas.SCORES
    )
    assert table["exact"].tolist() == [True, False, False, False, False]
    assert table["units"].tolist() == ["cases", "seeds", "runs", "draws", "draws"]
    assert table["ci_low"].isna().tolist() == [False, False, False, True, True]
    assert table["n"].tolist() == [5, 3, 8, 8, 0]
    assert table["note"].tolist() == ["", "", "", "", "not asked"]
    with pytest.raises(tables.TableError, match="where the value is exact"):
        tables.check(table.assign(exact=True), "made", schemas.SCORES)
