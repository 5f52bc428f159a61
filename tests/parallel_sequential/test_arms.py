"""All arms through the real runner, with an artificial answerer whose habits are known."""

import hashlib
import json
import logging

import numpy as np
import pandas as pd
import pytest

from tests.parallel_sequential.answerer import Answerer
from workflow_scripts.inference import forms
from workflow_scripts.parallel_sequential import attempts, exploration, foreign, metrics, questions
from workflow_scripts.parallel_sequential.accuracy import cost, main_comparison
from workflow_scripts.parallel_sequential.contracts import ATTEMPTS, CHOICES
from workflow_scripts.parallel_sequential.rows import Rows, table
from workflow_scripts.parallel_sequential.scores import arms_of
from workflow_scripts.shared import tables

pytestmark = pytest.mark.xdist_group("arms")  # one worker makes its fixtures

N, CHAINS, QUESTIONS = 6, 2, 40
SETTINGS = {
    "attempts": N,
    "chains": CHAINS,
    "tries": 4,
    "padding": [1, 2],
    "weak_reliability": 0.75,
    "reply_logprobs": True,
    "math": {"questions": QUESTIONS, "steps": [2, 3], "file": None},
    "code": {
        "questions": 2,
        "steps": 1,
        "file": None,
        "since": "",
        "limits": {"cpu_s": 2, "wall_s": 30, "memory_mb": 256, "output_bytes": 10000},
        "numpy": False,
    },
}
SPEC = {"source": "train"}
ASKED = {
    "kind": "embedded",
    "thinks": False,
    "decoding": {"temperature": 1.0, "top_p": 1.0, "top_k": 0},
    "math_tokens": 32,
    "code_tokens": 32,
}


def table_of(domain):
    asked = questions.table(SETTINGS, 5)
    return asked[asked["domain"] == domain].reset_index(drop=True)


def ask(folder, skill, copies=0.0):
    asked = table_of("math")
    engine = Answerer(dict(zip(asked["text"], asked["answer"], strict=True)), skill, copies)
    plan = attempts.plan_of(ASKED, SPEC, asked, SETTINGS, 5)
    frame, choices = attempts.collect(engine, folder, plan, asked, SETTINGS, 5)
    return engine, ATTEMPTS.validate(frame), CHOICES.validate(choices), plan, asked


@pytest.fixture(scope="module")
def copier(tmp_path_factory):
    """Skill 0.6; it copies its last answer with probability 0.8."""
    return ask(tmp_path_factory.mktemp("copier"), 0.6, 0.8)


@pytest.fixture(scope="module")
def independent(tmp_path_factory):
    """Skill 0.6, independent of its history."""
    return ask(tmp_path_factory.mktemp("independent"), 0.6)


def scored(frame, choices, function, *more):
    rows = Rows("answerer", "math", 1)
    function(rows, arms_of(frame, N), *more)
    return table([rows.made])


def value(scores, metric, **wanted):
    rows = scores[scores["metric"] == metric]
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    assert len(rows) == 1, wanted
    return rows.iloc[0]


def test_habits_of_a_copier_come_back_within_their_intervals(copier):
    """Repeat rate 0.8 + 0.2 x (chance that a fresh draw equals the last answer, 0.36 both right);
    any of k from the chain's distribution; the parallel arm as if it did not copy."""
    _, frame, choices, *_ = copier
    scores = scored(frame, choices, exploration.variety, N)
    repeat = value(scores, "repeat_rate", arm="sequential")
    expected = 0.8 + 0.2 * 0.36
    assert repeat["ci_low"] <= expected <= repeat["ci_high"] + 0.002  # equal wrong ones: 1/199
    base = value(scores, "repeat_rate", arm="parallel")
    assert base["ci_low"] <= 0.36 <= base["ci_high"] + 0.002
    scores = scored(frame, choices, main_comparison, choices, N)
    # A chain has no right answer in k attempts if its first is wrong and each later one copies
    # (wrong again) or is drawn wrong.
    for k in (2, 4, N):
        found = value(scores, "accuracy", arm="sequential", aggregator="any", k=k)
        expected = 1 - 0.4 * (0.8 + 0.2 * 0.4) ** (k - 1)
        assert found["ci_low"] <= expected <= found["ci_high"]
        found = value(scores, "accuracy", arm="parallel", aggregator="any", k=k)
        assert found["ci_low"] - 0.01 <= 1 - 0.4**k <= found["ci_high"] + 0.01
    gap = value(scores, "gap", aggregator="majority", k=N)
    assert gap["ci_low"] > 0
    last = value(scores, "accuracy", arm="sequential", aggregator="last", k=N)
    assert last["ci_low"] <= 0.6 <= last["ci_high"]


