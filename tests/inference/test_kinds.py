"""The kind of a model: inferred from its files as people have them, and what follows from it."""

import copy
import json
import struct

import pytest
import yaml

from workflow_scripts.inference import config_checks, forms, kinds
from workflow_scripts.inference.replies import spoken
from workflow_scripts.shared.fingerprint import ROOT

DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())
PLAIN = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}"
SWITCHED = PLAIN + "{% if enable_thinking is defined and not enable_thinking %}<think>{% endif %}"
REAL = ("base", "chat", "reasoning")
SERVER = {"url": "http://127.0.0.1:1/v1"}


def config(study="stochasticity", **spec):
    """The default config with one more model, `mine`, in a study."""
    content = copy.deepcopy(DEFAULT)
    content["models"]["mine"] = spec
    content["studies"][study] = ["mine"]
    return content


def folder(path, template="", file="chat_template.jinja"):
    """A model's folder as far as its kind depends on it."""
    (path / "config.json").write_text("{}")
    (path / "tokenizer_config.json").write_text("{}")
    if template:
        text = template if file.endswith("jinja") else json.dumps({"chat_template": template})
        (path / file).write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("template", "file", "kind"),
    [
        ("", "", "base"),
        (PLAIN, "chat_template.jinja", "chat"),
        (PLAIN, "tokenizer_config.json", "chat"),
        (PLAIN, "chat_template.json", "chat"),
        (SWITCHED, "chat_template.jinja", "reasoning"),
        (SWITCHED, "tokenizer_config.json", "reasoning"),
        ([{"name": "default", "template": PLAIN}], "tokenizer_config.json", "chat"),
        ([{"name": "rag", "template": SWITCHED}], "tokenizer_config.json", "base"),
    ],
)
def test_a_folder_tells_the_kind(tmp_path, template, file, kind):
    path = folder(tmp_path, template, file)
    assert kinds.kind(config(source=path), "mine") == kind


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ({"chat_template": False}, "base"),
        ({"thinking": False}, "reasoning"),
        ({"kind": "base"}, "base"),
        ({"kind": "chat", "chat_template": True}, "chat"),
    ],
)
def test_the_entry_counts_before_the_folder(tmp_path, spec, kind):
    path = folder(tmp_path, PLAIN)
    assert kinds.kind(config(source=path, **spec), "mine") == kind


def test_other_sources():
    hub = {"source": "owner/model", "revision": "0" * 40}
    assert kinds.kind(config(**hub), "mine") == "chat"  # not on this machine
    assert kinds.kind(config(source="gpt", engine="openai", server=SERVER), "mine") == "chat"
    package = {"package": "some-package==1.0", "file": "*.gguf"}
    assert kinds.kind(config(source=package), "mine") == "chat"
    assert kinds.kind(DEFAULT, "embedded-s") == "embedded"


@pytest.mark.parametrize(
    ("template", "kind"), [(SWITCHED, "reasoning"), (PLAIN, "chat"), (None, "base")]
)
def test_a_gguf_file_tells_its_kind(tmp_path, template, kind):
    """Written by the format's own library."""
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_token_list(["a", "b"] * 500)
    if template:
        writer.add_chat_template(template)
    writer.add_uint32("last", 7)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    found = kinds.kind(config(source=str(tmp_path / "model.gguf")), "mine")
    assert found == kind
    assert kinds.template(config(source=str(tmp_path / "model.gguf")), "mine") == (template or "")


@pytest.mark.parametrize("content", [b"", b"GGUF" + kinds.GGUF_TEMPLATE + struct.pack("<I", 8)])
def test_a_torn_gguf_file_is_left_to_the_conversion(tmp_path, content):
    (tmp_path / "torn.gguf").write_bytes(content)
    assert kinds.kind(config(source=str(tmp_path / "torn.gguf")), "mine") == "chat"


