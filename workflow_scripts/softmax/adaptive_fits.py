"""Temperatures fitted to a language model: one polynomial for all heads, and one per head.

Both use lists of their own, apart from those on which accuracy is measured, and the likelihood of
the right letter.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.shared import adaptive_temperature, progress
from workflow_scripts.softmax import asked_lists, temperature, tempering
from workflow_scripts.softmax.lists import Prompt

Place = tuple[str, int]  # task and items
BEST = "best_beta_log_likelihood"


def points(
    model: Any,
    sets: Mapping[Place, Sequence[Prompt]],
    candidates: Sequence[int],
    entropies: Mapping[Place, float],
    betas: NDArray[np.float64],
) -> pd.DataFrame:
    """The likeliest of the `betas` (T,), the same in all heads, per task and number of items.

    `entropies` are the mean entropies in nats of all heads at the last token, at temperature 1.
    """
    rows = []
    for (task, items), prompts in progress.track(sets.items(), description="refit", unit="list"):
        values = np.array(
            [
                asked_lists.answered(
                    model, prompts, candidates, tempering.tempered(tempering.constant(float(beta)))
                )[1].mean()
                for beta in betas
            ]
        )
        place = {"task": task, "items": items, "entropy_nats": entropies[task, items]}
        rows.append(place | {BEST: temperature.best(betas, values), "prompts": len(prompts)})
    return pd.DataFrame(rows)


def polynomial(table: pd.DataFrame, degree: int) -> dict[str, Any] | None:
    """The paper's fit (E3) through the points; of a lower degree where there are few.

    None without two points above the entropy from which the temperature adapts.
    """
    used = table["entropy_nats"] > adaptive_temperature.LEAST_ENTROPY_NATS
    if used.sum() < 2:
        return None
    return temperature.fit_polynomial(table, "log_likelihood", min(degree, int(used.sum()) - 1))


def heads(
    model: Any,
    sets: Mapping[Place, Sequence[Prompt]],
    candidates: Sequence[int],
    shape: tuple[int, int],
    settings: Mapping[str, Any],
) -> Tensor:
    """Coefficients of `tempering.per_head`, (layers, heads, powers), by Adam from plain softmax.

    `shape` has layers and heads; `settings` the `head_degree` of the polynomials, the number of
    `steps` and the `learning_rate`. Every step sees all lists.
    """
    model.requires_grad_(False)
    size = (*shape, settings["head_degree"] + 1)
    found = torch.zeros(size, device=model.device, requires_grad=True)
    optimiser = torch.optim.Adam([found], lr=settings["learning_rate"])
    every = [prompt for prompts in sets.values() for prompt in prompts]
    for _ in progress.track(range(settings["steps"]), description="heads", unit="step"):
        optimiser.zero_grad()
        weigh = tempering.tempered(tempering.per_head(found))
        for places, logs in asked_lists.log_shares(model, every, candidates, weigh):
            answers = torch.tensor([every[place].answer for place in places], device=logs.device)
            loss = -logs.gather(-1, answers[:, None]).sum() / len(every)
            loss.backward()
        optimiser.step()
    return found.detach()