def test_an_independent_answerer_has_no_gap_and_no_excess(independent):
    _, frame, choices, *_ = independent
    scores = scored(frame, choices, main_comparison, choices, N)
    for name in ("majority", "random", "last", "logprob"):
        gap = value(scores, "gap", aggregator=name, k=N)
        assert gap["ci_low"] <= 0 <= gap["ci_high"], name
    scores = scored(frame, choices, exploration.variety, N)
    for metric in ("unique_excess", "repeat_rate_excess", "entropy_nats_excess"):
        row = value(scores, metric)
        assert row["ci_low"] <= 0 <= row["ci_high"], metric


def explained(frame):
    rows = Rows("answerer", "math", 1)
    arms = arms_of(frame, N)
    exploration.attribute(rows, arms["parallel"], arms["sequential"])
    return table([rows.made])


def test_the_whole_gap_of_a_copier_comes_from_its_repeats(copier):
    """It copies with probability 0.8 and its fresh attempts are as good as parallel ones."""
    scores = explained(copier[1])
    rate = value(scores, "copy_rate")
    assert rate["value"] == pytest.approx(0.8, abs=0.12)  # three standard errors
    assert rate["ci_low"] > 0.5
    share = value(scores, "gap_explained_share")
    assert share["ci_low"] <= 1 <= share["ci_high"]
    assert share["ci_low"] > 0.3


def test_an_independent_answerer_copies_nothing_and_has_no_gap_to_explain(independent):
    scores = explained(independent[1])
    rate = value(scores, "copy_rate")
    assert rate["ci_low"] <= 0 <= rate["ci_high"]
    share = value(scores, "gap_explained_share")
    assert share["note"].startswith("no gap to explain: ")
    assert np.isnan(share["value"])


def test_the_gap_at_equal_tokens_covers_every_number_of_sequential_attempts(copier):
    """A prompt of the answerer always costs 10 tokens and a reply 4, so budgets are whole."""
    scores = scored(copier[1], copier[2], cost, N)
    for k in range(1, N + 1):
        assert value(scores, "attempts_equal_tokens", k=k)["value"] == pytest.approx(k)
        assert value(scores, "gap_equal_tokens", k=k)["n"] == QUESTIONS
    frame = copier[1].copy()
    later = (frame["arm"] == "sequential") & (frame["attempt"] > 1)
    frame.loc[later, "prompt_tokens"] = 24  # each later attempt costs twice as much
    scores = scored(frame, copier[2], cost, N)
    last = value(scores, "attempts_equal_tokens", k=N)
    assert last["value"] == pytest.approx(2 * N - 1)  # more than one chain has
    assert value(scores, "gap_equal_tokens", k=N)["n"] == QUESTIONS


def test_without_counts_of_tokens_nothing_is_compared_at_equal_tokens(copier):
    frame = copier[1].assign(prompt_tokens=0, completion_tokens=0)
    scores = scored(frame, copier[2], cost, N)
    assert set(scores["metric"]) == {"tokens"}
    assert scores["value"].isna().all()