def test_one_entry_is_asked_without_thoughts_and_with_them(tmp_path):
    found = config(source=folder(tmp_path, SWITCHED))
    s1 = kinds.asked(found, "stochasticity", "mine")
    assert s1["kind"] == "reasoning"
    assert not s1["thinks"]
    assert s1["thought_tokens"] == DEFAULT["kinds"]["reasoning"]["stochasticity"]["thought_tokens"]
    assert kinds.switchable(found, "mine")
    assert kinds.asked(found, "parallel_sequential", "mine")["thinks"]
    assert kinds.serving(found, "stochasticity", "mine")["thinking"] is False
    assert kinds.serving(found, "parallel_sequential", "mine")["thinking"] is True
    assert forms.budget(s1, 50) == 50
    assert forms.budget(s1 | {"thinks": True}, 50) == 50 + s1["thought_tokens"]


def test_no_thought_where_none_fits(tmp_path):
    """Options are scored right after a given beginning, and copies position by position."""
    found = config(source=folder(tmp_path, SWITCHED), thinking=True)
    for study in ("change_of_mind", "perplexity", "softmax"):
        assert not kinds.asked(found, study, "mine")["thinks"]
        assert kinds.serving(found, study, "mine")["thinking"] is False
    assert kinds.asked(found, "stochasticity", "mine")["thinks"]


def test_a_server_that_cannot_switch_thoughts_always_thinks():
    plain = config(source="r1", engine="openai", kind="reasoning", server=SERVER)
    assert kinds.asked(plain, "stochasticity", "mine")["thinks"]
    assert "thinking" not in kinds.serving(plain, "stochasticity", "mine")
    assert not kinds.switchable(plain, "mine")
    switched = config(
        source="r1", engine="openai", kind="reasoning", server=SERVER | {"dialect": "vllm"}
    )
    assert not kinds.asked(switched, "stochasticity", "mine")["thinks"]


def test_a_model_changes_single_values(tmp_path):
    own = {"stochasticity": {"reply_tokens": 99}}
    found = config(source=folder(tmp_path, PLAIN), asked=own)
    asked = kinds.asked(found, "stochasticity", "mine")
    assert asked == DEFAULT["kinds"]["chat"]["stochasticity"] | {
        "reply_tokens": 99,
        "kind": "chat",
        "thinks": False,
    }
    assert kinds.asked(found, "glasses", "mine")["wording"] == "paper"


def test_a_base_model_has_no_template_and_an_embedded_one_no_date(tmp_path):
    base = kinds.serving(config(source=folder(tmp_path)), "stochasticity", "mine")
    assert base["chat_template"] is False
    assert base["date"] == DEFAULT["inference"]["date"]
    embedded = kinds.serving(DEFAULT, "stochasticity", "embedded-s")
    assert {"chat_template", "thinking", "date"}.isdisjoint(embedded)


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        (
            {"thinking": True, "kind": "chat"},
            "models.mine.thinking: found true in a model of kind chat",
        ),
        ({"kind": "base", "chat_template": True}, "models.mine.chat_template: found true"),
        (
            {"thinking": True, "max_context": 4096},
            "models.mine.max_context: found 4096, allowed in studies.stochasticity: more than "
            "thought_tokens = 4096",
        ),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(tmp_path, spec, line):
    found = config(source=folder(tmp_path, PLAIN), **spec)
    assert any(problem.startswith(line) for problem in config_checks.problems(found))


def test_the_default_has_nothing_to_tell():
    assert list(config_checks.problems(DEFAULT)) == []


@pytest.mark.parametrize("form", sorted(forms.EXAMPLES))
def test_examples_are_for_base_models_only(form):
    turns = forms.opening("base", form)
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
    assert turns
    for kind in ("embedded", "chat", "reasoning"):
        assert forms.opening(kind, form) == []
        assert forms.stop(kind) == ()
    assert forms.stop("base")


def test_the_reply_of_an_example_is_what_the_readers_read():
    for turn in (turn for form in forms.EXAMPLES for turn in forms.opening("base", form)):
        if turn["role"] == "assistant":
            assert spoken(turn["content"]) == turn["content"]


def test_no_example_favours_an_option():
    letters = [reply[-1] for _, reply in forms.EXAMPLES["quiz"]]
    assert sorted(letters) == list("ABCD")
    assert sorted(reply[-1] for _, reply in forms.EXAMPLES["option"]) == list("AB")


def test_every_kind_states_what_the_studies_read():
    for kind in REAL:
        asked = DEFAULT["kinds"][kind]
        assert set(asked) >= {"stochasticity", "parallel_sequential", "perplexity", "glasses"}
