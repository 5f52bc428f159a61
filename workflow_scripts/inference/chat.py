"""Chat turns as text for a model."""

from collections.abc import Sequence
from typing import Any

Turn = dict[str, str]


def templated(spec: dict[str, Any]) -> bool:
    """Whether the model's chat template renders its turns."""
    return spec.get("chat_template", True)


def reasons(template: str) -> bool:
    """Whether a chat template has a switch for thoughts, or opens one."""
    return "enable_thinking" in template


def render(tokenizer: Any, spec: dict[str, Any], turns: Sequence[Turn]) -> str:
    """Render turns up to the point where the model continues.

    Uses the tokenizer's chat template, with `enable_thinking` set to the model's `thinking` if
    given; without a template (`chat_template: false`) uses `plain`. A final assistant turn is left
    open for the model to continue.
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
    """Turns as plain text: "User: …", "Assistant: …", separated by blank lines."""
    lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns]
    if turns[-1]["role"] != "assistant":
        lines.append("Assistant:")
    return "\n\n".join(lines)


def no_template(name: str) -> str:
    """The error message for model `name` when its tokenizer lacks a chat template."""
    return (
        f"models.{name}: expected a chat template in its tokenizer, found none; set "
        f"models.{name}.chat_template: false to write chat turns as plain text "
        "(docs/add_a_model.md)"
    )
