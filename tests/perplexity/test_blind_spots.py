"""Blind spots: planted ones with their closed form, edits, decoding, intervals, the rule."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.inference import tiny
from tests.perplexity.copier import DOUBT, VOCABULARY, Copier, apart
from workflow_scripts.inference import engines
from workflow_scripts.perplexity import (
    blind_scores,
    blind_spots,
    bounds,
    edited_answers,
    edits,
    measurements_blind,
    scores,
    workload,
)
from workflow_scripts.perplexity.edits import CHANGE, CONTROL, COPIES, Prompt
from workflow_scripts.shared import scores as shared_scores
from workflow_scripts.shared import tables
from workflow_scripts.shared.claims import Evidence, NotMeasured
from workflow_scripts.shared.statistics import auroc

torch.set_num_threads(1)
WORDING, FLOOR, STATED = "Copy {}?", 1.0e-12, 1.0
SETTINGS = {
    **{"tasks": list(edits.ALPHABETS), "sizes": [4, 8, 16], "prompts": 6, "edits": None},
    **{"distance": STATED, "distances": [0.1, STATED, 5.0], "listed": 3},
}


def edited(engine, task, size, seed=1, most=None):
    """The edits of one task and size, and the rows of what was asked."""
    asker = blind_spots.Asker(engine, WORDING, SETTINGS | {"edits": most}, FLOOR)
    return asker.task(task, size, np.random.default_rng(seed))


@pytest.mark.parametrize("task", ["constant", "bits"])
@pytest.mark.parametrize("size", [4, 12])
def test_every_planted_blind_spot_is_found_and_no_other(task, size):
    frame, _ = edited(Copier(planted=(2,)), task, size, seed=3)
    # Only strings with a zero at the planted place are copied, and an edit there plants a one.
    planted = frame["change"] == "symbol 3: 0 to 1"
    assert planted.sum() == frame["item"].nunique() > 1
    assert (frame["wrong"] == planted).all()
    spots = frame[planted]
    assert (spots["answer"] == spots["answer_before"]).all()
    assert blind_scores.distance(spots, "right").to_numpy() == pytest.approx(apart(size), abs=1e-4)
    # What was written is as sure as before: the perplexity of the answer given shows nothing.
    assert spots["given_after"].to_numpy() == pytest.approx(-np.log1p(-DOUBT), abs=1e-5)
    assert spots["least_given_after"].to_numpy() == pytest.approx(-np.log1p(-DOUBT), abs=1e-5)
    assert spots["prompt_after"].to_numpy() == pytest.approx(np.log(VOCABULARY), abs=1e-4)
    assert spots["bound"].to_numpy() == pytest.approx(float(bounds.corrected(size, 0.0, FLOOR)))
    assert frame.loc[~planted, "bound"].isna().all()


@pytest.mark.parametrize("task", edits.ALPHABETS)
def test_a_perfect_copier_has_no_blind_spot(task):
    frame, rows = edited(Copier(), task, 8, most=5)
    assert [row["value"] for row in rows] == [1, 1, 0]  # of both kinds; unusable
    assert set(frame["edit"]) == {CHANGE, CONTROL}
    assert not frame["wrong"].any()
    assert blind_scores.distance(frame, "right").max() < 1e-5
    assert (frame["expected"] == frame["answer"]).all()


@pytest.mark.parametrize("task", edits.ALPHABETS)
def test_edits_change_the_right_answer_and_controls_do_not(task):
    for prompt in edits.drawn(task, 6, 5, np.random.default_rng(0)):
        for kind in edits.KINDS:
            base = prompt.asked_for(kind)
            text = base.text(WORDING, "plain")
            every = list(edits.every(base, kind))
            assert every
            for each in every:
                assert (each.prompt.answer != prompt.answer) == (kind == CHANGE)
                other = each.prompt.text(WORDING, "plain")
                assert len(other) == len(text)
                assert sum(a != b for a, b in zip(text, other, strict=True)) == 1
    # As many as there are: every symbol of a copy by every other one of its alphabet.
    if task in COPIES:
        assert len(list(edits.every(prompt, CHANGE))) == 6 * (edits.ALPHABETS[task] - 1)
    assert len(edits.chosen(prompt, CHANGE, 2, np.random.default_rng(0))) == 2


def test_prompts_are_different_and_as_many_as_there_are():
    rng = np.random.default_rng(0)
    every = edits.drawn("constant", 5, 50, rng)
    assert len(set(every)) == len(every) == 20  # zeros or ones after one of ten digits
    assert all(each.answer in ((0,) * 5, (1,) * 5) for each in every)
    listed = edits.drawn("recall", 26, 1, rng)[0]
    value = re.search(r"What is (.)\?", listed.text(WORDING, "plain"))[1]
    assert f"{value} is {listed.answer[0]}" in listed.text(WORDING, "plain")


def test_edits_of_more_than_one_token_are_not_used():
    """Equal digits that stand together are one token, so that an edit may split it."""
    known: dict[str, int] = {}

    def encode(messages):
        text = "/".join(turn["content"] for turn in messages)
        pieces = re.findall(r"33|.", text)
        return [known.setdefault(piece, len(known)) for piece in pieces]

    engine = SimpleNamespace(name="pairs", encode=encode, spec={"chat_template": True})
    prompt = Prompt("last", (1, 3, 5))
    base = edited_answers.spelt(engine, prompt, WORDING, "plain")
    kept = edited_answers.edited(engine, base, prompt.edited(2, 4), WORDING, "plain")
    assert kept.written((4,)) == [known["4"]]
    assert edited_answers.edited(engine, base, prompt.edited(2, 3), WORDING, "plain") is None
    assert edited_answers.edited(engine, base, prompt, WORDING, "plain") is None  # no edit at all
    # Answers of 3s have other tokens than those of the rest: copies are spaced.
    copied = Prompt("digits", (1, 3, 3, 5))
    assert edited_answers.way_of(engine, WORDING, copied) == "spaced"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tiny.save(tmp_path_factory.mktemp("tiny") / "model", spread=0.3)
    return engines.load("tiny", tiny.SPEC, str(folder))


def test_answers_are_those_of_sequential_decoding(engine):
    prompt = Prompt("digits", (3, 1, 4, 1, 5), aside=2)
    base = edited_answers.spelt(engine, prompt, WORDING, "spaced")
    changed = [prompt, prompt.edited(1, 7), prompt.edited(4, 0)]
    spelt = [base] + [
        edited_answers.edited(engine, base, each, WORDING, "spaced") for each in changed[1:]
    ]
    right = [each.answer for each in changed]
    reference = torch.zeros(5, engine.vocabulary)
    found = edited_answers.answers(engine, spelt, right, reference)
    for place, (each, answer, tokens) in enumerate(zip(changed, found, spelt, strict=True)):
        ids = tokens.prompt + tokens.answer
        for step, slot in enumerate(tokens.slots):
            at = len(tokens.prompt) + slot
            with torch.inference_mode():
                logits = engine.model(input_ids=torch.tensor([ids[:at]])).logits[0]
            logs = logits.float().log_softmax(-1)
            if not place:
                reference[step] = logs[-1].exp()
            own = logs[-1, tokens.tokens[step]]
            assert answer.given[step] == int(own.argmax())
            assert answer.log_given[step] == pytest.approx(float(own.max()), abs=1e-4)
            right_one = float(own[each.answer[step]])
            assert answer.log_right[step] == pytest.approx(right_one, abs=1e-4)
            ids[at] = tokens.tokens[step][answer.given[step]]
        prompt_ids = torch.tensor(tokens.prompt[1:])[:, None]
        prompt_logs = logs[: len(prompt_ids)].gather(-1, prompt_ids)
        assert answer.prompt_nats == pytest.approx(-float(prompt_logs.mean()), abs=1e-4)
        assert answer.other == 1.0  # an untrained model prefers other tokens
    again = edited_answers.answers(engine, spelt, right, reference)
    assert again[0].gap < 1e-5 < again[1].gap


def test_one_pass_tells_a_right_answer_from_a_wrong_one():
    prompt = Prompt("bits", (0, 1, 0, 1))
    for planted in ((), (1,), (3,)):
        model = Copier(planted=planted)
        base = edited_answers.spelt(model, prompt, WORDING, "plain")
        found = edited_answers.right_answer(model, base, prompt.answer)
        assert model.tokens == len(base.prompt) + len(base.answer)
        if planted:
            assert found is None
            continue
        answer, reference = found
        (other,) = edited_answers.answers(model, [base], [prompt.answer], reference)
        assert answer.given == other.given == prompt.answer
        assert answer.nats(FLOOR) == other.nats(FLOOR)
        assert other.gap == 0


def test_a_prompt_beyond_the_context_is_left_out():
    frame, rows = edited(Copier(context=20), "bits", 16)
    assert frame.empty
    assert not rows
    assert edited(Copier(), "recall", 27)[1] == []


def made(outcomes, values):
    """Edits of some prompts (one list each): whether they are wrong, and a score."""
    return pd.DataFrame(
        [
            {"size": 8, "item": item, "wrong": bool(bad), "edit": CHANGE}
            | {f"{score}_after": value for score in edited_answers.SCORES}
            for item, (own, scored) in enumerate(zip(outcomes, values, strict=True))
            for bad, value in zip(own, scored, strict=True)
        ]
    )


def test_areas_are_those_of_all_pairs():
    rng = np.random.default_rng(5)
    outcomes = [rng.integers(0, 2, 4) for _ in range(8)]
    values = [own + rng.normal(size=4).round(1) for own in outcomes]
    frame = made(outcomes, values)
    rows = pd.DataFrame(blind_scores.areas(frame, 1, task="bits"))
    area = rows[(rows["metric"] == "auc") & (rows["score"] == "given")].iloc[0]
    assert area["value"] == pytest.approx(auroc(np.concatenate(values), np.concatenate(outcomes)))
    assert area["ci_low"] < area["value"] < area["ci_high"]
    assert (rows.loc[rows["metric"] == "auc_gain", "value"] == 0).all()  # the same scores
    assert blind_scores.areas(frame.assign(wrong=True), 1, task="bits") == []


def test_intervals_are_over_prompts():
    """Sixteen edits with one fate say no more than one of them."""
    once = made([[1], [0]] * 8, [[0.0]] * 16)
    often = pd.concat([once] * 16, ignore_index=True)
    assert blind_scores.wrong(once, 1) == blind_scores.wrong(often, 1)
    assert blind_scores.wrong(once, 1).n == 16


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The tables of the rule for a copier with a planted blind spot."""
    folder = tmp_path_factory.mktemp("blind")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "load", lambda *given, **named: Copier(planted=(1,)))
        names = {name: str(folder / name) for name in ("table", "edited", "csv")}
        settings = SETTINGS | {"tasks": ["constant", "last"], "sizes": [4, 8, 32], "edits": 40}
        blind_spots.main(
            "copier", {}, "", 4096, {"wordings": [WORDING]}, **names, settings=settings,
            floor=FLOOR, seed=1, provenance={},
        )  # fmt: skip
    frames = [tables.read(names["table"])]
    table = shared_scores.table(frames, scores.CONDITIONS, whole=("size",), texts=scores.TEXTS)
    return table, pd.read_csv(names["csv"], dtype={"right_answer": str, "answer": str})


