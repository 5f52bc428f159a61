"""However many tasks there are, prompts are tokenized in parts and rows built batch by batch."""

import weakref

import pytest

from workflow_scripts.inference import encoding, option_logprobs
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


def test_requests_are_tokenized_in_parts(engine, monkeypatch):
    fields = {"temperature": 0.0, "max_tokens": 0, "seed": 0, "choices": ["a", " b", "many"]}
    texts = [f"word {i} of many" for i in range(17)]
    rows = table(request(text, prompt=text, **fields) for text in texts).to_dict("records")
    sizes, real = [], engine._batch_ids

    def counted(texts, special):
        sizes.append(len(texts))
        return real(texts, special)

    monkeypatch.setattr(encoding, "READ_AT_ONCE", 5)
    monkeypatch.setattr(engine, "_batch_ids", counted)
    engine.read(rows)
    assert max(sizes) == 5 * len(fields["choices"])
    for text, row in zip(texts, rows, strict=True):
        prompt = engine.encode(prompt=text)
        assert engine.tokens_of(row) == prompt
        after = [engine.encode(prompt=text + option)[len(prompt) :] for option in fields["choices"]]
        assert engine.continuations(row)[1] == after[1]
    engine.read(rows[:1])
    with pytest.raises(KeyError):
        engine.tokens_of(rows[1])
