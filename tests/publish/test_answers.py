"""Which claims hold for which model: the picture, the table of agreements, the pages."""

import re

import pandas as pd
import pytest

from workflow_scripts.publish import answers, scorecard, spent
from workflow_scripts.shared import tables

MODELS = {
    "mine": {"source": "/data/secret/My-8B", "dtype": "bfloat16"},
    "yours": {"source": "owner/name", "revision": "0" * 40},
}

COST = pd.DataFrame(
    [
        ["stochasticity", "S1", 2.0, 20.0, 300.0, 90.0, 0.05, 0.1],
        ["stochasticity", "S5", 5.0, 5.0, None, 10.0, 0.0, None],
        ["change_of_mind", "E1", 1200.0, 1200.0, 9000.0, 0.0, None, None],
        ["perplexity", "E2", None, None, None, None, None, 0.25],
    ],
    columns=spent.COLUMNS,
)


def entry(claim, model, answer, condition="", **changes):
    measured = {
        "value": 0.25,
        "ci_low": 0.1,
        "ci_high": 0.4,
        "exact": False,
        "n": 40,
        "units": "questions",
        "note": "",
        "model": model,
        "condition": condition,
    }
    return {
        "id": claim,
        "kind": "claim",
        "statement": "Replies | repeat.",
        "source": "section 2",
        "quantity": "share",
        "region": [0.0, None],
        "decided_by": ["paper's own model"],
        "models": ["Model 7B"],
        "published": {"value": 0.3, "tag": "published", "source": "Table 1"},
        "measured": measured,
        "evidence": "other model",
        "reading": "supported",
        "answer": answer,
        "verdict": "not tested",
        "reason": "another model cannot decide it",
    } | changes


@pytest.fixture
def card():
    entries = [
        entry("1", "mine", "holds"),
        entry("1", "yours", "fails"),
        entry("2", "mine", "holds", "short"),
        entry("2", "mine", "unclear", "long"),
        entry("2", "small", None, evidence="stand-in model"),
        entry("3", "mine", "not measured", reason="replies were cut off"),
        entry("4", None, None, measured=None, evidence=None, reading=None, reason="needs a GPU"),
        entry("5", None, None, evidence="theory", decided_by=["theory"]),
    ]
    return scorecard.collect({"stochasticity": entries}, "smoke")


def test_the_page_tells_in_which_precision_a_model_answered(tmp_path):
    path = tmp_path / "responses.parquet"
    pd.DataFrame({"dtype": ["float32", "bfloat16", "float32"]}).to_parquet(path)
    pd.DataFrame({"value": [1.0]}).to_parquet(tmp_path / "scores.parquet")
    paths = [str(path), str(tmp_path / "scores.parquet")]
    told = answers.precision_of({"source": "m", "dtype": "auto"}, paths)
    assert told["dtype"] == "auto, bfloat16, float32"
    assert answers.precision_of({"source": "m"}, paths) == {"source": "m"}


def test_one_answer_per_model_and_claim_the_worst_of_its_conditions(card):
    found = answers.matrix(card, list(MODELS))
    assert found["mine"].tolist() == ["holds", "unclear", "not measured", "not measured"]
    assert found["yours"].tolist() == ["fails", *["not measured"] * 3]
    assert "5" not in found.index.get_level_values("id")  # no claim about language models


def test_the_table_counts_the_models_of_each_answer(card):
    table = answers.agreement(answers.matrix(card, list(MODELS)), answers.kinds(card)).set_index(
        "id"
    )
    assert table.loc["1"].to_dict() == {
        "study": "stochasticity",
        "kind": "claim",
        "models": 2,
        "holds": 1,
        "fails": 1,
        "unclear": 0,
        "not measured": 0,
    }


@pytest.mark.parametrize("count", [1, 12])
def test_the_picture_shows_every_claim_and_model(card, count):
    names = [f"model-{number}" for number in range(count)]
    figure = answers.picture(answers.matrix(card, names), answers.kinds(card))
    text = [found.get_text() for axes in figure.axes for found in axes.get_xticklabels()]
    assert set(names) <= set(text)
    labels = [found.get_text() for axes in figure.axes for found in axes.get_yticklabels()]
    assert {"1", "2", "3", "4"} <= set(labels)


def test_the_picture_has_columns_of_similar_height_and_each_study_once(card):
    sizes = {"softmax": 3, "stochasticity": 20, "change_of_mind": 47, "glasses": 16}
    assert answers._columns(sizes) == [
        ["softmax", "glasses"],
        ["stochasticity"],
        ["change_of_mind"],
    ]
    assert answers._columns({"softmax": 3}) == [["softmax"]]


