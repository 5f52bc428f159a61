"""What the study asks of a model: requests (E1, E2, E5), and what passes through it.

That is what E4 and the precision budget read.
"""

from typing import Any

import numpy as np

from workflow_scripts.inference import kinds
from workflow_scripts.shared.workload import Count, Part, asked, sampled

CURES = 2
# Time of a sensitivity per token and row of two Jacobians, in tokens that are read: backward
# passes, and norms. Exact ones are in float64, projections in float32. Measured on a model of width
# 576 that reads in bfloat16 on a CPU.
EXACT, PROJECTED = 25, 9


def workload(config: dict[str, Any], name: str, count: Count) -> list[Part]:
    """The requests, the prompts read in every precision, and those of the budget."""
    from workflow_scripts.glasses.requests import rows

    settings, told = config["glasses"], kinds.asked(config, "glasses", name)
    requests = rows(settings["tasks"], told, config["seed"])
    return [
        asked("inference_generate", requests, count),
        _inside(settings, told, count),
        budget(settings, told, count),
    ]


def _inside(settings: dict[str, Any], told: dict[str, Any], count: Count) -> Part:
    from workflow_scripts.glasses import model_gaps, model_sensitivity

    gaps, words = settings["gaps"], model_gaps.WORDINGS[told["wording"]]
    rng = np.random.default_rng(0)

    def turns(panel: str, shown: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": words[model_gaps.PANELS[panel][0]].format(shown)}]

    prompts = {
        panel: [
            turns(panel, shown)
            for length in gaps["lengths"]
            for _ in range(gaps["draws"] if kind == "digits" else 1)
            for shown in model_gaps.pair(kind, length, rng)
        ]
        for panel, (_, kind) in model_gaps.PANELS.items()
    }
    every = [each for panel in prompts.values() for each in panel]
    read = len(gaps["precisions"]) * sampled(every, count.turns)
    read += CURES * sampled(prompts["copy_ones"], count.turns)
    number = len(gaps["precisions"]) * len(every) + CURES * len(prompts["copy_ones"])
    heard = settings["model_sensitivity"]
    if count.width is not None and count.width <= heard["widest"]:
        shown = model_gaps.sequence("digits", heard["digits"], rng)
        tokens = heard["prompts"] * count.turns(turns("last_ones", shown))
        exact = count.width <= model_sensitivity.EXACT_WIDTH
        rows = count.width * EXACT if exact else model_sensitivity.PROJECTIONS * PROJECTED
        read += tokens * rows
        number += heard["prompts"]
    return Part("glasses_models", number, number, scored_tokens=read)


def budget(settings: dict[str, Any], told: dict[str, Any], count: Count) -> Part:
    """Counts and copies with their replies, as often as they pass through the model.

    All are taken to be right. Once to reply, once forwards and `steps` times backwards at twice
    the cost, once per format.
    """
    from workflow_scripts.glasses import budget as own
    from workflow_scripts.glasses import model_gaps

    asked, words = settings["budget"], model_gaps.WORDINGS[told["wording"]]
    passes = 2 + 2 * asked["steps"] + len(asked["formats"])
    read = 0
    for task in own.TASKS:
        for length in asked["lengths"]:
            shown = model_gaps.sequence("ones", length, None)
            turns = [{"role": "user", "content": words[task].format(shown)}]
            read += count.turns(turns) + (length if task == "copy" else 0)
    number = len(own.TASKS) * len(asked["lengths"])
    return Part("glasses_budget", number, number, scored_tokens=passes * read)
