"""Settings of the models, and of what their kinds are asked, that a schema cannot check."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.inference import kinds


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting under `models`: key, what was found, what to do."""
    for name, spec in config["models"].items():
        path, own = f"models.{name}", kinds.kind(config, name)
        if spec["source"] == "train" and "kind" in spec:
            yield f"{path}.kind: found {spec['kind']!r}; a model that is trained here is embedded"
        if own != kinds.REASONING and "thinking" in spec:
            yield (
                f"{path}.thinking: found {str(spec['thinking']).lower()} in a model of kind {own}, "
                f"allowed: a model of kind {kinds.REASONING}"
            )
        if own == kinds.BASE and spec.get("chat_template"):
            yield (
                f"{path}.chat_template: found true in a model of kind {own}, which is asked "
                "without a template; remove one of the two"
            )
        if own not in config["kinds"]:
            continue
        for study, models in config["studies"].items():
            if name in (models or []):
                yield from _too_long(config, study, name)


def _too_long(config: dict[str, Any], study: str, name: str) -> Iterator[str]:
    """A budget for thoughts that the context of the model cannot hold."""
    asked, context = kinds.asked(config, study, name), config["models"][name].get("max_context")
    if asked["thinks"] and context and asked["thought_tokens"] >= context:
        yield (
            f"models.{name}.max_context: found {context}, allowed in studies.{study}: more than "
            f"thought_tokens = {asked['thought_tokens']} (section kinds); lower one or raise the "
            "other, or set `thinking: false`"
        )