@pytest.mark.parametrize("who", ["copier", "independent"])
def test_at_attempt_1_both_arms_see_the_same_prompt_and_agree(who, request):
    _, frame, choices, *_ = request.getfixturevalue(who)
    first = frame[frame["attempt"] == 1]
    tokens = first.groupby("arm")["prompt_tokens"].unique()
    assert list(tokens["parallel"]) == list(tokens["sequential"])
    scores = scored(frame, choices, main_comparison, choices, N)
    for name in ("majority", "random"):
        gap = value(scores, "gap", aggregator=name, k=1)
        assert gap["ci_low"] <= 0 <= gap["ci_high"]


def test_every_arm_has_its_attempts_and_shares_the_first(copier):
    _, frame, *_ = copier
    kept = frame[frame["accepted"]]
    counts = kept.groupby(["arm", "question", "chain"])["attempt"].agg(["min", "max", "size"])
    for arm in ("parallel", "sequential", "improve", "different", "new_idea", "resample", "ban"):
        own = counts.loc[arm]
        assert (own["min"] == 1).all()
        assert (own["max"] == N).all()
        assert (own["size"] == N).all()
        assert len(own) == QUESTIONS * CHAINS
    assert len(counts.loc["padded-1"]) == QUESTIONS * CHAINS
    first = kept[(kept["attempt"] == 1) & ~kept["arm"].str.match("parallel|padded")]
    assert first.groupby(["question", "chain"])["request_id"].nunique().eq(1).all()


def test_the_history_is_the_earlier_final_answers_and_nothing_else(independent):
    """Requests rebuilt from the attempts alone are those that were sent."""
    _, frame, _, plan, asked = independent
    texts = dict(zip(asked["question"], asked["text"], strict=True))
    own = frame[frame["arm"] == "sequential"].sort_values("attempt")
    for (question, chain), rows in list(own.groupby(["question", "chain"]))[:10]:
        turns = [{"role": "user", "content": texts[question]}]
        earlier = []
        for row in rows.to_dict("records"):
            if row["attempt"] > 1:
                sent = plan.sampling["math"].request(
                    "math",
                    question,
                    "sequential",
                    chain,
                    turns,
                    row["attempt"],
                    earlier=earlier,
                )
                assert sent["request_id"] == row["request_id"]
            earlier.append(row["answer"])
            turns = [
                *turns,
                {"role": "assistant", "content": row["text"]},
                {"role": "user", "content": "Solve it again."},
            ]


def test_an_oracle_stops_a_chain_at_its_first_right_answer(copier):
    _, frame, *_ = copier
    own = frame[frame["arm"] == "oracle"].sort_values("attempt")
    for _, rows in own.groupby(["question", "chain"]):
        assert not rows["correct"].iloc[:-1].any()
        assert rows["correct"].iloc[-1] or len(rows) == N


def test_the_weak_environment_is_right_as_often_as_it_says(independent):
    _, frame, *_ = independent
    own = frame[frame["arm"] == "parallel"]
    agrees = (own["passes_weak"] == own["correct"]).mean()
    spread = np.sqrt(0.75 * 0.25 / len(own))
    assert abs(agrees - 0.75) < 4 * spread
    stopped = frame[frame["arm"] == "weak"].sort_values("attempt")
    for _, rows in stopped.groupby(["question", "chain"]):
        assert not rows["passes_weak"].iloc[:-1].any()
        assert rows["passes_weak"].iloc[-1] or len(rows) == N


def test_repeats_are_drawn_again_at_most_four_times(copier):
    """A right first answer recurs with probability 0.8 + 0.2 x 0.6, so most repeats stay
    repeats."""
    _, frame, *_ = copier
    own = frame[frame["arm"] == "resample"].sort_values(["attempt", "retry"])
    assert own["retry"].max() == 3
    for _, rows in own.groupby(["question", "chain"]):
        earlier: list[str] = []
        for _, tries in rows.groupby("attempt"):
            assert list(tries["retry"]) == list(range(len(tries)))
            for row in tries.to_dict("records"):
                repeat = row["answer"] in earlier
                assert row["accepted"] == (not repeat or row["retry"] == 3)
            earlier.append(tries["answer"].iloc[-1])


