"""The tasks that the runner gives to an engine, with an engine that counts them."""

import json
import tracemalloc

import pandas as pd
import pytest

from workflow_scripts.inference import rounds, runner
from workflow_scripts.inference.engines import Draw
from workflow_scripts.inference.requests import request, table
from workflow_scripts.shared import tables


class Counting:
    """Answers with the request's item and sample; records each task."""

    name, engine, dtype, version = "counting", "none", "float32", "0"

    def __init__(self, batch=7):
        self.identity = {"engine": "none"}
        self.batch = batch
        self.asked = []

    def run(self, tasks):
        tasks = list(tasks)[::-1]  # any order is allowed
        for start in range(0, len(tasks), self.batch):
            self.asked += tasks[start : start + self.batch]
            yield [self.answer(task) for task in tasks[start : start + self.batch]]

    def answer(self, task):
        known = {"request_id": task.request["request_id"], "prompt_tokens": 3}
        if isinstance(task, Draw):
            text = f"{task.request['item']}/{task.sample}"
            done = {"sample": task.sample, "text": text, "finish_reason": "stop"}
            return known | done | {"completion_tokens": 1}
        return known | {"sample": -1, "choice_logprobs": [-1.0, None], "logprobs": [None, -0.5]}


def ask(item, n=1, **fields):
    settings = {"prompt": "p", "temperature": 1.0, "max_tokens": 1, "seed": 0} | fields
    return request(item, n=n, **settings)


def test_responses_follow_the_requests_and_their_samples(tmp_path):
    responses = runner.generate(table([ask("b", 3), ask("a", 2)]), Counting(), tmp_path)
    assert list(responses["text"]) == ["b/0", "b/1", "b/2", "a/0", "a/1"]
    assert list(responses["sample"]) == [0, 1, 2, 0, 1]


def test_a_second_run_asks_nothing(tmp_path):
    asked = table([ask("a", 30), ask("b", choices=["A", "B"])])
    first = runner.generate(asked, Counting(), tmp_path)
    again = Counting()
    second = runner.generate(asked, again, tmp_path)
    assert again.asked == []
    assert second.equals(first)


def test_more_samples_of_a_request_ask_for_the_new_ones_only(tmp_path):
    before = runner.generate(table([ask("a", 1000)]), Counting(), tmp_path)
    engine = Counting()
    after = runner.generate(table([ask("a", 2000)]), engine, tmp_path)
    assert sorted(task.sample for task in engine.asked) == list(range(1000, 2000))
    assert after[:1000].equals(before)


def test_fewer_samples_ask_nothing(tmp_path):
    runner.generate(table([ask("a", 10)]), Counting(), tmp_path)
    engine = Counting()
    assert len(runner.generate(table([ask("a", 4)]), engine, tmp_path)) == 4
    assert engine.asked == []


@pytest.mark.parametrize("change", [{"temperature": 0.5}, {"seed": 1}, {"top_k": 2}])
def test_a_changed_field_asks_again(tmp_path, change):
    runner.generate(table([ask("a", 5)]), Counting(), tmp_path)
    engine = Counting()
    runner.generate(table([ask("a", 5, **change)]), engine, tmp_path)
    assert len(engine.asked) == 5


def test_scores_are_asked_once_and_stand_in_every_sample(tmp_path):
    engine = Counting()
    asked = table([ask("a", 4, choices=["A", "B"], echo_logprobs=True), ask("b", 2)])
    responses = runner.generate(asked, engine, tmp_path)
    assert len(engine.asked) == 7
    assert [json.loads(row) for row in responses["choice_logprobs"]] == [[-1.0, None]] * 4 + [
        []
    ] * 2
    assert json.loads(responses["logprobs"][0]) == [None, -0.5]


def test_an_interrupted_run_keeps_its_batches(tmp_path):
    asked = table([ask("a", 50)])

    class Failing(Counting):
        def run(self, tasks):
            for number, batch in enumerate(super().run(tasks)):
                if number == 3:
                    raise RuntimeError("out of memory")
                yield batch

    with pytest.raises(RuntimeError, match="out of memory"):
        runner.generate(asked, Failing(), tmp_path)
    engine = Counting()
    assert runner.generate(asked, engine, tmp_path).equals(
        runner.generate(asked, Counting(), tmp_path / "undisturbed")
    )
    assert len(engine.asked) == 50 - 3 * 7


def test_a_conversation_goes_on_in_the_round_it_was_in(tmp_path):
    def follow(number, requests, responses):
        if number == 2:
            return None
        texts = responses["text"].tolist()
        return table(ask(f"{i}:{number + 1}", prompt=text) for i, text in enumerate(texts))

    def stopping(number, requests, responses):
        if number == 1:
            raise KeyboardInterrupt
        return follow(number, requests, responses)

    first = table(ask(f"{i}:0", prompt="start") for i in range(5))
    with pytest.raises(KeyboardInterrupt):
        rounds.converse(first, stopping, Counting(), tmp_path)
    engine = Counting()
    asked, answered = rounds.converse(first, follow, engine, tmp_path)
    assert len(engine.asked) == 5  # the third round alone
    assert list(asked["round"]) == [0] * 5 + [1] * 5 + [2] * 5
    assert asked["prompt"].tolist()[5:] == answered["text"].tolist()[:10]


class Longwinded(Counting):
    """Each reply is 20 kB; records how many tasks it holds at once."""

    def __init__(self):
        super().__init__(batch=16)
        self.most = 0

    def run(self, tasks):
        self.most = max(self.most, len(tasks))
        yield from super().run(tasks)

    def answer(self, task):
        return super().answer(task) | {"text": "x" * 20_000}


def test_a_table_in_parts_is_the_table(tmp_path, monkeypatch):
    asked = table([ask("a", 30, choices=["A"]), ask("b", 25), ask("c", 1, echo_logprobs=True)])
    whole = runner.generate(asked, Counting(), tmp_path / "whole")
    monkeypatch.setattr(runner, "PART_ROWS", 8)
    monkeypatch.setattr(runner, "BLOCK_TASKS", 10)
    engine = Counting()
    parts = list(runner.stream(asked, engine, tmp_path / "parts"))
    assert max(map(len, parts)) == 8
    assert pd.concat(parts, ignore_index=True).equals(whole)
    assert len(engine.asked) == 58


def test_no_requests_are_an_empty_table(tmp_path):
    parts = list(runner.stream(table([]), Counting(), tmp_path))
    assert [len(part) for part in parts] == [0]


def test_memory_does_not_grow_with_the_replies(tmp_path, monkeypatch):
    """Four times as many replies: 12 MB more text, less than a tenth of which is held in memory."""
    monkeypatch.setattr(runner, "PART_ROWS", 16)
    monkeypatch.setattr(runner, "BLOCK_TASKS", 64)
    monkeypatch.setattr(tables, "GROUP_BYTES", 1 << 19)

    def peak(n):
        engine = Longwinded()
        tracemalloc.start()
        try:
            parts = runner.stream(table([ask("a", n)]), engine, tmp_path / f"store{n}")
            tables.write_parts(parts, tmp_path / f"{n}.parquet")
            assert engine.most == 64
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # what is imported and cached on first use
    assert peak(800) - peak(200) < 1_200_000
