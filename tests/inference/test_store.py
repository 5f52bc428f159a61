import json
import os
import tracemalloc

import pytest

from workflow_scripts.inference.store import Store


def record(name, sample=0, text="x"):
    return {"request_id": name, "sample": sample, "text": text}


def test_what_was_appended_is_read_back(tmp_path):
    store = Store(tmp_path)
    store.append([record("a"), record("a", 1, "zwei\nZeilen, ünicode")])
    store.append([record("b")])
    store.close()
    assert dict(Store(tmp_path)) == dict(store)
    assert len(list(tmp_path.iterdir())) == 1


def test_two_writers_never_share_a_shard(tmp_path):
    first, second = Store(tmp_path), Store(tmp_path)
    for number in range(20):
        first.append([record("a", number)])
        second.append([record("b", number)])
    shards = [path.read_text().splitlines() for path in tmp_path.iterdir()]
    assert len(shards) == 2
    assert all(len({json.loads(line)["request_id"] for line in shard}) == 1 for shard in shards)
    assert len(Store(tmp_path)) == 40


def test_reading_makes_no_shard(tmp_path):
    Store(tmp_path).close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kept", range(1, 40, 7))
def test_a_half_written_last_line_is_dropped_and_counted(tmp_path, kept):
    line = json.dumps(record("b")).encode()
    (tmp_path / "0.jsonl").write_bytes(json.dumps(record("a")).encode() + b"\n" + line[:kept])
    (tmp_path / "1.jsonl").write_bytes(line[:kept])
    store = Store(tmp_path)
    assert set(store) == {("a", 0)}
    assert store.torn == 2
    store.append([record("b")])
    assert set(Store(tmp_path)) == {("a", 0), ("b", 0)}


def test_a_damaged_line_elsewhere_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "0.jsonl").write_text('{"request_id": "a", "sam\n' + json.dumps(record("b")) + "\n")
    with pytest.raises(ValueError, match=r"0\.jsonl: line 1 .*delete it"):
        Store(tmp_path)


def test_the_first_answer_stands(tmp_path):
    for text in ("first", "second"):
        store = Store(tmp_path / "empty")
        store.folder = tmp_path
        store.append([record("a", text=text)])
    assert Store(tmp_path)["a", 0]["text"] == "first"


def test_records_of_more_shards_than_may_be_open_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("workflow_scripts.inference.store.OPEN_SHARDS", 2)
    for number in range(5):
        store = Store(tmp_path)
        store.append([record("a", number, f"text {number}")])
        store.close()
    store = Store(tmp_path)
    for _ in range(2):
        assert [store["a", number]["text"] for number in range(5)] == [
            f"text {number}" for number in range(5)
        ]
    store.close()


def test_memory_does_not_grow_with_the_length_of_replies(tmp_path):
    """Written and read back, fifty replies of 200 kB hold less than two of them at a time."""
    text = "x" * 200_000
    tracemalloc.start()
    try:
        for turn in range(2):
            store = Store(tmp_path)
            if not turn:
                for number in range(50):
                    store.append([record("a", number, text)])
            assert sum(len(store[key]["text"]) for key in store) == 50 * len(text)
            store.close()
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < 2_000_000  # a batch is held as records, lines and bytes; the store has 10 MB


def test_one_bad_text_costs_no_other_reply(tmp_path):
    """Half a surrogate pair cannot be written as UTF-8."""
    store = Store(tmp_path)
    texts = ["before", "half \ud83d", "after"]
    store.append([record("a", number, text) for number, text in enumerate(texts)])
    store.close()
    assert [each["text"] for each in Store(tmp_path).values()] == texts


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o002, 0o664)])
def test_a_shard_takes_the_users_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        store = Store(tmp_path)
        store.append([record("a")])
    finally:
        os.umask(before)
    [shard] = tmp_path.iterdir()
    assert shard.stat().st_mode & 0o777 == mode
