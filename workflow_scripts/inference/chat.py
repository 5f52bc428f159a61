"""Chat turns as the text that a model reads."""

from collections.abc import Sequence
from typing import Any

Turn = dict[str, str]


def templated(spec: dict[str, Any]) -> bool:
    """Whether the model's chat template renders its turns."""
    return spec.get("chat_template", True)


def render(tokenizer: Any, spec: dict[str, Any], turns: Sequence[Turn]) -> str:
    """Render turns up to the point where the model goes on.

    By the tokenizer's chat template, with `enable_thinking` as `thinking` of the model's settings
    says where they say it; without a template (`chat_template: false`) by `plain`. A last turn by
    the assistant is left open, so that the model goes on with it.
    """
    if not templated(spec):
        return plain(turns)
    switch = {"enable_thinking": spec["thinking"]} if "thinking" in spec else {}
    started = turns[-1]["role"] == "assistant"
    return tokenizer.apply_chat_template(
        list(turns),
        tokenize=False,
        add_generation_prompt=not started,
        continue_final_message=started,
        **switch,
    )


def plain(turns: Sequence[Turn]) -> str:
    """Turns for a model that knows no chat: "User: …", "Assistant: …", one blank line between."""
    lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns]
    if turns[-1]["role"] != "assistant":
        lines.append("Assistant:")
    return "\n\n".join(lines)


def no_template(name: str) -> str:
    """What to say of model `name` when its tokenizer has no chat template, but should."""
    return (
        f"models.{name}: its tokenizer has no chat template; set models.{name}.chat_template: "
        "false to have chat turns written out as plain text (docs/add_a_model.md)"
    )
