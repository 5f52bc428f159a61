"""The end of `make run`: counts by study, contradictions, and what changed since the last run."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from workflow_scripts.publish import summary
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT


def card(**changed):
    rows = [
        {"study": "softmax", "id": "S1", "model": None, "value": 0.5, "verdict": "supported"},
        {"study": "softmax", "id": "S1", "model": None, "value": 0.7, "verdict": "inconclusive"},
        {"study": "glasses", "id": "G1", "model": "m", "value": -2.0, "verdict": "contradicted"},
    ]
    frame = pd.DataFrame(rows).assign(
        statement="It holds.",
        source="table 2",
        quantity="slope",
        note="three seeds",
        condition=["float16", "float32", ""],
        kind="claim",
        scale="smoke",
        n=3,
        units="seeds",
        exact=False,
        ci_low=-3.0,
        ci_high=1.0,
    )
    for name, values in changed.items():
        frame[name] = values
    return frame


@pytest.fixture
def run(tmp_path, capsys):
    def ran(frame):
        tables.write(frame, tmp_path / "scorecard.parquet")
        paths = (tmp_path / "scorecard.parquet", tmp_path / "work/last.parquet")
        assert summary.main(*paths, tmp_path / "report.html") == 0
        return capsys.readouterr().out

    return ran


def test_it_fits_on_a_screen_and_names_what_contradicts(run):
    text = run(card())
    assert len(text.splitlines()) < 24
    assert "glasses G1 (m): It holds. (table 2) slope: -2 [-3, 1]" in " ".join(text.split())
    assert "three seeds" in text
    assert "Contradicted claims of the papers (1)" in text
    assert "parallel" not in text
    assert "Since the last run" not in text


def test_the_next_run_is_compared_with_this_one(run):
    run(card())
    assert "Since the last run: nothing changed." in run(card())
    text = run(card(verdict=["supported", "supported", "contradicted"], value=[0.5, 0.8, -2.0]))
    assert "changed verdicts 1, changed numbers 1, new lines 0, removed lines 0" in text
    assert "softmax S1 (float32): inconclusive → supported" in text
    text = run(card().iloc[:1])
    assert "new lines 0, removed lines 2" in text


def test_a_contradicted_misreading_is_listed_apart_from_the_claims(run):
    text = run(card(kind=["claim", "claim", "misreading"]))
    assert "Contradicted claims" not in text
    assert "Contradicted, but no claim of a paper (1)" in text
    assert "glasses G1 (m), misreading: It holds." in text


def test_a_run_of_one_study_ends_without_error_and_says_how_to_get_a_scorecard(tmp_path, capsys):
    assert summary.main(tmp_path / "none.parquet") == 0
    assert "snakemake scorecard" in capsys.readouterr().out


def test_a_scorecard_older_than_the_claims_of_a_study_is_told(run, tmp_path):
    (tmp_path / "softmax").mkdir()
    claims = tmp_path / "softmax/claims.json"
    claims.touch()
    os.utime(claims, (1, 1))
    assert "Without the latest" not in run(card())
    os.utime(claims, (2**32, 2**32))
    assert "Without the latest claims of softmax" in run(card())


def test_a_study_that_is_left_out_is_named_and_not_missed(run, tmp_path, capsys):
    run(card())
    kept = card().iloc[:2]
    provenance = {"settings": {"left_out": ["glasses"]}}
    tables.write(kept, tmp_path / "scorecard.parquet", provenance=provenance)
    (tmp_path / "glasses").mkdir()
    (tmp_path / "glasses/claims.json").touch()
    os.utime(tmp_path / "glasses/claims.json", (2**32, 2**32))
    paths = (tmp_path / "scorecard.parquet", tmp_path / "work/last.parquet")
    assert summary.main(*paths, tmp_path / "report.html") == 0
    text = capsys.readouterr().out
    assert "Studies that are not part of this run: glasses." in text
    assert "Without the latest" not in text
    assert "Since the last run: nothing changed." in text


def test_runs_of_two_scales_are_not_compared(run):
    run(card())
    assert "Not compared with the last run, which had scale smoke." in run(card(scale="default"))


@pytest.mark.parametrize("broken", [b"x", None], ids=["no table", "old format"])
def test_an_unreadable_last_scorecard_is_named_and_replaced(run, tmp_path, broken):
    run(card())
    last = tmp_path / "work/last.parquet"
    tables.write(card().drop(columns="scale"), last)
    if broken:
        last.write_bytes(broken)
    assert "Not compared with the last run: " in run(card())
    assert "Since the last run: nothing changed." in run(card())


def test_a_scorecard_of_an_old_format_gives_one_line(tmp_path, capsys):
    tables.write(card().drop(columns=["n", "scale"]), tmp_path / "old.parquet")
    assert summary.main(tmp_path / "old.parquet") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "without n, scale; `snakemake scorecard --forcerun" in line


def test_a_terminal_that_lacks_a_character_shows_a_question_mark(tmp_path):
    """Greek letters and arrows on a Latin-1 terminal."""
    environment = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "workflow_scripts.publish.summary"]
    for verdict in ("inconclusive", "supported"):
        verdicts = ["supported", verdict, "contradicted"]
        frame = card(statement="σ → é.", verdict=verdicts)
        tables.write(frame, tmp_path / summary.SCORECARD)
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.decode("latin-1").split())
    assert "softmax S1 (float32): inconclusive ? supported" in text
    assert "? ? é. (table 2)" in text
