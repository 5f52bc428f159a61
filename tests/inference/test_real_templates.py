"""Prompts as the chat templates of real models write them."""

import itertools

import pytest
from transformers import AutoTokenizer

from tests.inference import real_tokenizers
from workflow_scripts.inference import chat, forms, replies
from workflow_scripts.inference.encoding import Encoder
from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.models.chat import assistant, user

# Text that opens a reply: as the model writes after it, thoughts off.
OPENING = {
    "qwen3": "<|im_start|>assistant\n",
    "gemma3": "<start_of_turn>model\n",
    "llama3_1": "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "deepseek_v3": "<｜Assistant｜>",
    "gemini": "<start_of_turn>model\n",
}
ENDS = {
    "qwen3": "<|im_end|>",
    "gemma3": "<end_of_turn>",
    "llama3_1": "<|eot_id|>",
    "deepseek_v3": "<｜end▁of▁sentence｜>",
    "gemini": "<end_of_turn>",
}
NO_THOUGHT = {"qwen3": "<think>\n\n</think>\n\n"}
models = pytest.mark.parametrize("model", OPENING)
QUESTION = user("Draw a digit from 0 to 9. Reply with the digit only.")
SYSTEM = {"role": "system", "content": "Be brief."}
THOUGHTS = "<think>\nSay 4, or 5?\n</think>\n\nIt is 4."


@pytest.fixture(scope="session")
def tokenizers():
    found = {}

    def load(model):
        if model not in found:
            found[model] = AutoTokenizer.from_pretrained(real_tokenizers.folder(model))
        return found[model]

    return load


@pytest.fixture
def render(tokenizers):
    def rendered(model, *turns, **spec):
        return chat.render(tokenizers(model), {"source": model} | spec, list(turns))

    return rendered


@models
def test_a_question_and_each_earlier_turn_stand_where_they_belong(model, render):
    turns = [QUESTION, assistant("4"), user("Again."), assistant("7"), user("Once more.")]
    for count in (1, 3, 5):
        found = render(model, *turns[:count])
        assert found.endswith(OPENING[model])
        assert found.count(OPENING[model]) == (count + 1) // 2
        for reply in turns[1:count:2]:
            assert OPENING[model] + reply["content"] + ENDS[model] in found
        assert "think" not in found


@models
@pytest.mark.parametrize("form", forms.EXAMPLES)
def test_every_form_of_question_is_rendered(model, form, render):
    """The worked examples of each form, as turns."""
    examples = forms.opening("base", form)
    found = render(model, *examples, QUESTION)
    texts = [turn["content"] for turn in [*examples, QUESTION]]
    assert [text for text in texts if text not in found] == []


@models
@pytest.mark.parametrize("beginning", ["", "7", "\nThe option ", "My answer is ("])
@pytest.mark.parametrize("history", [[], [user("Hello."), assistant("Hello!")]])
def test_the_beginning_of_a_reply_follows_what_opens_one(model, beginning, history, render):
    found = render(model, *history, QUESTION, assistant(beginning))
    prompt = render(model, *history, QUESTION)
    assert found == prompt + NO_THOUGHT.get(model, "") + beginning
    with pytest.raises(EngineError, match=f"chat template of {model}: .*thoughts off"):
        render(model, QUESTION, assistant(beginning), thinking=True)


@models
def test_an_earlier_reply_goes_in_without_its_thoughts(model, render):
    shown = replies.history(THOUGHTS)
    found = render(model, QUESTION, assistant(shown), user("Again."))
    assert OPENING[model] + "It is 4." + ENDS[model] in found
    quoting = replies.history("The tag `</think>` ends a thought.")
    assert quoting in render(model, QUESTION, assistant(quoting), user("Again."))


def test_a_reply_that_a_template_would_cut_is_refused(render):
    cut = [QUESTION, assistant("The tag `</think>` ends a thought."), user("Again.")]
    with pytest.raises(EngineError, match=r"qwen3: it leaves out or changes .* turn 2 of 3"):
        render("qwen3", *cut)
    assert cut[1]["content"] in render("gemma3", *cut)


@pytest.mark.parametrize(
    ("model", "where"),
    [
        ("qwen3", "<|im_start|>system\nBe brief.<|im_end|>\n"),
        ("gemma3", "<start_of_turn>user\nBe brief.\n\nDraw"),
        ("llama3_1", "<|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"),
        ("deepseek_v3", "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Draw"),
        ("gemini", None),
    ],
)
def test_a_system_turn_is_kept_or_refused(model, where, render):
    if where is None:
        with pytest.raises(EngineError, match=r"refuses the turns \(system, user\): System role"):
            render(model, SYSTEM, QUESTION)
    else:
        assert where in render(model, SYSTEM, QUESTION)


@models
def test_turns_out_of_order_are_rendered_or_refused(model, render):
    turns = [QUESTION, user("Quickly.")]
    if model in ("gemma3", "gemini"):
        with pytest.raises(EngineError, match="must alternate"):
            render(model, *turns)
    else:
        found = render(model, *turns)
        assert found.index("Draw a digit") < found.index("Quickly.")


@models
def test_thoughts_are_switched_where_there_is_a_switch(model, render, tokenizers):
    template = tokenizers(model).chat_template
    assert chat.switches(template) == chat.reasons(template) == (model in NO_THOUGHT)
    assert not chat.thinks_always(template)
    on, off = (render(model, QUESTION, thinking=thinking) for thinking in (True, False))
    assert on == render(model, QUESTION)
    assert off == on + NO_THOUGHT.get(model, "")


@models
def test_no_prompt_depends_on_the_day(model, render, monkeypatch, tokenizers):
    """Also with the lines of templates that write it."""
    tokenizer = tokenizers(model)
    original = tokenizer.chat_template
    assert not chat.dated(original)
    line = "{{ 'Today: ' + strftime_now('%d %B %Y') }}\n{{ date_string }}\n"
    try:
        for template in (original, line + original):
            tokenizer.chat_template = template
            found = set()
            for zone, day in itertools.product(("Etc/GMT+12", "Etc/GMT-14"), ("2025-07-04", None)):
                monkeypatch.setenv("TZ", zone)
                found.add(render(model, QUESTION, **({"date": day} if day else {})))
            assert len(found) == (1 if template == original else 2)
    finally:
        tokenizer.chat_template = original
    assert any("Today: 04 July 2025\n04 Jul 2025" in each for each in found)


@models
def test_a_prompt_has_one_token_that_begins_the_text(model, tokenizers):
    """Templates write it themselves."""
    tokenizer = tokenizers(model)
    tokens = Encoder(tokenizer, {"source": model}).encode([QUESTION])
    assert tokens.count(tokenizer.bos_token_id) == (0 if model == "qwen3" else 1)


def test_a_base_model_has_no_template(tokenizers, tmp_path):
    assert tokenizers("gptoss").chat_template is None
    assert chat.of_folder(real_tokenizers.folder("gptoss")) == ""
    spec = {"source": "gptoss", "chat_template": False}
    text = chat.render(tokenizers("gptoss"), spec, [QUESTION, assistant("It is ")])
    assert text == f"User: {QUESTION['content']}\n\nAssistant: It is "
