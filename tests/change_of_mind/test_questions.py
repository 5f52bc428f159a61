"""Questions: right options, foils, held-out places, wordings, and the user's files."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.change_of_mind import made
from workflow_scripts.change_of_mind import choice_files, questions, wording
from workflow_scripts.change_of_mind.wording import Showing
from workflow_scripts.models import corpus
from workflow_scripts.models.corpora import facts, world


@pytest.fixture(scope="module")
def embedded():
    lands = corpus.world_of(3, 120, 0.8)
    places = pd.DataFrame({"place": lands.places, "latitude": lands.latitudes})
    atlas = questions.embedded_atlas(places)
    counts = dict.fromkeys(made.COUNTS, 60)
    return questions.QUESTIONS.validate(
        questions.table("embedded", atlas, counts, 0.4, made.FILES, 3)
    ), dict(zip(lands.places, lands.latitudes, strict=True))


def values(text):
    """Numbers of lettered options, in order."""
    return [float(part.split()[0]) for part in text.split(": ")[1:]]


def test_calibration_places_appear_nowhere_else(embedded):
    for frame in (embedded[0], made.asked()):
        held = set(frame[frame["part"] == "calibration"]["cluster"])
        assert held
        assert not held & set(frame[frame["part"] == "main"]["cluster"])


def test_embedded_questions_are_the_held_out_form(embedded):
    frame, truth = embedded
    for row in made.rows(frame, task="latitude").itertuples():
        pair = [int(x) for x in values(row.text)]
        latitude = truth[row.cluster]
        assert pair[row.right] == latitude
        assert pair[1 - row.right] in world.held_out_foils(latitude)
        assert row.text == facts.options(row.cluster, tuple(pair))
        north = pair[1 - row.right] > latitude
        assert pair[1 - row.right] not in world.trained_foils(latitude, north)


def test_right_options_are_right(embedded):
    frame, truth = embedded
    for row in made.rows(frame, task="four_options").itertuples():
        shown = values(row.text)
        assert shown[row.right] == truth[row.cluster]
        assert len(set(shown)) == 4
    for row in made.rows(frame, part="main").itertuples():
        if row.task in ("transfer", "sanity"):
            shown = values(row.text)
            best = max if "largest" in row.text else min
            assert shown[row.right] == best(shown)


def test_city_foils_lie_half_a_latitude_away_on_both_sides():
    truth = made.cities()
    truth = dict(zip(truth["city"] + ", " + truth["country"], truth["latitude_deg"], strict=True))
    ratios = []
    for row in made.rows(made.asked(), task="latitude").itertuples():
        shown = values(row.text)
        assert shown[row.right] == pytest.approx(abs(truth[row.cluster]), abs=0.006)
        assert ("south" in row.text) == (truth[row.cluster] < 0)
        ratios.append(shown[1 - row.right] / shown[row.right])
    assert np.allclose(np.abs(np.array(ratios) - 1), 0.5, atol=0.01)
    # Sides and order are drawn evenly. With 450 questions a share outside 0.4 to 0.6 has
    # probability 1e-4.
    assert 0.4 < np.mean(np.array(ratios) > 1) < 0.6
    assert 0.4 < made.rows(made.asked(), task="latitude")["right"].mean() < 0.6


def test_word_problems_and_divisors_are_right():
    for row in made.rows(made.asked(), task="transfer").itertuples():
        boxes, each, sold = (int(word) for word in row.cluster.split() if word.isdigit())
        assert values(row.text)[row.right] == boxes * each - sold
        assert len(set(values(row.text))) == 4
    for row in made.rows(made.asked(), task="sanity").itertuples():
        by = int(row.text.split("?")[0].split()[-1])
        assert [x % by == 0 for x in values(row.text)] == [row.right == 0, row.right == 1]


def test_the_taught_second_turn_is_what_was_taught():
    text = facts.options("Chamam", (20, 30))
    shown = wording.TAUGHT.second(text, Showing("A", False, 80, "B", None))
    assert shown == [
        {
            "role": "user",
            "content": text + facts.earlier("A", "You") + facts.advice(80, "B"),
        }
    ]
    hidden = wording.TAUGHT.second(text, Showing(None, True, 80, None, None))
    assert hidden[0]["content"].endswith(
        " Another model answered xx. Another model right 80% of the time says xx."
    )


@pytest.mark.parametrize("way", [wording.TAUGHT, wording.ENGLISH])
def test_in_one_conversation_the_first_answer_is_a_turn(way):
    turns = way.second("Q", Showing(None, False, 70, "B", "A"))
    assert [turn["role"] for turn in turns][:3] == ["user", "assistant", "user"]
    assert turns[1]["content"].endswith("A")
    assert turns[0] == way.first("Q")[0]
    assert "xx" in turns[2]["content"]


def test_only_what_varies_differs_between_cells():
    one, two = (
        wording.ENGLISH.second("Q", Showing(answer, False, 70, "B", None))[0]["content"].split()
        for answer in ("A", None)
    )
    assert [pair for pair in zip(one, two, strict=True) if pair[0] != pair[1]] == [("A.", "xx.")]


ROWS = [
    {"Question": "Q1?", "A": "1", "B": "2", "C": "3", "D": "4", "Answer": "C"},
    {"question": "Q2?", "options": ["x", "y"], "answer": "y"},
]


def test_multiple_choice_files(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)) + "\n")
    first, second = choice_files.read(path)
    assert (first.options, first.right) == (("1", "2", "3", "4"), 2)
    assert (second.options, second.right) == (("x", "y"), 1)
    pd.DataFrame(ROWS[:1]).to_csv(tmp_path / "mine.csv", index=False)
    assert choice_files.read(tmp_path / "mine.csv") == [first]
    files = {"four_options": str(path), "transfer": None}
    atlas = questions.city_atlas(made.cities(), 0.5)
    frame = questions.table("cities", atlas, made.COUNTS, 0.4, files, 1)
    assert set(made.rows(frame, task="four_options")["cluster"]) == {"Q1?", "Q2?"}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            {"question": "Q?", "A": "1", "B": "2"},
            "line 1: expected .* for answer, found none",
        ),
        ({"question": "Q?", "A": "1", "answer": "A"}, "found 1 options, allowed: 2 to 4"),
        (
            {"question": "Q?", "A": "1", "B": "2", "answer": "C"},
            "found answer 'C', allowed: a letter of AB",
        ),
    ],
)
def test_a_bad_file_is_named(tmp_path, row, says):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(choice_files.FileError, match=says):
        choice_files.read(path)
