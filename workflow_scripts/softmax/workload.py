"""What the study asks of a model: tokens that pass through it (E4, E5)."""

from pathlib import Path
from typing import Any

from workflow_scripts.shared import seeds, user_files
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.workload import Count, Part, sampled


def workload(config: dict[str, Any], name: str, count: Count) -> list[Part]:
    """The lists of numbers that fit the context, and the text."""
    from workflow_scripts.softmax.models import number_prompt

    settings = config["softmax"]["models"]
    rng = seeds.generator(config["seed"], "softmax", "numbers")
    prompts = []
    for items in settings["numbers"]:
        drawn = rng.integers(0, settings["largest"] + 1, (settings["prompts"], items)).tolist()
        turns = [[{"role": "user", "content": number_prompt(numbers)}] for numbers in drawn]
        if count.context is None or max(map(count.turns, turns)) <= count.context:
            prompts += turns
    text = Path(settings["text"])
    text = text if text.exists() else ROOT / text
    tokens = min(count.text(user_files.text(text)), settings["text_tokens"])
    tokens = tokens if count.context is None else min(tokens, count.context)
    asked = len(prompts) + 1
    return [
        Part("softmax_models", asked, asked, scored_tokens=sampled(prompts, count.turns) + tokens)
    ]
