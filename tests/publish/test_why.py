"""`make why` prints what decides a claim, from the results of a run."""

import json

import pandas as pd
import pytest

from tests.publish.test_scorecard import entry
from workflow_scripts.publish import why
from workflow_scripts.shared import schemas, scores, tables


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/softmax"
    folder.mkdir(parents=True)
    rows = [
        scores.number("E1", name, value, 9, units="heads", model="theory", items=items)
        for name, value, items in (("gain", 1.5, 16), ("slope", -0.98765, 64), ("gain", 2.5, 256))
    ]
    tables.write(scores.table([rows], ["items"]), folder / "scores.parquet", schemas.SCORES)
    code = {"file": "workflow_scripts/softmax/claims.py", "function": "", "first": 7, "last": 7}
    trace = {"metrics": ["slope"], "rows": [[1, 1]], "also_read": [[0, 0], [2, 2]]}
    trace |= {"figures": ["entropy"], "code": [code]}
    content = {"provenance": {"commit": "abc123"}, "claims": [entry("S1", trace=trace)]}
    (folder / "claims.json").write_text(json.dumps(content))
    return tmp_path


def test_it_names_rows_figures_code_and_command(run, capsys):
    assert why.main("softmax-S1") == 0
    text = capsys.readouterr().out
    for said in (
        "Attention | disperses.",
        "holds for: at most 0",
        "rows 1 of results/softmax/scores.parquet",
        "-0.98765",
        "also read: E1 gain (2); rows 0, 2",
        "results/softmax/figures/entropy.png",
        "workflow_scripts/softmax/claims.py:7 (the claim)",
        "at commit abc123",
        "snakemake results/softmax/claims.json --forcerun softmax_claims",
    ):
        assert said in text, text
    (row,) = [line for line in text.splitlines() if "-0.98765" in line and "slope" in line]
    held = pd.read_parquet(run / "results/softmax/scores.parquet").loc[1]
    assert str(held["items"]) in row.split()


def test_an_unknown_claim_names_those_that_are_near(run, capsys):
    assert why.main("softmax-S2") == 1
    assert "such as softmax-S1" in capsys.readouterr().err


def test_a_folder_without_a_run_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert why.main("softmax-S1") == 1
    assert "run `snakemake scorecard`" in capsys.readouterr().err
