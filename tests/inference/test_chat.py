"""What `chat.render` makes of turns, with small templates of the shapes that models have."""

import functools
import json

import pytest

from tests.inference import tiny
from workflow_scripts.inference import chat
from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.models.chat import TEMPLATE as EMBEDDED

TURN = "{{ '<|' + m.role + '|>\n' + m.content | trim + '<|end|>\n' }}"
HEADER = "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
LLAMA = "{% for m in messages %}" + TURN + "{% endfor %}" + HEADER
# Cuts thoughts out of replies, writes an empty one before the last reply, and has a switch.
QWEN = (
    "{%- for m in messages %}{%- set content = m.content %}"
    "{%- if m.role == 'assistant' and '</think>' in content %}"
    "{%- set content = content.split('</think>')[-1] %}{%- endif %}"
    "{{- '<|' + m.role + '|>\n' }}"
    "{%- if loop.last and m.role == 'assistant' %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{{- content + '<|end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
DEEPSEEK = (
    "{% if not thinking is defined %}{% set thinking = false %}{% endif %}"
    "{% for m in messages %}" + TURN + "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}"
    "{% if thinking %}{{ '<think>' }}{% else %}{{ '</think>' }}{% endif %}{% endif %}"
)
R1 = LLAMA.replace("<|assistant|>\n", "<|assistant|>\n<think>\n")
GEMMA = (
    "{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\n\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}"
    "{% endif %}"
    "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must\nalternate') }}{% endif %}"
    "{{ '<|' + m.role + '|>\n' + (first if loop.first else '') + m.content | trim + '<|end|>\n' }}"
    "{% endfor %}" + HEADER
)
MISTRAL = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content + '</s>' }}{% endif %}{% endfor %}"
)
HEADLESS = "{% for m in messages %}" + TURN + "{% endfor %}"
MOVING = (
    "{% for m in messages if m.role == 'system' %}" + TURN + "{% endfor %}"
    "{% for m in messages if m.role != 'system' %}" + TURN + "{% endfor %}" + HEADER
)
CHANNELS = (
    "{%- macro system() -%}{{- 'Date: ' + strftime_now('%Y-%m-%d') + '\n' -}}{%- endmacro -%}"
    "{{- '<|start|>system<|message|>' + system() + '<|end|>' }}{%- for m in messages %}"
    "{%- if m.role == 'assistant' %}{{- '<|start|>assistant<|channel|>final<|message|>' }}"
    "{%- else %}{{- '<|start|>' + m.role + '<|message|>' }}{%- endif %}{{- m.content + '<|end|>' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"
)
DATED = (
    '{% if date_string is not defined %}{% set date_string = strftime_now("%d %b %Y") %}{% endif %}'
    "{{ 'Today: ' + date_string + '\n' }}" + LLAMA
)
CALLING = "\n  {% if true %}{{ strftime_now('%B %d, %Y') }}{% endif %}\n" + LLAMA

USER = {"role": "user", "content": " Draw a digit. "}
OTHER = {"role": "assistant", "content": "It is 4."}
SYSTEM = {"role": "system", "content": "Be brief."}


def begun(text):
    return [USER, {"role": "assistant", "content": text}]


@functools.cache
def words():
    return tiny.tokenizer()


def tokenizer(template):
    found = words()
    found.chat_template = template
    return found


def render(template, *turns, **spec):
    return chat.render(tokenizer(template), {"source": "some/model"} | spec, list(turns))


@pytest.mark.parametrize("spec", [{}, {"thinking": False}, {"date": "2020-02-02"}])
@pytest.mark.parametrize(
    "turns",
    [
        [USER],
        [USER, OTHER, USER],
        [SYSTEM, USER],
        begun(""),
        begun(" x\n"),
        [USER, OTHER, *begun("a")],
    ],
)
def test_embedded_models_are_asked_as_ever(turns, spec):
    started = turns[-1]["role"] == "assistant"
    whole = tokenizer(EMBEDDED).apply_chat_template(
        turns, tokenize=False, add_generation_prompt=not started, continue_final_message=started
    )
    assert render(EMBEDDED, *turns, **spec) == whole


