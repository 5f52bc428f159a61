"""Attention at an adaptive temperature inside a language model, at inference.

Each row of attention logits gets the inverse temperature beta(H) of its own entropy H, in every
head of the chosen layers. An attention sink is a key whose weight says nothing about content: the
first tokens of a prompt (Xiao et al. 2024, arXiv 2309.17453), and learned sinks (gpt-oss). Counted
apart, a sink keeps its weight, and only the rest of the row is sharpened.

Shapes: B prompts, h heads, R queries, K keys; logits (B, h, R, K) with masked keys at -inf.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from workflow_scripts.shared import adaptive_temperature
from workflow_scripts.softmax.probe import Weigh, plain

# (layer, entropies (B, h, R) in nats) to inverse temperatures of that shape, all above 0.
Beta = Callable[[int, Tensor], Tensor]
SCALE_NATS = 4.0  # unit of the entropy in polynomials of heads: near the middle of its range


def polynomial(coefficients: Sequence[float], domain: tuple[float, float] | None = None) -> Beta:
    """The paper's rule (figure 4) with these coefficients, highest power first."""

    def beta(_layer: int, entropy: Tensor) -> Tensor:
        return adaptive_temperature.inverse_temperature(coefficients, entropy, domain)

    return beta


def per_head(coefficients: Tensor) -> Beta:
    """exp of a polynomial of the entropy for each head; `coefficients` (layers, h, powers).

    Powers ascend. All 0 is plain softmax; a head may also be flattened.
    """

    def beta(layer: int, entropy: Tensor) -> Tensor:
        own = coefficients[layer].to(entropy.device)[:, None]  # (h, 1, powers)
        total = torch.zeros_like(entropy)
        for term in reversed(own.unbind(-1)):  # Horner's rule: powers of 0 have no gradient
            total = total * (entropy / SCALE_NATS) + term
        return total.exp()

    return beta


def constant(value: float) -> Beta:
    """One inverse temperature everywhere."""
    return lambda _layer, entropy: torch.full_like(entropy, value)


def only_in(layer: int, weigh: Weigh) -> Weigh:
    """`weigh` in one layer, the model's own softmax in the others."""

    def own(here: int, logits: Tensor, sinks: Tensor | None) -> Tensor:
        return (weigh if here == layer else plain)(here, logits, sinks)

    return own


def joined(logits: Tensor, sinks: Tensor | None) -> Tensor:
    """The logits with those of learned sinks (h,) as a last key, if there are any.

    Masked keys are finite: the gradient of -inf times a temperature would be NaN.
    """
    logits = logits.clamp_min(adaptive_temperature.MASKED)
    if sinks is None:
        return logits
    more = sinks.to(logits.dtype).view(1, -1, 1, 1).expand(*logits.shape[:-1], 1)
    return torch.cat([logits, more], -1)


def tempered(beta: Beta) -> Weigh:
    """Weights at the temperature of each row's entropy. A learned sink is one more item."""

    def weigh(layer: int, logits: Tensor, sinks: Tensor | None) -> Tensor:
        whole = joined(logits, sinks)
        entropy = adaptive_temperature.entropy_nats(whole.softmax(-1))
        weights = (whole * beta(layer, entropy)[..., None]).softmax(-1)
        return weights[..., : logits.shape[-1]]

    return weigh


class Row(NamedTuple):
    """A row of attention with its sinks apart.

    `sink` are the weights (…, first) of the first keys, `sink_total` (…) those of all sinks.
    `content` (…, K - first) are the weights of the other keys as shares of their sum, `entropy` (…)
    is their entropy in nats; both are 0 in a row without content.
    """

    sink: Tensor
    sink_total: Tensor
    content: Tensor
    entropy: Tensor


def apart(logits: Tensor, sinks: Tensor | None, first: int) -> Row:
    """The weights of logits (…, h, R, K), with the first keys and learned sinks counted apart."""
    weights = joined(logits, sinks).softmax(-1)[..., : logits.shape[-1]]
    rest = shares(logits[..., first:])
    return Row(
        weights[..., :first],
        1.0 - weights[..., first:].sum(-1),
        rest,
        adaptive_temperature.entropy_nats(rest),
    )


def shares(logits: Tensor) -> Tensor:
    """Softmax over the last axis; 0 where every key is masked."""
    none = logits.isneginf().all(-1, keepdim=True)
    return logits.masked_fill(none, 0.0).softmax(-1).masked_fill(none, 0.0)


def content_tempered(beta: Beta, first: int) -> Weigh:
    """Weights whose content is at the temperature of its own entropy; sinks keep their weight."""

    def weigh(layer: int, logits: Tensor, sinks: Tensor | None) -> Tensor:
        row = apart(logits, sinks, first)
        sharper = shares(logits[..., first:] * beta(layer, row.entropy)[..., None])
        return torch.cat([row.sink, (1.0 - row.sink_total)[..., None] * sharper], -1)

    return weigh