def test_the_rule_writes_what_was_planted(written):
    table, spots = written
    own = table[(table["task"] == "constant") & (table["metric"] == "blind_spots")]
    by_size = own.dropna(subset="size").set_index("size")["value"]
    # Only at 32 symbols is a flipped bit within 1 nat, in each of the prompts of zeros.
    assert by_size[4] == by_size[8] == 0
    assert by_size[32] > 0
    assert len(spots) == SETTINGS["listed"]
    assert spots["distance_nats"].to_numpy() == pytest.approx(apart(32), abs=1e-3)
    assert set(spots["edit"]) == {"symbol 2: 0 to 1"}
    assert set(spots["right_answer"]) == {"01" + "0" * 30}
    assert set(spots["answer"]) == {"0" * 32}
    slope = table[table["metric"] == "slope"]
    assert slope["value"].tolist() == pytest.approx([-1.0], abs=1e-3)
    bound = table[(table["metric"] == "bound") & (table["size"] == 8)]["value"]
    assert bound.item() == pytest.approx(-np.log(FLOOR) / 8)


def test_claims_read_the_rows_of_the_rule(written):
    table, _ = written
    reads = measurements_blind
    shares = {each.condition: each for each in reads.blind(table, lambda _: Evidence.OTHER_MODEL)}
    assert shares["last"].value == 0
    own = table[(table["task"] == "constant") & (table["metric"] == "prompt_blind")]
    by_size = own.dropna(subset="size").set_index("size")
    assert by_size["value"].to_dict() == {4: 0, 8: 0, 32: 1}
    share = by_size.loc[32, "n"] / by_size["n"].sum()
    assert shares["constant"].value == pytest.approx(share)
    assert "within 1 nats" in shares["constant"].note
    (broken,) = reads.broken(table, lambda _: Evidence.OTHER_MODEL)
    assert (broken.value, broken.exact) == (0, True)
    more = {each.condition: each.value for each in reads.excess(table, lambda _: Evidence.THEORY)}
    assert more["constant"] > more["last"] == 0
    (gain,) = reads.gain(table, lambda _: Evidence.THEORY)
    assert gain.value == 0  # the copier is as sure of what it writes wrongly
    none = table[table["experiment"] != "blind"]
    for test in (reads.blind, reads.slope, reads.gain, reads.excess, reads.broken):
        assert isinstance(test(none, lambda _: Evidence.THEORY), NotMeasured)