@pytest.mark.parametrize(
    ("template", "opening"),
    [
        (LLAMA, "<|assistant|>\n"),
        (GEMMA, "<|assistant|>\n"),
        (QWEN, "<|assistant|>\n<think>\n\n</think>\n\n"),
        (DEEPSEEK, "<|assistant|></think>"),
        (R1, "<|assistant|>\n<think>\n\n</think>\n\n"),
        (R1.replace("<think>\n", "<think>"), "<|assistant|>\n<think>\n\n</think>\n\n"),
        (CHANNELS, "<|start|>assistant<|channel|>final<|message|>"),
        (MISTRAL, " [/INST] "),
    ],
)
@pytest.mark.parametrize("beginning", ["", "\nThe digit ", "`</think>` ends"])
def test_the_beginning_of_a_reply_follows_what_opens_one(template, opening, beginning):
    found = render(template, *begun(beginning))
    assert found.endswith(opening + beginning)
    head = found.removesuffix(opening + beginning)
    assert "think>" not in head
    assert "[INST]" not in head[6:]
    assert "<|assistant|>" not in head


def test_a_beginning_needs_thoughts_switched_off():
    with pytest.raises(EngineError, match=r"^chat template of some/model: .*`thinking: true`; set"):
        render(QWEN, *begun("7"), thinking=True)


@pytest.mark.parametrize(
    ("template", "thinking", "end"),
    [
        (QWEN, None, "<|assistant|>\n"),
        (QWEN, True, "<|assistant|>\n"),
        (QWEN, False, "</think>\n\n"),
        (DEEPSEEK, None, "</think>"),
        (DEEPSEEK, True, "<think>"),
        (DEEPSEEK, False, "<|assistant|></think>"),
        (R1, None, "<think>\n"),
        (R1, True, "<think>\n"),
        (R1, False, "<think>\n\n</think>\n\n"),
        (CHANNELS, None, "<|start|>assistant"),
        (CHANNELS, True, "<|start|>assistant"),
        (CHANNELS, False, "<|start|>assistant<|channel|>final<|message|>"),
        (LLAMA, False, "<|assistant|>\n"),
    ],
)
def test_thoughts_are_switched_in_the_template_s_own_way(template, thinking, end):
    spec = {} if thinking is None else {"thinking": thinking}
    assert render(template, USER, **spec).endswith(end)