def test_a_page_has_answers_reasons_and_nothing_about_the_machine(card):
    markdown, html = answers.render(
        answers.page("mine", MODELS["mine"], card, COST, {"stochasticity": 90.0})
    )
    assert "| holds | 1 |" in markdown
    (line,) = [line for line in markdown.splitlines() if line.startswith("| **1**")]
    assert r"Replies \| repeat. (section 2) | 0.3 (published) | share: 0.25 [0.1, 0.4]" in line
    assert line.endswith("| **holds** |")
    assert "(short)" in markdown
    assert "**3** Replies \\| repeat. | replies were cut off |" in markdown
    assert "**4** Replies \\| repeat. | needs a GPU |" in markdown
    assert "My-8B" in markdown
    assert "/data" not in markdown + html
    assert "<table>" in html
    assert not re.search(r"(src|href)=|@import|https?://", html)
    tables_ = [line for line in markdown.splitlines() if line.startswith("| **")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in tables_}) == 1


def test_what_is_no_claim_of_a_paper_is_named_and_counted_apart():
    entries = [entry("1", "mine", "holds"), entry("2", "mine", "fails", kind="misreading")]
    entries[1]["measured"]["note"] = "worst | length"
    entries.append(entry("3", "mine", "not measured", kind="extension", reason="cut off"))
    card = scorecard.collect({"stochasticity": entries}, "smoke")
    found, kind = answers.matrix(card, ["mine"]), answers.kinds(card)
    assert answers.agreement(found, kind)["kind"].tolist() == ["claim", "misreading", "extension"]
    labels = [each.get_text() for each in answers.picture(found, kind).axes[0].get_yticklabels()]
    assert labels == ["1", "2 (misreading)", "3 (extension)"]
    markdown, html = answers.render(
        answers.page("mine", MODELS["mine"], card, COST, {"stochasticity": 90.0})
    )
    assert "| answer | claims | misreadings | extensions |\n|---|---|---|---|\n" in markdown
    assert "| holds | 1 | 0 | 0 |\n| fails | 0 | 1 | 0 |\n" in markdown
    assert r"; worst \| length | **fails** |" in markdown
    assert "**2** *misreading*: Replies" in markdown
    assert "**3** *extension*: Replies" in markdown
    assert html.count("<table>") == 5


def test_a_page_has_cost_and_failures_and_what_was_left_out(card):
    wall_s = {"stochasticity": 90.4, "change_of_mind": 600.0, "perplexity": None}
    content = answers.page("mine", MODELS["mine"], card, COST, wall_s, ["optimizers", "cocycles"])
    markdown, _ = answers.render(content)
    assert "| stochasticity | 7 | 25 | ≥ 300 | 100 | 90 s |" in markdown
    assert "| change_of_mind | 1,200 | 1,200 | 9,000 | 0 | 10 min |" in markdown
    assert "| perplexity | – | – | – | – | – |" in markdown
    assert "| stochasticity | S1 | 20 | 5.0% | 10.0% |" in markdown
    assert "| perplexity | E2 | – | – | 25.0% |" in markdown
    assert "| change_of_mind | E1 |" not in markdown
    assert markdown.endswith("Studies that are not part of this run: optimizers, cocycles.\n")


def test_the_page_of_a_model_on_a_server_shows_the_probe(card):
    facts = {"seed": {"answer": "no", "seen": "0 of 8 | replies"}}
    wall_s = {"stochasticity": 90.0}
    content = answers.page("mine", MODELS["mine"], card, COST, wall_s, (), {"facts": facts})
    markdown, html = answers.render(content)
    assert r"| a seed repeats its sample | no | 0 of 8 \| replies |" in markdown
    assert "<td>a seed repeats its sample</td>" in html
    without = answers.page("mine", MODELS["mine"], card, COST, wall_s)
    assert "## Server" not in answers.render(without)[0]


def test_a_study_that_does_not_list_the_model_is_the_reason(card):
    content = answers.page("mine", MODELS["mine"], card, COST[:0], {})
    assert {row["why"] for row in content["missing"]} == {
        "the model is not listed under studies.stochasticity"
    }
    markdown, _ = answers.render(content)
    assert "No replies of this model were read." in markdown
    assert "not part of this run" not in markdown


def test_everything_is_written_the_same_twice(card, tmp_path):
    tables.write(card, tmp_path / "scorecard.parquet")
    runs = []
    for name in ("a", "b"):
        paths = [tmp_path / f"{name}{number}" for number in range(6)]
        answers.main(
            str(tmp_path / "scorecard.parquet"),
            f"{paths[0]}.png",
            str(paths[1]),
            [str(path) for path in paths[2:4]],
            [str(path) for path in paths[4:]],
            MODELS,
            {name: {} for name in MODELS},
            [],
        )
        runs.append([path.read_bytes() for path in paths[1:]])
    assert runs[0] == runs[1]
    assert len(pd.read_csv(tmp_path / "a1")) == 4
