"""Settings that must fit each other are refused with one line that says what to do."""

import copy

import pytest
import yaml

from tests.change_of_mind import made
from workflow_scripts.change_of_mind import config_checks
from workflow_scripts.inference import kinds, openai_payload
from workflow_scripts.shared.fingerprint import ROOT

DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
SERVED = {"source": "m", "engine": "openai", "server": {"url": "http://h/v1"}}


def problems(section=(), models=(), places=300):
    """Problems of the default config with settings of the study, models and places changed."""
    config = copy.deepcopy(DEFAULT)
    config["models"] |= dict(models)
    config["studies"]["change_of_mind"] += dict(models)
    config["embedded"]["corpus"]["places"] = places
    for key, value in dict(section).items():
        old = config["change_of_mind"][key]
        config["change_of_mind"][key] = old | value if isinstance(old, dict) else value
    return list(config_checks.problems(config))


def test_the_default_config_fits():
    assert not problems()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"foils": {"difficult": 0.5}}, "allowed: less than foils.offset = 0.5"),
        ({"answerers": {"embedded-s": {}}}, "answerers: found 'embedded-s', the name of a model"),
        ({"files": {"transfer": "no.csv"}}, "files.transfer: found no file no.csv"),
        ({"questions": {"controls": 241}}, "controls: found 241, allowed: at most questions.fact"),
        ({"questions": {"transfer": 20}}, "regressions.questions: found 24, allowed: at most q"),
    ],
)
def test_settings_that_do_not_fit_get_one_line(section, message):
    (line,) = problems(section)
    assert line.startswith("change_of_mind.")
    assert message in line


def test_both_parts_of_the_places_need_one():
    assert not problems({"calibration_share": 0.4}, places=2)
    (line,) = problems({"calibration_share": 0.1}, places=4)
    assert "a share that divides embedded.corpus.places = 4" in line


def test_a_way_that_the_server_cannot_take_is_refused():
    """The English wording ends in the start of a reply, which most servers refuse."""

    def asked(choices, **spec):
        told = {"asked": {"change_of_mind": {"choices": choices}}}
        return problems(models={"served": SERVED | told | spec})

    for choices in ("first_token", "sampled"):
        assert not asked(choices)
    (line,) = asked("logprobs")
    assert line.startswith("models.served.asked.change_of_mind.choices: found 'logprobs', allowed")
    for spec in (
        {"server": SERVED["server"] | {"dialect": "vllm"}},
        {"chat_template": False},
        {"kind": "base"},
    ):
        assert not asked("logprobs", **spec)
    for kind, allowed in (("base", "logprobs or sampled"), ("reasoning", "sampled")):
        (line,) = asked("first_token", kind=kind)
        assert f"allowed: {allowed} (" in line
    (line,) = problems({"temperature": 0}, {"served": SERVED | {"kind": "reasoning"}})
    assert line.startswith("change_of_mind.temperature: found 0, allowed: more")


@pytest.mark.parametrize(
    ("spec", "choices", "thinks"),
    [
        ({"source": "/m"}, "logprobs", False),
        ({"source": "/m", "kind": "reasoning"}, "logprobs", False),
        ({"source": "/m", "kind": "reasoning", "thinking": True}, "logprobs", False),
        (SERVED, "first_token", False),
        (SERVED | {"kind": "reasoning"}, "sampled", True),
        (SERVED | {"kind": "base"}, "logprobs", False),
        (SERVED | {"server": {"url": "http://h/v1", "dialect": "openai"}}, "first_token", False),
        (SERVED | {"server": {"url": "http://h/v1", "dialect": "vllm"}}, "logprobs", False),
    ],
)
def test_how_options_are_taken_follows_from_kind_and_server(spec, choices, thinks):
    config = DEFAULT | {"models": {"mine": spec | {"kind": spec.get("kind", "chat")}}}
    found = kinds.asked(config, "change_of_mind", "mine")
    assert (found["choices"], found["thinks"]) == (choices, thinks)
    sampled = {"asked": {"change_of_mind": {"choices": "sampled"}}}
    config["models"]["mine"] |= sampled
    found = kinds.asked(config, "change_of_mind", "mine")
    assert found["choices"] == "sampled"
    assert found["thinks"] == (thinks or spec.get("thinking", False))


def test_the_check_refuses_the_servers_that_the_engine_refuses():
    requests, _ = made.answered("ideal")
    for request in requests.groupby("experiment").head(1).to_dict("records"):

        def refused(dialect, asked=request, **spec):
            return openai_payload.refusal({"server": {"dialect": dialect}} | spec, asked)

        assert "its last turn is the assistant's" in refused("plain")
        assert "its last turn is the assistant's" in refused("openai")
        assert refused("vllm") is None
        assert refused("plain", chat_template=False) is None
