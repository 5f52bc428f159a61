"""The parts of the report that need no run: pictures of intervals, distances, samples, captions."""

import re

import numpy as np
import pandas as pd
import pytest

from tests.publish.test_scorecard import entry
from workflow_scripts.publish import bars, claim_view, embedded, overview, reply_view, study_view


def measured(value, low, high, **more):
    return entry("x")["measured"] | {"value": value, "ci_low": low, "ci_high": high} | more


def drawn(svg, element):
    """The attributes of the elements of one class, as numbers where they are numbers."""
    found = re.findall(rf'<\w+ class="{element}" ([^>]*?)/?>', svg)
    return [
        {name: float(value) for name, value in re.findall(r'(\w+)="([-\d.]+)"', each)}
        for each in found
    ]


def test_a_bar_is_to_scale():
    """Places on the axis are in proportion to the values, whatever the axis."""
    found = entry("S1", region=[None, 0.0], measured=measured(-1.0, -3.0, 1.0), kind="extension")
    found["published"]["value"] = 2.0
    svg = bars.bar(found, bars.axis([found]))
    (interval,), (dot,) = drawn(svg, "interval"), drawn(svg, "value")
    assert dot["cx"] - interval["x1"] == pytest.approx(interval["x2"] - dot["cx"], abs=0.2)
    per_unit = (interval["x2"] - interval["x1"]) / 4
    diamond = float(re.search(r'class="published" d="M([\d.]+)', svg)[1])
    assert diamond - dot["cx"] == pytest.approx(3 * per_unit, abs=0.2)
    (region,) = drawn(svg, "region")
    assert region["x"] + region["width"] == pytest.approx(dot["cx"] + per_unit, abs=0.2)
    assert 'aria-label="measured -1, interval -3 to 1; published 2"' in svg


def test_a_bar_has_no_interval_for_an_exact_number_and_an_open_one_reaches_the_edge():
    exact = entry("S1", measured=measured(0.0, 0.0, 0.0, exact=True))
    assert not drawn(bars.bar(exact, bars.axis([exact])), "interval")
    half = entry("S1", measured=measured(5.0, 4.0, None))
    (interval,) = drawn(bars.bar(half, bars.axis([half])), "interval")
    assert interval["x2"] == bars.WIDTH
    assert bars.axis([entry("S1", measured=None)]) is None


@pytest.mark.parametrize(
    ("kind", "region", "number"),
    [
        ("claim", [0.0, None], 0.9242),
        ("claim", [0.9242, 0.9242], 0.9242),
        ("claim", [None, 1.0e-9], None),  # the error of a formula whose value is published
        ("misreading", [None, 1.0e-9], 0.9242),
    ],
)
def test_a_published_number_outside_the_papers_own_claim_is_of_another_quantity(
    kind, region, number
):
    found = entry("G4", region=region, kind=kind, measured=measured(2e-16, None, None))
    found["published"]["value"] = 0.9242
    assert bars.number(found) == number
    assert ("published" in bars.bar(found, bars.axis([found]))) == (number is not None)


@pytest.mark.parametrize(
    ("published", "found", "distance"),
    [
        (2.0, measured(1.0, 0.9, 1.1), 0.5),
        (2.0, measured(-2.0, -2.1, -1.9), 2.0),
        (2.0, measured(1.0, 0.9, 2.5), 0.0),  # within the interval
        (2.0, measured(1.0, None, None), 0.0),  # no interval: no claim that they differ
        ("above 0", measured(1.0, 0.9, 1.1), -1.0),
        (0.0, measured(1.0e-15, 1.0e-15, 1.0e-15, exact=True), -1.0),
        (2.0, None, -1.0),
    ],
)
def test_the_distance_from_the_published_number_is_relative(published, found, distance):
    line = entry("S1", kind="extension", measured=found)
    line["published"]["value"] = published
    assert claim_view.distance(line) == pytest.approx(distance)