def test_embedded_models_are_asked_as_before(copier):
    """Other ids would ask them again."""
    engine, frame, _, plan, asked = copier
    other = foreign.after_donor(foreign.SEED, frame, 1, asked, plan)
    coding = table_of("code")
    first = attempts.plan_of(ASKED, SPEC, coding, SETTINGS, 5, 512).first(coding, CHAINS)
    assert [len(engine.turns), len(other), len(first)] == [5147, 400, 8]
    ids = [sorted(engine.turns), list(other["request_id"]), list(first["request_id"])]
    found = [hashlib.sha256("\n".join(each).encode()).hexdigest()[:16] for each in ids]
    assert found == ["38a462d7aa30d0af", "fd69d569b8b24d43", "6b63c978853b7613"]


def test_a_second_run_asks_nothing_and_gives_the_same(copier, tmp_path):
    engine, frame, _, plan, asked = copier
    calls = engine.asked
    store = tmp_path / "store"
    again, _ = attempts.collect(engine, store, plan, asked, SETTINGS, 5)
    pd.testing.assert_frame_equal(ATTEMPTS.validate(again), frame)
    made = engine.asked - calls
    third, _ = attempts.collect(engine, store, plan, asked, SETTINGS, 5)
    assert engine.asked - calls == made
    pd.testing.assert_frame_equal(third, again)


def test_a_killed_job_goes_on_in_its_round(copier, tmp_path):
    """The answerer fails after some replies; the next run requests only the rest."""
    engine, frame, _, plan, asked = copier
    run = engine.run

    def dying(tasks):
        for number, batch in enumerate(run(tasks)):
            if number == 300:
                raise KeyboardInterrupt
            yield batch

    before = engine.asked
    engine.run = dying
    try:
        with pytest.raises(KeyboardInterrupt):
            attempts.collect(engine, tmp_path, plan, asked, SETTINGS, 5)
    finally:
        del engine.run
    again, _ = attempts.collect(engine, tmp_path, plan, asked, SETTINGS, 5)
    pd.testing.assert_frame_equal(ATTEMPTS.validate(again), frame)
    lines = sum(len(p.read_text().splitlines()) for p in tmp_path.glob("*.jsonl"))
    # The reply in progress at the failure was requested twice.
    assert engine.asked - before == lines + 1


def test_histories_of_another_chain_are_its_answers(copier):
    _, frame, _, plan, asked = copier
    requests = foreign.after_donor(foreign.SEED, frame, 1, asked, plan)
    own = frame[frame["arm"] == "sequential"]
    given = {
        key: list(rows.sort_values("attempt")["text"])
        for key, rows in own.groupby(["question", "chain"])
    }
    assert len(requests) == QUESTIONS * CHAINS * (N - 1)
    for row in requests.to_dict("records"):
        turns = json.loads(row["messages"])
        shown = [turn["content"] for turn in turns if turn["role"] == "assistant"]
        other = given[row["question"], (row["chain"] + 1) % CHAINS]
        assert shown == other[: row["attempt"] - 1]


def test_choices_are_candidates_and_free_where_all_agree(copier):
    _, frame, choices, *_ = copier
    for row in choices.to_dict("records"):
        own = frame[
            (frame["question"] == row["question"])
            & (frame["arm"] == row["arm"])
            & (frame["chain"] == row["chain"])
            & (frame["attempt"] <= row["k"])
        ]
        names = set(own["answer"])
        assert row["answer"] in names | {""}
        assert (row["request_id"] == "") == (len(names) == 1)
        if row["answer"]:
            assert row["correct"] == own.loc[own["answer"] == row["answer"], "correct"].iloc[0]


