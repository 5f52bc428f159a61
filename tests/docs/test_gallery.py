"""What the documentation shows of a default run: figures and claims that exist, captions, pages.

The pages themselves come from a run; tests/docs/test_pages.py checks their links.
"""

import re
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image, ImageDraw

from workflow_scripts.shared.fingerprint import ROOT

sys.path.insert(0, str(ROOT / "docs"))
import gallery

STUDIES = gallery.STUDIES
MOST_BYTES = 2_000_000  # of all pictures
CLAIMS = pd.read_csv(ROOT / "resources/reference/default.csv", dtype={"id": str})


def made():
    """A scorecard with one line per claim that is shown."""
    texts = ("source", "quantity", "published_source", "note", "model", "reading", "reason")
    row = dict.fromkeys(texts) | {"published": "falls", "published_tag": "published", "n": 5}
    row |= {"kind": "claim", "units": "seeds", "exact": False, "condition": "", "scale": "default"}
    row |= {"evidence": "theory", "statement": "a | b", "verdict": "supported"}
    row |= {"value": 0.25, "ci_low": 0.2, "ci_high": 0.3, "decided_by": None, "answer": None}
    return pd.DataFrame(
        row | {"study": study, "id": name}
        for study, shown in STUDIES.items()
        for name in shown.claims
    )


@pytest.mark.parametrize("study", STUDIES)
def test_the_figures_and_claims_that_are_shown_exist(study):
    rule = (ROOT / f"rules/{study}.smk").read_text(encoding="utf-8")
    drawn = set(re.findall(r'"(\w+)"', re.search(r"_FIGURES = \[(.*?)\]", rule, re.DOTALL)[1]))
    assert set(STUDIES[study].figures) <= drawn
    assert set(STUDIES[study].claims) <= set(CLAIMS[CLAIMS["study"] == study]["id"])


def test_every_study_of_the_papers_is_shown():
    assert list(STUDIES) == list(yaml.safe_load((ROOT / "config.yaml").read_text())["studies"])[:9]


@pytest.mark.parametrize("study", STUDIES)
def test_captions_are_rendered(study):
    for figure in STUDIES[study].figures:
        text = gallery.caption(study, figure)
        assert text.startswith("**")
        assert not re.search(r"[{}]|``", text)


def test_the_result_replaces_what_is_between_the_marks(tmp_path):
    page = tmp_path / "page.md"
    start, end = gallery.MARKS
    page.write_text(f"# a\n\n{start}\n\nold\n\n{end}\n\nlast\n")
    gallery.write_result(page, gallery.result("softmax", made()))
    text = page.read_text()
    assert text.startswith(f"# a\n\n{start}\n\n## Result\n")
    assert text.endswith(f"{end}\n\nlast\n")
    assert "old" not in text
    assert (
        "| S7 | a \\| b | falls (published) | 0.25 [0.2, 0.3], n\u00a0=\u00a05 seeds | supported |"
        in text
    )
    page.write_text("no marks")
    with pytest.raises(LookupError, match="expected the lines"):
        gallery.write_result(page, "")


def test_an_overnight_page_holds_all_claims_of_its_study(tmp_path, monkeypatch):
    run, docs = tmp_path / "results", tmp_path / "docs"
    card = made()[lambda table: table["study"].isin(["softmax", "perplexity"])]
    for study in ("softmax", "perplexity"):
        figures = run / study / "figures"
        figures.mkdir(parents=True)
        Image.new("RGB", (400, 200)).save(figures / f"{gallery.OVERNIGHT[study]}.png")
    docs.mkdir()
    monkeypatch.setattr(gallery, "DOCS", docs)
    monkeypatch.setattr(gallery.tables, "read", lambda path: card)
    gallery.write_overnight(run)
    assert {path.name for path in (docs / "overnight").iterdir()} == {
        *("softmax.md", "softmax.png", "perplexity.md", "perplexity.png")
    }
    text = (docs / "overnight/softmax.md").read_text()
    assert all(f"**{name}**" in text for name in STUDIES["softmax"].claims)
    assert "C1b" not in text


def test_every_instrument_has_a_page_that_shows_its_figure():
    assert all((ROOT / f"docs/{page}.md").is_file() for page in gallery.INSTRUMENTS)
    for page, (study, figure) in gallery.INSTRUMENTS.items():
        assert (ROOT / f"resources/captions/{study}/{figure}.rst").is_file()
        assert f"](instruments/{page}.png)" in (ROOT / f"docs/{page}.md").read_text()


def test_the_figures_of_instruments_come_from_the_run(tmp_path, monkeypatch):
    run, docs = tmp_path / "results", tmp_path / "docs"
    docs.mkdir()
    monkeypatch.setattr(gallery, "DOCS", docs)
    with pytest.raises(
        FileNotFoundError, match=r"expected a figure among .*softmax/figures/adaptive"
    ):
        gallery.write_instruments(run)
    (run / "softmax/figures").mkdir(parents=True)
    Image.new("RGB", (1400, 700)).save(run / "softmax/figures/adaptive.png")
    gallery.write_instruments(run)
    assert [path.name for path in (docs / "instruments").iterdir()] == ["adaptive.png"]
    with Image.open(docs / "instruments/adaptive.png") as image:
        assert image.size == (1000, 500)


def test_every_study_page_has_the_marks():
    for study in STUDIES:
        text = (ROOT / f"docs/studies/{study}.md").read_text(encoding="utf-8")
        assert all(text.count(mark) == 1 for mark in gallery.MARKS)


def test_a_small_picture_has_the_share_of_the_size_and_few_colours(tmp_path):
    Image.linear_gradient("L").save(tmp_path / "large.png")
    gallery.pictures.small(tmp_path / "large.png", tmp_path / "small.png", 0.5)
    with Image.open(tmp_path / "small.png") as image:
        assert image.size == (128, 128)
        assert len(image.getcolors()) <= 128


def test_lines_keep_their_colours_in_a_small_picture(tmp_path):
    colours = [(0, 114, 178), (0, 158, 115), (213, 94, 0), (230, 159, 0)]  # of Okabe and Ito
    large = Image.new("RGB", (1400, 700), "white")
    shades = Image.linear_gradient("L").resize((1400, 300))  # much of the picture, as bands are
    large.paste(Image.merge("RGB", (shades, shades.rotate(180), shades)), (0, 400))
    drawing = ImageDraw.Draw(large)
    for number, colour in enumerate(colours):
        drawing.line([(50, 90 * number + 40), (1350, 90 * number + 60)], fill=colour, width=4)
    large.save(tmp_path / "large.png")
    gallery.pictures.small(tmp_path / "large.png", tmp_path / "small.png", 0.5)
    with Image.open(tmp_path / "small.png") as image:
        found = np.array(image.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in colours:
        assert np.abs(found - colour).max(axis=1).min() <= 20, colour


def test_all_pictures_together_are_small():
    pictures = [path for path in (ROOT / "docs").rglob("*.png")]
    assert sum(path.stat().st_size for path in pictures) < MOST_BYTES
