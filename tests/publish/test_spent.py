"""What replies cost and how many could not be used."""

import pandas as pd
import pytest

from workflow_scripts.publish import spent


@pytest.fixture
def write(tmp_path):
    def written(name, rows):
        path = tmp_path / f"{name}.parquet"
        pd.DataFrame(rows).to_parquet(path)
        return str(path)

    return written


def reply(request, sample=0, **changes):
    return {
        "request_id": request,
        "sample": sample,
        "text": "7",
        "finish_reason": "stop",
        "prompt_tokens": 10,
        "completion_tokens": 3,
    } | changes


def score(experiment, metric, value, n, model="mine"):
    names = ("experiment", "metric", "value", "n", "model")
    return dict(zip(names, (experiment, metric, value, n, model), strict=True))


NONE = score("S1", "mean", 1.0, 1)


def table(asked, scores):
    rows = spent.table("mine", {"study": asked}, {"study": scores})
    assert list(rows) == spent.COLUMNS
    return rows.set_index("experiment").drop(columns="study")


def test_replies_are_counted_by_the_experiment_of_their_requests(write):
    requests = [
        {"request_id": name, "experiment": experiment, "max_tokens": tokens}
        for name, experiment, tokens in (("a", "S2", 9), ("b", "S10", 9), ("c", "E1", 0))
    ]
    replies = [reply("a"), reply("a", 1, finish_reason="length"), reply("b"), reply("b")]
    replies.append(reply("c", finish_reason="length", completion_tokens=0))
    scores = [
        score("S2", "failure_rate", 0.5, 10),
        score("S2", "failure_rate", 0.0, 30),
        score("S2", "failure_rate", 1.0, 30, model="other"),
        score("S7", "failure_rate", 0.25, 4),
    ]
    found = table(
        [write("requests", requests), write("responses", replies)], write("scores", scores)
    )
    assert list(found.index) == ["E1", "S2", "S7", "S10"]
    assert found.loc["S2"].tolist() == [1, 2, 20, 6, 0.5, 0.125]
    assert found.loc["S10", "replies"] == 1  # the same reply in two arms
    assert found.loc["S7"].isna().tolist() == [True] * 5 + [False]
    assert pd.isna(found.loc["E1", "cut_off"])  # log-probabilities only


def test_attempts_state_their_own_failures(write):
    arm = {"domain": "math", "arm": "parallel"}
    attempts = [
        reply("a", failure="", **arm),
        reply("b", failure="cut off", finish_reason="context", **arm),
        reply("c", failure="no answer", **arm),
        reply("d", failure=None, **arm),
    ]
    chosen = [{"request_id": "e", "text": "2", "domain": "math", "arm": "parallel", "k": 2}]
    inside = [{"metric": "copying", "value": 1.0, "model": "mine"}]
    paths = [write(*each) for each in (("a", attempts), ("c", chosen), ("i", inside))]
    found = table(paths, write("scores", [NONE]))
    assert found.loc["math, parallel"].tolist() == [4, 4, 40, 12, 0.25, 0.5]
    assert found.loc["math, choices", "replies"] == 1
    assert found.loc["math, choices"].isna().sum() == 4


def test_a_reply_with_many_draws_counts_once_and_each_turn_of_a_chain(write):
    condition = {"target": "digit", "style": "plain", "temperature": 1.0, "top_p": 1.0}
    condition |= {"top_k": 0, "batch": 3, "finish_reason": "stop"}
    rows = [
        condition | {"experiment": experiment, "unit": unit, "position": position, "tokens": 6}
        for experiment in ("S5", "S7")
        for unit in (0, 1)
        for position in (0, 1, 2)
    ]
    found = table([write("draws", rows)], write("scores", [NONE]))
    assert found.loc["S5", ["prompts", "replies", "completion_tokens"]].tolist() == [6, 6, 36]
    assert found.loc["S7", ["prompts", "replies", "completion_tokens"]].tolist() == [1, 2, 12]
    assert found["prompt_tokens"].isna().all()


def test_draws_without_a_setting_are_told_apart_by_the_others(write):
    condition = {"experiment": "S7", "target": "digit", "temperature": 1.0, "top_p": 1.0}
    condition |= {"top_k": 0, "batch": 3, "position": 0, "finish_reason": "stop", "tokens": 6}
    rows = [
        condition | {"style": style, "unit": unit} for style in (None, "plain") for unit in (0, 1)
    ]
    found = table([write("draws", rows)], write("scores", [NONE]))
    assert found.loc["S7", ["prompts", "replies", "completion_tokens"]].tolist() == [2, 4, 24]


def test_a_study_without_replies_has_no_rows(write):
    inside = [{"metric": "spread", "value": 1.0, "model": "mine"}]
    assert table([write("inside", inside)], write("scores", [NONE])).empty
    assert spent.table("mine", {}, {}).empty


def test_wall_time_is_the_sum_over_the_jobs_of_the_model(tmp_path):
    for name, seconds in (
        ("inference_generate/glasses-mine", "10.5"),
        ("glasses_models/mine", "20"),
        ("glasses_models/other", "40"),
        ("softmax_models/mine", "80"),
        ("glasses_more/mine", "-"),
    ):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"s\tcpu_time\n{seconds}\t1\n")
    assert spent.wall_s("mine", "glasses", tmp_path) == pytest.approx(30.5)
    assert spent.wall_s("mine", "perplexity", tmp_path) is None