def test_the_workload_is_what_passes_through_the_model():
    """With the same edits; a copier that writes everything rightly needs one pass per edit."""
    model = Copier()
    settings = SETTINGS | {"sizes": [4, 8], "edits": 3}
    asked = {"seed": 1, "perplexity": {"blind_spots": settings}}
    count = SimpleNamespace(
        context=None,
        turns=lambda turns: len(model.encode(turns)),
        text=len,
    )
    part = workload.edited(asked, WORDING, model, "plain", count)
    for task in settings["tasks"]:
        for size in settings["sizes"]:
            edited(model, task, size, most=3)
    again = (
        (workload.PASSES - 1)
        * 6
        * 6
        * sum(
            len(edits.drawn(task, size, 1, np.random.default_rng(0))[0].answer)
            for task in settings["tasks"]
            for size in settings["sizes"]
        )
    )  # six edits of six prompts; only answers pass again
    assert part.scored_tokens - model.tokens == pytest.approx(again, rel=0.2)
    assert part.requests == 5 * 2 * 6 * 8


def test_a_model_that_answers_nothing_rightly_has_no_edits(monkeypatch, tmp_path):
    model = Copier(planted=tuple(range(40)))
    monkeypatch.setattr(engines, "load", lambda *given, **named: model)
    names = {name: str(tmp_path / name) for name in ("table", "edited", "csv")}
    settings = SETTINGS | {"tasks": ["digits"], "sizes": [8]}
    blind_spots.main(
        "copier", {}, "", 4096, {"wordings": [WORDING]}, **names, settings=settings,
        floor=FLOOR, seed=1, provenance={},
    )  # fmt: skip
    table = tables.read(names["table"])
    assert (table.loc[table["metric"] == "prompt_right", "value"] == 0).all()
    assert pd.read_csv(names["csv"]).empty