def test_the_most_different_are_of_papers_and_not_of_stand_ins():
    def claim(name, distance, **more):
        line = {"distance": distance, "stand_in": False} | more
        return {"anchor": name, "of_paper": not name.startswith("ours"), "lines": [line]}

    claims = [claim(f"c{n}", n / 10) for n in range(8)]
    claims += [claim("ours", 1.9), claim("small", 1.8, stand_in=True)]
    found = [pair["claim"]["anchor"] for pair in overview.most_different(claims)]
    assert found == ["c7", "c6", "c5", "c4", "c3"]


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ([None, None], "any value"),
        ([1.0e-9, None], "above 0"),
        ([None, -1.0e-9], "below 0"),
        ([0.5, None], "at least 0.5"),
        ([0.0, 0.0], "exactly 0"),
        ([-1.0, 2.0], "-1 to 2"),
    ],
)
def test_a_region_in_words(ends, text):
    assert claim_view.region(ends) == text


def test_a_sample_shows_failures_first_and_is_spread_over_the_table():
    rows = pd.DataFrame(
        {"reply": range(100), "failure": ["" if n % 10 else "no number" for n in range(100)]}
    )
    found = reply_view.sample(rows)
    assert len(found) == reply_view.SHOWN
    assert (found["failure"] != "").tolist() == [True] * 4 + [False] * 4
    good = found["reply"].iloc[4:].to_numpy()
    assert np.diff(good).min() > 15
    assert reply_view.sample(rows).equals(found)
    assert len(reply_view.sample(rows[rows["failure"] == ""])) == reply_view.SHOWN


def test_a_long_text_says_what_is_missing():
    text = reply_view.clipped("x" * 2000)
    assert text.endswith("… (500 more characters in the table)")
    assert reply_view.clipped("short") == "short"


def test_a_picture_keeps_every_pixel(tmp_path):
    import base64
    import io

    from PIL import Image

    pixels = np.random.default_rng(1).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(np.repeat(pixels, 8, axis=0)).save(tmp_path / "a.png")
    found = embedded.picture(tmp_path / "a.png")
    assert (found["width"], found["height"]) == (30, 160)
    data = base64.b64decode(found["uri"].partition(",")[2])
    assert len(data) <= (tmp_path / "a.png").stat().st_size
    again = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert (again == np.repeat(pixels, 8, axis=0)).all()


def test_captions_quote_settings_and_prose_loses_links_to_files(tmp_path):
    path = tmp_path / "a.rst"
    path.write_text("**Bold** of {{ snakemake.config['seed'] }} <b> ``code``.")
    html = embedded.caption(path, {"seed": 7})
    assert "<strong>Bold</strong> of 7 &lt;b&gt;" in html
    assert embedded.caption(tmp_path / "none.rst", {}) == ""
    html = embedded.prose("[a](b.md), [c](https://d.e), <i>")
    assert "b.md" not in html
    assert 'href="https://d.e"' in html
    assert "&lt;i&gt;" in html


def test_reduced_settings_are_told_once():
    line = {"note": "ten heads; reduced: steps 5 (paper 9)"}
    assert study_view.reduced([{"lines": [line, line]}]) == ["steps 5 (paper 9)"]


def test_a_claim_points_to_the_lines_that_write_it_down_and_measure_it():
    place = {"file": "workflow_scripts/publish/bars.py", "function": "", "first": 1, "last": 1}
    text = (claim_view.ROOT / place["file"]).read_text().splitlines()
    at = next(n for n, line in enumerate(text, 1) if "round(MARGIN" in line)
    assert claim_view.source(place | {"first": at, "last": at}).strip() == text[at - 1].strip()
    missing = place | {"file": "workflow_scripts/none.py"}
    assert claim_view.source(missing) == ""


def test_a_study_lists_what_our_instruments_found_under_a_heading_of_its_own():
    paper, extension, ours = ({"kind": kind} for kind in ("claim", "extension", "ours"))
    assert study_view.lists([paper, ours, extension]) == [
        ("Claims", [paper, extension]),
        ("Ours, beyond the paper", [ours]),
    ]
    assert study_view.lists([paper]) == [("Claims", [paper])]