@pytest.mark.parametrize("factor", [1, 2])
def test_padding_is_the_model_s_own_replies_to_other_questions(copier, factor):
    """As long as the history, in every chain, from the parallel replies of that chain."""
    engine, frame, _, _, asked = copier
    names = dict(zip(asked["text"], asked["question"], strict=True))
    own = frame[frame["accepted"]].sort_values("attempt")
    texts = own.groupby(["arm", "question", "chain"])["text"].agg(list)
    padded = own[own["arm"] == f"padded-{factor}"].drop_duplicates("request_id")
    assert len(padded) == QUESTIONS * CHAINS
    for row in padded.to_dict("records"):
        *unrelated, last = engine.turns[row["request_id"]]
        assert names[last["content"]] == row["question"]
        for question, reply in zip(unrelated[::2], unrelated[1::2], strict=True):
            other = names[question["content"]]
            assert other != row["question"]
            assert reply["content"] in texts["parallel", other, row["chain"]]
        shown = texts["sequential", row["question"], row["chain"]][:-1]
        history = sum(len(text) + len("Solve it again.") for text in shown)
        length = sum(len(turn["content"]) for turn in unrelated)
        assert factor * history <= length < factor * history + 200


def test_a_model_without_answers_goes_no_further(tmp_path):
    asked = table_of("code")
    engine = Answerer({}, 1.0)
    engine.draw = lambda task: (
        engine.record(task, task.sample)
        | {"text": "no idea (", "finish_reason": "stop", "completion_tokens": 3}
    )
    plan = attempts.plan_of(ASKED, SPEC, asked, SETTINGS, 5)
    frame, choices = attempts.collect(engine, tmp_path, plan, asked, SETTINGS, 5)
    assert set(frame["arm"]) == {"parallel", "sequential"}
    assert frame.loc[frame["arm"] == "sequential", "attempt"].max() == 1
    assert choices.empty
    assert metrics.unique(arms_of(frame, 1)["parallel"], 1).max() == 0


CHAT = ASKED | {"kind": "chat"}
QWEN3 = {"temperature": 0.6, "top_p": 0.95, "top_k": 20}
THINKER = CHAT | {
    "kind": "reasoning",
    "thinks": True,
    "thought_tokens": 256,
    "decoding": QWEN3,
}
SERVED = {"source": "m", "engine": "openai", "server": {"dialect": "plain"}}


def sampling_of(asked, spec=SPEC, context=None):
    return attempts.plan_of(asked, spec, table_of("math"), SETTINGS, 5, context).sampling["math"]


def test_a_thinking_model_has_room_for_thoughts():
    assert sampling_of(CHAT).max_tokens == 32
    assert sampling_of(THINKER).max_tokens == 32 + 256
    assert sampling_of(THINKER | {"thinks": False}).max_tokens == 32


def test_a_reply_takes_at_most_half_of_the_context(caplog):
    assert sampling_of(THINKER, context=576).max_tokens == 288
    assert not caplog.records
    assert sampling_of(THINKER, context=400).max_tokens == 200
    assert "at most 200 tokens instead of 288" in caplog.text


def test_a_vendors_reasoning_model_draws_at_temperature_1_alone(caplog):
    spec = SERVED | {"kind": "reasoning", "server": {"dialect": "openai"}}
    found = attempts.decoding({"decoding": QWEN3}, spec)
    assert found == {"temperature": 1.0, "top_p": 1.0, "top_k": 0}
    assert "the model draws at temperature 1 only" in caplog.text


def test_a_server_without_top_k_is_asked_without_it(caplog):
    assert sampling_of(THINKER).top_k == 20
    assert sampling_of(THINKER, SERVED | {"server": {"dialect": "vllm"}}).top_k == 20
    assert not caplog.records
    left = sampling_of(THINKER, SERVED)
    assert (left.temperature, left.top_p, left.top_k) == (0.6, 0.95, 0)
    assert "top_k 20 is left out" in caplog.text


