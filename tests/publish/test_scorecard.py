"""The scorecard shows every measurement, checks its input, and is reproducible."""

import json
import re

import pytest

from workflow_scripts.publish import scorecard
from workflow_scripts.shared import tables


def entry(name, verdict="supported", **changes):
    return {
        "id": name,
        "kind": "claim",
        "statement": "Attention | disperses.",
        "source": "section 2",
        "quantity": "slope",
        "region": [None, 0.0],
        "decided_by": ["theory"],
        "models": [],
        "published": {"value": 3.9, "tag": "published-2nd", "source": "Table 1"},
        "measured": {
            "value": -0.98765,
            "ci_low": -1.0,
            "ci_high": -0.9,
            "exact": False,
            "n": 10,
            "units": "heads",
            "note": "ten heads",
            "model": None,
            "condition": "",
        },
        "evidence": "theory",
        "reading": "supported",
        "answer": None,
        "verdict": verdict,
        "reason": None,
        "trace": {"metrics": [], "rows": [], "also_read": [], "figures": [], "code": []},
    } | changes


STAND_IN = entry(
    "S2",
    "not tested",
    evidence="stand-in model",
    reason="a stand-in model cannot decide it",
    measured=entry("x")["measured"] | {"model": "embedded-s"},
)
UNMEASURED = entry(
    "S3", "not tested", measured=None, evidence=None, reading=None, published=None, reason="no GPU"
)


def write(path, entries):
    path.write_text(json.dumps({"provenance": {}, "claims": entries}))
    return path


@pytest.fixture
def card(tmp_path):
    path = write(tmp_path / "claims.json", [entry("S1"), STAND_IN, UNMEASURED])
    return scorecard.collect({"softmax": scorecard.read_claims(path)}, "smoke")


def test_every_entry_becomes_a_row_and_is_counted(card):
    assert list(card["id"]) == ["S1", "S2", "S3"]
    assert scorecard.tally(card) == {
        "supported": 1,
        "contradicted": 0,
        "inconclusive": 0,
        "not tested": 2,
    }


def test_what_is_no_claim_of_the_paper_is_counted_apart(card):
    card.loc[0, "kind"] = "misreading"
    (paper, other) = scorecard.counted(card)
    assert (paper[0], paper[1], paper[2]["supported"]) == ("softmax", 2, 0)
    assert (other[0], other[1], other[2]["supported"]) == ("all studies: misreadings", 1, 1)
    (line,) = [line for line in scorecard.markdown(card).splitlines() if "**S1**" in line]
    assert "*misreading*:" in line


def test_what_our_instruments_find_is_in_a_section_of_its_own(card):
    card.loc[0, "kind"] = "ours"
    assert [entry[:2] for entry in scorecard.counted(card)] == [
        ("softmax", 2),
        ("all studies: claims of our own", 1),
    ]
    papers, ours = scorecard.markdown(card).split("\n## Ours\n")
    assert ["**S1**" in text for text in (papers, ours)] == [False, True]
    assert ["**S2**" in text for text in (papers, ours)] == [True, False]
    card.loc[0, "kind"] = "claim"
    assert "## Ours" not in scorecard.markdown(card)


def test_lines_of_one_claim_show_their_condition():
    lines = [
        entry("S1", measured=entry("x")["measured"] | {"condition": condition})
        for condition in ("float16", "bfloat16")
    ]
    card = scorecard.collect({"softmax": lines}, "smoke")
    text = scorecard.markdown(card)
    assert "float16" in text.replace("bfloat16", "")
    assert "bfloat16" in text


@pytest.mark.parametrize(
    ("ends", "exact", "text"),
    [
        ((1.0, 1.0), True, "1, n"),
        ((None, None), False, "1 (no interval), n"),
        ((0.5, None), False, "1 [0.5, …], n"),
    ],
)
def test_an_exact_number_a_missing_interval_and_a_missing_end_differ(ends, exact, text):
    row = {"value": 1.0, "ci_low": ends[0], "ci_high": ends[1], "exact": exact, "n": 3}
    assert scorecard.measured_text(row | {"units": "seeds"}).startswith(text)


def test_markdown_shows_published_beside_measured_and_labels_stand_ins(card):
    lines = scorecard.markdown(card).splitlines()
    (first,) = [line for line in lines if "**S1**" in line]
    assert "3.9 (published-2nd)" in first
    assert "-0.9877 [-1, -0.9], n\u00a0=\u00a010 heads; ten heads" in first
    assert "(section 2)" in first
    assert "3.9 (published-2nd); Table 1" in first
    assert r"Attention \| disperses." in first
    (second,) = [line for line in lines if "**S2**" in line]
    assert "stand-in model (embedded-s)" in second
    assert "a stand-in model cannot decide it (reading: supported)" in second
    (third,) = [line for line in lines if "**S3**" in line]
    assert "| – | – | – | **not tested**: no GPU |" in third
    # One unescaped bar more than there are columns, on every line of a table.
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in (first, second, third)}) == 1


def test_studies_that_are_left_out_are_named(card):
    text = scorecard.markdown(card, ["optimizers"])
    assert "Studies that are not part of this run: optimizers." in text
    assert "not part of this run" not in scorecard.markdown(card)


def test_same_claims_same_bytes(tmp_path):
    source = write(tmp_path / "claims.json", [entry("S1"), STAND_IN])
    runs = []
    for name in ("a", "b"):
        outputs = [tmp_path / f"{name}.{suffix}" for suffix in ("parquet", "md")]
        scorecard.main({"softmax": str(source)}, "smoke", *map(str, outputs))
        runs.append([output.read_bytes() for output in outputs])
    assert runs[0] == runs[1]
    assert len(tables.read(tmp_path / "a.parquet")) == 2


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (entry("S9", verdict="proved"), "claim S9: verdict: 'proved' is not one of"),
        (entry("S9", verdict="not tested"), "claim S9: reason"),
        (entry("S9", measured=None), "claim S9: measured"),
        (entry("S9", extra=1), "claim S9: file: Additional properties"),
    ],
)
def test_a_broken_claim_is_named_with_its_file(tmp_path, broken, message):
    path = write(tmp_path / "claims.json", [entry("S1"), broken])
    with pytest.raises(scorecard.ClaimsError) as raised:
        scorecard.read_claims(path)
    assert str(path) in str(raised.value)
    assert message in str(raised.value)