def test_what_a_template_can_do_is_read_from_its_text():
    templates = {"qwen": QWEN, "deepseek": DEEPSEEK, "r1": R1, "channels": CHANNELS, "llama": LLAMA}
    templates |= {"embedded": EMBEDDED, "gemma": GEMMA, "mistral": MISTRAL, "dated": DATED}
    # Words that are no switch: text, and a field of a turn.
    templates["no switch"] = LLAMA + "{# thinking #}thinking{{ messages[0].thinking }}"
    templates["own variable"] = (
        "{% if true %}{% set thinking = 1 %}{% endif %}{{ thinking }}" + LLAMA
    )
    templates["marked"] = "{%- generation -%}" + LLAMA + "{%- endgeneration %}"
    templates["broken"] = "{% if %}"

    def those(test):
        return {name for name, template in templates.items() if test(template)}

    assert those(chat.switches) == {"qwen", "deepseek"}
    assert those(chat.thinks_always) == {"r1", "channels"}
    assert those(chat.reasons) == {"qwen", "deepseek", "r1", "channels"}
    assert those(chat.dated) == {"channels", "dated"}


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize(
    ("template", "default", "other"),
    [
        (DATED, "Today: 01 Jan 2026\n", "Today: 04 Jul 2025\n"),
        (CHANNELS, "Date: 2026-01-01\n", "Date: 2025-07-04\n"),
        (CALLING, "\nJanuary 01, 2026", "\nJuly 04, 2025"),
    ],
)
def test_the_date_is_that_of_the_config(template, default, other, zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    assert default in render(template, USER)
    later = render(template, USER, date="2025-07-04")
    assert later == render(template, USER).replace(default, other)


def test_the_macro_for_the_date_changes_nothing_else():
    """Line breaks and blanks at the start of the template, too."""
    for template in (
        CALLING,
        "  " + CALLING,
        "\n" + CALLING,
        "{%- if true %}" + CALLING + "{% endif %}",
    ):
        fixed = template.replace("strftime_now('%B %d, %Y')", "'January 01, 2026'")
        assert render(template, USER) == render(fixed, USER)


def test_a_form_of_the_date_that_is_no_literal_is_refused():
    with pytest.raises(
        EngineError, match=r"some/model: it refuses .*literal format in strftime_now"
    ):
        render("{{ strftime_now(messages[0].role) }}" + LLAMA, USER)


@pytest.mark.parametrize(
    ("template", "turns", "why"),
    [
        (MISTRAL, [SYSTEM, USER], r"leaves out .* turn 1 of 2 \(system\): 'Be brief.'"),
        (MOVING, [USER, SYSTEM, USER], r"moves the text of turn 2 of 3 \(system\)"),
        (GEMMA, [USER, USER], r"refuses the turns \(user, user\): Roles must alternate"),
        (QWEN, [USER, {"role": "assistant", "content": "a </think> b"}, USER], r"turn 2 of 3"),
        (LLAMA.replace("m.role +", "m.role + none +"), [USER], r"refuses the turns \(user\)"),
        (HEADLESS, [USER], "add_generation_prompt"),
        (HEADLESS, begun("7"), "add_generation_prompt"),
    ],
)
def test_a_prompt_that_is_not_what_the_study_means_is_refused_in_one_line(template, turns, why):
    with pytest.raises(EngineError, match=r"^chat template of some/model: .*" + why) as caught:
        render(template, *turns)
    assert "\n" not in str(caught.value)


def test_a_system_turn_may_be_merged_into_the_first():
    assert "<|user|>\nBe brief.\n\nDraw a digit.<|end|>" in render(GEMMA, SYSTEM, USER)


@pytest.mark.parametrize("stored", ["file", "config", "named", "older file", "none"])
def test_the_template_of_a_folder_is_read_without_transformers(tmp_path, stored):
    found = {
        "file": ("chat_template.jinja", LLAMA),
        "config": ("tokenizer_config.json", json.dumps({"chat_template": LLAMA})),
        "older file": ("chat_template.json", json.dumps({"chat_template": LLAMA})),
        "named": (
            "tokenizer_config.json",
            json.dumps({"chat_template": [{"name": "default", "template": LLAMA}]}),
        ),
        "none": ("tokenizer_config.json", "{}"),
    }
    name, text = found[stored]
    (tmp_path / name).write_text(text)
    assert chat.of_folder(tmp_path) == ("" if stored == "none" else LLAMA)


@pytest.mark.parametrize(("template", "refused"), [(LLAMA, False), (QWEN, True), (R1, True)])
def test_a_model_that_thinks_is_not_asked_as_one_that_does_not(template, refused, tmp_path):
    """Its template came with the download, after the config was read."""
    from transformers import AutoTokenizer

    folder = tiny.save(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = template
    for spec in ({}, {"kind": "reasoning"}, {"kind": "chat", "chat_template": False}):
        chat.refuse_other_kind("mine", spec, tokenizer)
    if not refused:
        chat.refuse_other_kind("mine", {"kind": "chat"}, tokenizer)
        return
    with pytest.raises(EngineError, match=r"^models.mine.kind: expected chat, found a template"):
        chat.refuse_other_kind("mine", {"kind": "chat"}, tokenizer)
