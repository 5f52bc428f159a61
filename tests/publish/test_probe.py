"""`make probe`: the table, and what the studies of the config cannot be asked."""

import pytest
import yaml

from tests.inference import hostile, obliging
from workflow_scripts.publish import probe


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, url):
    served = {"source": hostile.MODEL, "engine": "openai", "server": {"url": url}}
    config = {"models": {"served": served}, "studies": {"stochasticity": ["served"]}}
    (folder / "my.yaml").write_text(yaml.dump(config))
    return ["served", "--configfile", "my.yaml"]


def test_the_table_says_what_is_missing_until_the_server_is_mended(folder, capsys):
    with obliging.serving("samplers") as server:
        arguments = write(folder, server.url)
        assert probe.main(arguments) == 1
        said = " ".join(capsys.readouterr().out.split())
        assert "all tokens can be drawn │ no" in said
        assert "stochasticity: request 'S" in said
        asked = len(server.asked)
        server.fault = obliging.replying()
        assert probe.main(arguments) == 1
        assert len(server.asked) == asked
        results = folder / "results/models/served/probe.json"
        results.parent.mkdir(parents=True)
        results.write_text("{}")
        assert probe.main([*arguments, "--again"]) == 0
        assert not results.exists()  # the next run writes the new one
    assert "stochasticity: can be asked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "MODEL=nobody: expected a model with engine openai"),
        (["embedded-s"], "MODEL=embedded-s: expected a model with engine openai"),
        (["served", "--quick"], "found '--quick', allowed"),
    ],
)
def test_what_cannot_be_probed_is_one_line(arguments, message, capsys):
    assert probe.main(arguments) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_nobody_there_is_one_line(folder, capsys):
    with obliging.serving() as server:
        pass
    assert probe.main(write(folder, server.url)) == 1
    said = capsys.readouterr().err
    assert "no connection" in said
    assert said.count("\n") == 1