class Script(Answerer):
    """Answers every request with the next of `texts`; keeps the requests."""

    def __init__(self, *texts, reason="stop"):
        super().__init__({}, 1.0)
        self.texts, self.reason, self.requests = texts, reason, {}

    def run(self, tasks):
        self.requests |= {task.request["request_id"]: task.request for task in tasks}
        return super().run(tasks)

    def draw(self, task):
        text = self.texts[self.asked % len(self.texts)]
        more = {"text": text, "finish_reason": self.reason, "completion_tokens": 4}
        return self.record(task, task.sample) | more


def scripted(folder, asked, engine, logprobs=True):
    wanted = table_of("math").head(3)
    plan = attempts.plan_of(asked, SPEC, wanted, SETTINGS, 5)
    frame, choices = attempts.collect(engine, folder, plan, wanted, SETTINGS, 5, logprobs)
    return ATTEMPTS.validate(frame), CHOICES.validate(choices)


def test_a_base_model_sees_examples_once_and_stops_before_the_next_turn(tmp_path):
    engine = Script("So \\boxed{1}.\n", "So \\boxed{2}.\n")
    frame, _ = scripted(tmp_path, ASKED | {"kind": "base"}, engine)
    assert set(frame["answer"]) == {"1", "2"}
    examples = forms.opening("base", "worked")
    scores = 0
    for request in engine.requests.values():
        turns = json.loads(request["messages"])
        assert turns[: len(examples)] == examples
        assert examples[0] not in turns[len(examples) :]
        assert [turn["role"] for turn in turns[::2]] == ["user"] * (len(turns) // 2 + 1)
        if request["max_tokens"]:
            assert request["stop"] == json.dumps(list(forms.stop("base")))
        else:
            scores += 1
            assert json.loads(request["choices"])[0].endswith("}.")
    assert scores
    assert {"choose", "padded-1"} <= {arm_of(request) for request in engine.requests.values()}


def arm_of(request):
    parts = request["item"].split("/")
    return parts[0] if parts[0] == "choose" else parts[2]


def test_a_thought_that_was_cut_off_is_no_answer(tmp_path):
    engine = Script(r"<think>Perhaps \boxed{1}", reason="length")
    frame, _ = scripted(tmp_path, THINKER, engine)
    assert set(frame["failure"]) == {"cut off"}
    assert set(frame["answer"]) == {""}
    assert attempts.cut_off("no answer", "context") == "cut off"
    assert attempts.cut_off("no answer", "filtered") == "no answer"


def test_without_log_probabilities_only_the_best_by_them_is_missing(tmp_path):
    engine = Script(r"So \boxed{1}.", r"So \boxed{2}.")
    frame, choices = scripted(tmp_path, CHAT, engine, logprobs=False)
    assert all(request["max_tokens"] for request in engine.requests.values())
    scores = scored(frame, choices, main_comparison, choices, N)
    row = value(scores, "gap", aggregator="logprob")
    assert np.isnan(row["value"])
    assert "the server gives none" in row["note"]
    assert value(scores, "gap", aggregator="majority", k=N)["n"] == 3


def test_a_server_says_once_that_it_gives_no_log_probabilities(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.WARNING)
    engine = Script(r"So \boxed{1}.", r"So \boxed{2}.")
    monkeypatch.setattr(attempts.engines, "load", lambda *_, **__: engine)
    asked = table_of("math").head(2)
    tables.write(asked, "questions.parquet", attempts.QUESTIONS, None)
    paths = ("attempts.parquet", "choices.parquet", "questions.parquet")
    attempts.main(*paths, "served", SERVED, "m", 1024, THINKER | {"thinks": False}, SETTINGS, 5)
    assert tables.read("attempts.parquet", ATTEMPTS)["mean_logprob"].isna().all()
    assert "gives none of a whole reply" in caplog.text
    assert not any(request["top_k"] for request in engine.requests.values())
