"""The design: which cells, what is displayed, and trials that lead back to the requests."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tests.change_of_mind import made
from tests.inference import tiny
from workflow_scripts.change_of_mind import answerers, answers, ask, turns, wording
from workflow_scripts.change_of_mind.trials import TRIALS
from workflow_scripts.inference import engines, forms
from workflow_scripts.shared import files, tables


def test_thirty_six_cells_per_question_and_the_same_questions_in_each():
    found = made.rows(made.tried("biased"), experiment="E1")
    cells = found.groupby(["display", "advice", "accuracy"])["question"]
    assert len(cells) == 36
    assert cells.nunique().eq(made.COUNTS["factorial"]).all()
    assert len({tuple(sorted(names)) for _, names in cells}) == 1


def test_advice_and_display_follow_the_first_choice():
    frame = made.tried("biased")
    frame = frame[frame["experiment"] != "first"]
    assert (made.rows(frame, advice="same").eval("advised == first")).all()
    opposite = made.rows(frame, advice="opposite")
    assert (opposite["advised"] != opposite["first"]).all()
    assert (opposite["advised"] >= 0).all()
    assert (made.rows(frame, advice="neutral")["advised"] == -1).all()
    assert (made.rows(frame, display="hidden")["shown"] == -1).all()
    assert made.rows(frame, display="shown").eval("shown == first").all()
    assert made.rows(frame, display="wrong").eval("shown != first").all()
    assert made.rows(frame, display="incorrect").eval("shown != right").all()
    assert set(made.rows(frame, experiment="E3")["speaker"]) == {"other"}
    assert set(made.rows(frame, experiment="E4")["setting"]) == {"dialogue"}


def test_a_trial_leads_back_to_its_words_and_log_probabilities():
    requests, responses = made.answered("biased")
    trial = made.rows(made.tried("biased"), experiment="E1", display="shown").iloc[7]
    words = made.rows(requests, request_id=trial["request"]).iloc[0]
    said = made.rows(responses, request_id=trial["request"]).iloc[0]
    text = json.loads(words["messages"])[0]["content"]
    assert trial["cluster"] in text
    assert f"Your first answer was: {'AB'[trial['first']]}." in text
    assert f"right on {trial['accuracy']} %" in text
    assert json.loads(said["choice_logprobs"]) == json.loads(trial["final_logprobs"])
    first = made.rows(responses, request_id=trial["first_request"]).iloc[0]
    assert json.loads(first["choice_logprobs"]) == json.loads(trial["first_logprobs"])


def test_choices_are_drawn_with_the_options_shares():
    logprobs = np.log([0.6, 0.3, 0.1]) - 2  # the options need not have all of the probability
    drawn = [answers.choose(list(logprobs), 1.0, 3, str(i)) for i in range(6000)]
    assert np.bincount(drawn) / 6000 == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
    assert answers.choose(list(logprobs), 0.0, 3, "x") == 0
    colder = [answers.choose(list(logprobs), 0.5, 3, str(i)) for i in range(6000)]
    shares = np.array([0.36, 0.09, 0.01]) / 0.46
    assert np.bincount(colder, minlength=3) / 6000 == pytest.approx(shares, abs=0.02)


def test_a_model_without_log_probabilities_is_told():
    requests, responses = made.answered("ideal")
    with pytest.raises(ValueError, match="model ideal: expected a log-probability of every option"):
        answers.of(requests, responses.head(1).assign(choice_logprobs="[]"), made.PLAN.drawing)


def test_the_way_out_is_named_where_a_server_gives_no_log_probabilities(tmp_path):
    class Without:
        name, identity = "big", {}

        def rendered(self, requests):
            return {}

        def run(self, tasks):
            raise engines.EngineError("models.big: the reply has no log-probabilities")

    few = made.asked().head(2)
    plan = turns.plan_of({"kind": "chat", "choices": "first_token"}, (50, 90), made.COUNTS, 1.0, 1)
    with pytest.raises(
        engines.EngineError, match=r"or models\.big\.asked\.change_of_mind\.choices: s"
    ):
        list(ask.ask(few, Without(), tmp_path / "store", plan))


@pytest.mark.parametrize("kind", ["chat", "base"])
@pytest.mark.parametrize("choices", ["first_token", "sampled"])
def test_a_server_that_starts_no_reply_is_asked_for_the_letter_alone(kind, choices):
    words = wording.of(kind, choices)
    before = forms.opening(kind, "letter")
    for showing in (wording.Showing("A", False, 70, "B", b) for b in (None, "A")):
        for turns_ in (words.first("Which?"), words.second("Which?", showing)):
            assert turns_[: len(before)] == before
            assert turns_[-1]["role"] == "user"
            assert turns_[-1]["content"].endswith(wording.LETTER_ONLY)
    english = wording.ENGLISH.second("Which?", showing)
    assert words.second("Which?", showing)[-1]["content"].startswith(
        english[-2]["content"].removesuffix(wording.LETTER)
    )


def test_half_of_a_stored_answer_bounds_the_other_half():
    """Replies stored before bounds were have null for an option that was not listed."""
    requests, responses = made.answered("ideal")
    old = responses.head(1).assign(choice_logprobs="[-0.1, null]")
    (found,) = answers.of(requests, old, made.PLAN.drawing).values()
    assert found.logprobs == pytest.approx([-0.1, math.log(1 - math.exp(-0.1))])
    assert 0 < found.unlisted < 0.1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("embedded", "128119e4f7a41e36"),
        ("chat", "e3891b6ed1160d1c"),
        ("reasoning", "e3891b6ed1160d1c"),
    ],
)
def test_requests_keep_their_ids(kind, expected):
    """Other ids would ask every model again."""
    few = made.asked().groupby(["task", "part"]).head(4).reset_index(drop=True)
    plan = turns.Plan(wording.of(kind), (50, 100), dict.fromkeys(made.COUNTS, 4), 1.0, 1)
    requests, _ = answerers.answers(few, made.IDEAL, "ideal", plan)
    assert files.content_hash(list(requests["request_id"])) == expected


def test_a_base_model_sees_examples_before_both_turns():
    base, english = wording.of("base"), wording.ENGLISH
    examples = forms.opening("base", "option")
    assert examples[1]["content"].startswith(wording.STUB)
    assert base.options == english.options
    assert base.first("Which?") == examples + english.first("Which?")
    for before in (None, "A"):
        showing = wording.Showing("A", False, 70, "B", before)
        assert base.second("Which?", showing) == examples + english.second("Which?", showing)


@pytest.mark.slow
@pytest.mark.parametrize("way", [wording.TAUGHT, wording.ENGLISH])
def test_a_real_model_is_asked_once_and_never_again(tmp_path, way, monkeypatch):
    checkpoint = tiny.save(tmp_path / "model")
    engine = engines.load("tiny", tiny.SPEC | {"max_context": 512}, str(checkpoint))
    counts = dict.fromkeys(made.COUNTS, 2)
    plan = turns.Plan(way, (50, 100), counts, 1.0, 1)
    few = made.asked().groupby(["task", "part"]).head(2).reset_index(drop=True)
    paths = tuple(str(tmp_path / f"{name}.parquet") for name in ("requests", "responses", "trials"))
    ask.write(paths, few, ask.ask(few, engine, tmp_path / "store", plan), plan, None)
    found = [Path(path).read_bytes() for path in paths]

    def nothing(tasks):
        raise AssertionError(f"{len(tasks)} tasks asked again")

    engine.run = nothing
    for block in (turns.BLOCK_CELLS, 50):  # in one block as before, and in four
        monkeypatch.setattr(turns, "BLOCK_CELLS", block)
        ask.write(paths, few, ask.ask(few, engine, tmp_path / "store", plan), plan, None)
        assert [Path(path).read_bytes() for path in paths] == found
    made_trials = tables.read(paths[2], TRIALS)
    # 7 experiments x 2 questions x 12 cells, and the first turns.
    assert len(made_trials) == 7 * 2 * 12 + len(few)
    masses = [math.fsum(map(math.exp, json.loads(text))) for text in made_trials["first_logprobs"]]
    assert max(masses) <= 1 + 1e-6
