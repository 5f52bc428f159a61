"""A stored reply belongs to the prompt as it was rendered."""

import json
import shutil

import pytest

from tests.inference import tiny
from workflow_scripts.inference import engines, runner
from workflow_scripts.inference.requests import request, table

DATED = "{{ strftime_now('%Y') }}" + tiny.TEMPLATE


def asked():
    turns = [{"role": "user", "content": "the river"}]
    chat = request("a", messages=turns, n=3, temperature=1.0, max_tokens=4, seed=1, choices=["x"])
    return table([chat, request("b", prompt="Once", temperature=0, max_tokens=2, seed=1)])


@pytest.fixture
def load(checkpoint, tmp_path):
    def loaded(template=tiny.TEMPLATE, **spec):
        engine = engines.load("tiny", tiny.SPEC | spec, str(checkpoint))
        engine.tokenizer.chat_template = template
        engine.done = []
        run = engine.run

        def counted(tasks):
            for batch in run(tasks):
                engine.done += [each["request_id"] for each in batch]
                yield batch

        engine.run = counted
        runner.generate(asked(), engine, tmp_path / "store")
        return engine

    return loaded


def records(tmp_path):
    lines = [path.read_text().splitlines() for path in (tmp_path / "store").iterdir()]
    return [json.loads(line) for shard in lines for line in shard]


def test_replies_to_the_same_prompt_are_kept(load, tmp_path):
    assert len(load().done) == 5
    assert all(len(record["rendered"]) == 16 for record in records(tmp_path))
    assert len({record["rendered"] for record in records(tmp_path)}) == 2
    assert not load().done


def test_replies_to_another_prompt_are_asked_for_again(load, tmp_path, caplog):
    load()
    other = "Hi. " + tiny.TEMPLATE
    found = load(other).done
    assert len(found) == 4  # the bare prompt is the same
    assert "4 replies to prompts that the chat template writes otherwise now" in caplog.text
    assert not load(other).done
    assert not load().done  # both are there


def test_replies_of_a_version_without_the_field_are_kept(load, tmp_path):
    load()
    [shard] = (tmp_path / "store").iterdir()
    old = [{k: v for k, v in each.items() if k != "rendered"} for each in records(tmp_path)]
    shard.write_text("".join(json.dumps(each) + "\n" for each in old))
    assert not load().done
    assert not load("Hi. " + tiny.TEMPLATE).done


def test_each_request_is_rendered_once_and_only_for_a_store_with_replies(
    load, monkeypatch, tmp_path
):
    engine = load()
    calls = []
    rendered = engine.rendered
    monkeypatch.setattr(engine, "rendered", lambda rows: calls.append(len(rows)) or rendered(rows))
    runner.generate(asked(), engine, tmp_path / "other")
    assert not calls
    for _ in range(2):
        runner.generate(asked(), engine, tmp_path / "other")
    assert calls == [2, 2]  # two requests with five records


def test_only_a_template_with_a_date_puts_it_into_the_identity(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "dated")
    plain = engines.load("tiny", tiny.SPEC, str(folder)).identity
    assert engines.load("tiny", tiny.SPEC | {"date": "2020-02-02"}, str(folder)).identity == plain
    (folder / "chat_template.jinja").write_text(DATED)
    assert engines.load("tiny", tiny.SPEC, str(folder)).identity["date"] == "2026-01-01"
    dated = engines.load("tiny", tiny.SPEC | {"date": "2020-02-02"}, str(folder))
    assert dated.identity["date"] == "2020-02-02"
