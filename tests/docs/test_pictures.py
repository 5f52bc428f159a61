"""The README's pictures: the stages are up to date, and the scorecard of any run can be drawn."""

import sys

import pandas as pd
import pytest

from workflow_scripts.publish.scorecard import VERDICTS
from workflow_scripts.shared import figures
from workflow_scripts.shared.fingerprint import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import pictures

figures.use_style()


def test_the_stages_in_the_readme_are_as_drawn_now(tmp_path):
    pictures.stages(tmp_path / "stages.svg")
    assert (tmp_path / "stages.svg").read_bytes() == (ROOT / "docs/stages.svg").read_bytes()


def test_every_stage_is_reached_and_leads_to_the_archive():
    reached = {"corpus", "requests", "training"}
    for _ in pictures.BOXES:
        reached |= {end for start, end in pictures.ARROWS if start in reached}
    assert reached == set(pictures.BOXES)
    assert {start for start, _ in pictures.ARROWS} == set(pictures.BOXES) - {"archive"}


def made(studies):
    """A scorecard with each verdict once per study."""
    texts = ("source", "quantity", "published_source", "note", "model", "reading", "reason")
    row = dict.fromkeys(texts) | {"published": "falls", "published_tag": "published", "n": 5}
    row |= {"kind": "claim", "units": "seeds", "exact": False, "condition": ""}
    row |= {"evidence": "theory", "scale": "smoke", "statement": "Accuracy falls with size. " * 9}
    return pd.DataFrame(
        row | {"study": study, "id": f"C{number}", "verdict": verdict}
        | {"value": number, "ci_low": number - 0.5, "ci_high": number + 0.5}
        for study in studies
        for number, verdict in enumerate(VERDICTS)
    )  # fmt: skip


def test_a_scorecard_is_drawn_small(tmp_path):
    table, path = made(["softmax", "parallel_sequential", "glasses"]), tmp_path / "card.png"
    pictures.scorecard(table, path, wanted=[("softmax", "C0"), ("glasses", "C3")])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size < 200_000


def test_a_claim_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LookupError, match="claim X1 of softmax"):
        pictures.scorecard(made(["softmax"]), tmp_path / "card.png", wanted=[("softmax", "X1")])
