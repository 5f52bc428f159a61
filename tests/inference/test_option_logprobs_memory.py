"""Scoring builds the rows of one batch at a time, however many tasks there are."""

import weakref

import pytest

from workflow_scripts.inference import option_logprobs
from workflow_scripts.inference.requests import request, table
from workflow_scripts.inference.tasks import Score


@pytest.fixture
def alive(monkeypatch):
    """Return a function that counts the rows in memory."""
    made, real = [], option_logprobs._row

    def counted(*arguments):
        row = real(*arguments)
        made.append(weakref.ref(row))
        return row

    monkeypatch.setattr(option_logprobs, "_row", counted)
    return lambda: sum(row() is not None for row in made)


@pytest.mark.parametrize("count", [40, 160])
def test_rows_are_held_for_one_batch_only(engine, alive, count, monkeypatch):
    monkeypatch.setattr(engine, "pass_tokens", 64)
    fields = {"temperature": 0.0, "max_tokens": 0, "seed": 0, "choices": ["a", "b"]}
    rows = [request(f"{i}", prompt=f"word {i} of many", **fields) for i in range(count)]
    tasks = [Score(row) for row in table(rows).to_dict("records")]
    engine.read(task.request for task in tasks)
    held, found = [], []
    for batch in option_logprobs.score(engine, tasks):
        held.append(alive())
        found += [record["request_id"] for record in batch]
    assert sorted(found) == sorted(task.request["request_id"] for task in tasks)
    assert max(held) <= 16 < count
