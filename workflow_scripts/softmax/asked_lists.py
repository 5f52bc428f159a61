"""A language model's answers to lists, and its attention there, under any weighting."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.shared import adaptive_temperature, progress
from workflow_scripts.softmax import probe, tempering
from workflow_scripts.softmax.layers_below import LayersBelow
from workflow_scripts.softmax.lists import Prompt

PASS_TOKENS = 2048  # of one pass through the model; attention of larger ones does not fit caches
# What is measured of a head's attention at the last token, in the order of the last axis.
MEASURES = (
    "entropy_nats",  # over all keys, learned sinks included
    "content_entropy_nats",  # without the sinks
    "sink_weight",
    "item_weight",  # on the line that holds the answer
    "largest_content_weight",  # as a share of the content
)


def passes(prompts: Sequence[Prompt]) -> Iterator[list[int]]:
    """Places of prompts that pass through the model together: all of one length in tokens."""
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place].ids))
    for length, group in groupby(order, key=lambda place: len(prompts[place].ids)):
        places = list(group)
        size = max(1, PASS_TOKENS // length)
        for start in range(0, len(places), size):
            yield places[start : start + size]


def log_shares(
    model: Any, prompts: Sequence[Prompt], candidates: Sequence[int], weigh: probe.Weigh
) -> Iterator[tuple[list[int], Tensor]]:
    """Log-probabilities of the candidates among themselves, pass by pass.

    Yields the places of its prompts (P,) and a tensor (P, candidates).
    """
    for places in passes(prompts):
        yield places, _shares_of([prompts[place] for place in places], model, candidates, weigh)


def _shares_of(
    prompts: Sequence[Prompt], model: Any, candidates: Sequence[int], weigh: probe.Weigh
) -> Tensor:
    with probe.watching(model, [0], lambda *_: None, weigh):
        ids = torch.tensor([prompt.ids for prompt in prompts], device=model.device)
        logits = model(input_ids=ids, use_cache=False, logits_to_keep=1).logits
    return logits[:, -1, list(candidates)].float().log_softmax(-1)


def _judged(prompts: Sequence[Prompt], logs: Tensor) -> tuple[NDArray[Any], NDArray[Any]]:
    """`answered`, from log-probabilities of the candidates, (P, candidates)."""
    answers = torch.tensor([prompt.answer for prompt in prompts], device=logs.device)
    right = (logs.argmax(-1) == answers).double()
    likelihood = logs.gather(-1, answers[:, None])[:, 0].double()
    return right.cpu().numpy(), likelihood.cpu().numpy()


@torch.inference_mode()
def answered(
    model: Any, prompts: Sequence[Prompt], candidates: Sequence[int], weigh: probe.Weigh
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whether each answer is the likeliest candidate, and its log-likelihood, (P,) each."""
    right, likelihood = np.zeros(len(prompts)), np.zeros(len(prompts))
    for places, logs in log_shares(model, prompts, candidates, weigh):
        right[places], likelihood[places] = _judged([prompts[place] for place in places], logs)
    return right, likelihood


@torch.inference_mode()
def answered_by_layer(
    model: Any,
    prompts: Sequence[Prompt],
    candidates: Sequence[int],
    weigh: probe.Weigh,
    layers: int,
    description: str = "",
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`answered` with plain attention, and with `weigh` in each layer alone, (layers + 1, P) each.

    Layers below the changed one compute once for all.
    """
    right, likelihood = np.zeros((2, layers + 1, len(prompts)))
    below, together = LayersBelow(model), list(passes(prompts))
    with progress.bar(len(together) * layers, description, "pass") as bar:
        for places in together:
            own = [prompts[place] for place in places]
            ask = partial(_shares_of, own, model, candidates)
            with below.kept():
                logs = ask(probe.plain)
            right[0, places], likelihood[0, places] = _judged(own, logs)
            below.trust(partial(ask, probe.plain), logs)
            for layer in range(layers):
                with below.given_again(layer):
                    logs = ask(tempering.only_in(layer, weigh))
                right[layer + 1, places], likelihood[layer + 1, places] = _judged(own, logs)
                bar.update()
    return right, likelihood


@torch.inference_mode()
def attention(model: Any, prompt: Prompt, first: int) -> NDArray[np.float64]:
    """Each head's attention at the last token of a prompt, (layers, heads, `MEASURES`).

    The `first` keys are sinks.
    """
    found: dict[int, Tensor] = {}

    def weigh(layer: int, logits: Tensor, sinks: Tensor | None) -> Tensor:
        last = logits[0, :, -1:]  # the last block of queries overwrites those before it
        found[layer] = measures(last[None], sinks, prompt.item, first)[0, :, 0]
        return probe.plain(layer, logits, sinks)

    with probe.watching(model, [0], lambda *_: None, weigh):
        ids = torch.tensor([prompt.ids], device=model.device)
        model(input_ids=ids, use_cache=False, logits_to_keep=1)
    return torch.stack([found[layer] for layer in sorted(found)]).double().cpu().numpy()


def measures(logits: Tensor, sinks: Tensor | None, item: range, first: int) -> Tensor:
    """The `MEASURES` of rows of logits (…, heads, rows, keys), in a last axis."""
    whole = tempering.joined(logits, sinks).softmax(-1)
    row = tempering.apart(logits, sinks, first)
    return torch.stack(
        [
            adaptive_temperature.entropy_nats(whole),
            row.entropy,
            row.sink_total,
            whole[..., item.start : item.stop].sum(-1),
            row.content.amax(-1),
        ],
        -1,
    )
