"""From latent vectors to predictions, and from predictions to the values fed back or scored.

The layers are those of `clrs/_src/decoders.py`. Permutations use Sinkhorn's operator in log space.
Shapes: B samples, N nodes, latent vectors of width W.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from workflow_scripts.clrs import maxima
from workflow_scripts.clrs.features import Edges, truncated_normal
from workflow_scripts.clrs.specs import Feature, Location, Spec, Stage, Type

TEMPERATURE = 0.1  # of Sinkhorn's operator
STEPS = 10  # of Sinkhorn's operator inside the network
SCORING_STEPS = 50  # further ones before a permutation is scored

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Latent:
    """The latent state after a message step, as the decoders read it."""

    nodes: Tensor  # (B, N, 3 W): encoded inputs and hints, state before, state after
    edges: Edges
    messages: Tensor | None  # (B, N, N, W) from processors with edge outputs, when requested
    graph: Tensor  # (B, W)

    def rows(self, which: slice) -> "Latent":
        """The latent state of some samples: the same shapes with a smaller B."""
        messages = None if self.messages is None else self.messages[which]
        return Latent(self.nodes[which], self.edges.rows(which), messages, self.graph[which])


def join(parts: list[Latent]) -> Latent:
    """Concatenate latents of several steps of one forward pass along the batch axis B."""
    messages = [part.messages for part in parts if part.messages is not None]
    return Latent(
        torch.cat([part.nodes for part in parts]),
        Edges(torch.cat([part.edges.values for part in parts]), parts[0].edges.map),
        torch.cat(messages) if messages else None,
        torch.cat([part.graph for part in parts]),
    )


def reads_edges(feature: Feature) -> bool:
    """Whether a feature's decoder reads the latent vectors of edges."""
    return feature.location == Location.EDGE or feature.type in (
        Type.POINTER,
        Type.PERMUTATION_POINTER,
    )


class Decoders(nn.Module):
    """Decoders of one algorithm's hints and outputs."""

    def __init__(self, spec: Spec, width: int, edge_messages: bool) -> None:
        super().__init__()
        self.features = {
            stage: [feature for feature in spec if feature.stage == stage]
            for stage in (Stage.HINT, Stage.OUTPUT)
        }
        edge = (2 if edge_messages else 1) * width
        self.heads = nn.ModuleDict(
            {
                feature.name: nn.ModuleList(
                    truncated_normal(nn.Linear(inputs, outputs))
                    for inputs, outputs in _shapes(feature, width, edge)
                )
                for feature in [*self.features[Stage.HINT], *self.features[Stage.OUTPUT]]
            }
        )

    def reads_edges(self, stage: Stage) -> bool:
        """Whether any decoder of a stage reads the latent vectors of edges."""
        return any(reads_edges(feature) for feature in self.features[stage])

    def forward(
        self, stage: Stage, latent: Latent, noise: torch.Generator | None = None
    ) -> Tensors:
        """Predictions of a stage by feature: logits, or log-probabilities for permutations.

        Shapes are those of the features ((B,), (B, N) or (B, N, N)), with a last axis of
        categories or of the N possible targets of a pointer. `noise` draws the Gumbel noise that
        is added to permutations in training.
        """
        return {
            feature.name: self._decode(feature, latent, noise) for feature in self.features[stage]
        }

    def _decode(self, feature: Feature, latent: Latent, noise: torch.Generator | None) -> Tensor:
        """Prediction of one feature, shaped as in `forward`."""
        heads = cast("list[nn.Linear]", list(cast(nn.ModuleList, self.heads[feature.name])))
        if feature.location == Location.NODE:
            if not reads_edges(feature):
                return _squeezed(feature, heads[0](latent.nodes))
            logits = _pointed(heads, latent)
            if feature.type == Type.PERMUTATION_POINTER:
                return log_sinkhorn(logits, STEPS, noise)
            return logits
        if feature.location == Location.GRAPH:
            return _squeezed(feature, heads[0](latent.nodes.amax(-2)) + heads[1](latent.graph))
        pairs = latent.edges.through(heads[2], heads[1](latent.nodes), heads[0](latent.nodes))
        if (messages := _messages(heads[2], latent)) is not None:
            pairs += messages
        if feature.type != Type.POINTER:
            return _squeezed(feature, pairs)
        targets = heads[3](latent.nodes)
        return _max_plus_head(pairs, targets, heads[4])


def _shapes(feature: Feature, width: int, edge: int) -> list[tuple[int, int]]:
    """(inputs, outputs) of each linear layer of a feature's decoder."""
    pointer = feature.type in (Type.POINTER, Type.PERMUTATION_POINTER)
    if feature.location == Location.NODE:
        if pointer:
            return [(3 * width, width), (3 * width, width), (edge, width), (width, 1)]
        return [(3 * width, feature.categories)]
    if feature.location == Location.GRAPH:
        return [(3 * width, feature.categories), (width, feature.categories)]
    if pointer:
        return [(3 * width, width)] * 2 + [(edge, width), (3 * width, width), (width, 1)]
    return [(3 * width, feature.categories)] * 2 + [(edge, feature.categories)]


def _squeezed(feature: Feature, prediction: Tensor) -> Tensor:
    """Predictions (..., 1) without their last axis; categorical ones (..., categories) as is."""
    return prediction if feature.type == Type.CATEGORICAL else prediction[..., 0]


def _messages(linear: nn.Linear, latent: Latent) -> Tensor | None:
    """The part of `linear` that reads messages of edges, (B, N, N, out); None if it reads none."""
    width = latent.edges.map.weight.shape[1]
    if linear.in_features == width:
        return None
    if latent.messages is None:
        raise ValueError("expected edge messages, found none; pass want_messages=True")
    return latent.messages @ linear.weight[:, width:].mT


def _pointed(heads: list[nn.Linear], latent: Latent) -> Tensor:
    """Logits that node i points at node k: the last head of a maximum, (B, N, N).

    The maximum is over a map of node i, and a sum of maps of node k, the edge from k to i and its
    message.
    """
    pointer, target, edge, last = heads
    own = pointer(latent.nodes)
    weight, bias = latent.edges.map.into(edge)
    values, messages = latent.edges.values.transpose(1, 2), _messages(edge, latent)
    return last(own)[..., 0, None] + maxima.rise(
        values,
        weight,
        target(latent.nodes) + bias,
        own,
        last.weight[0],
        None if messages is None else messages.transpose(1, 2),
    )


def _max_plus_head(pairs: Tensor, targets: Tensor, head: nn.Linear) -> Tensor:
    """head(max(pairs[i, j], targets[k])), shape (B, N, N, N)."""
    if torch.is_grad_enabled():
        return head(torch.maximum(pairs[:, :, :, None], targets[:, None, None]))[..., 0]
    # One row at a time: all rows together would take N^3 x W numbers of memory.
    rows = [
        head(torch.maximum(pairs[:, row, :, None], targets[:, None]))[..., 0]
        for row in range(pairs.shape[1])
    ]
    return torch.stack(rows, 1)


def log_sinkhorn(logits: Tensor, steps: int, noise: torch.Generator | None = None) -> Tensor:
    """Sinkhorn's operator in log space on `logits`, shape (B, N, N) in and out.

    The result is the logarithm of a nearly doubly stochastic matrix with an empty diagonal. With
    `noise`, Gumbel noise is added first (Mena et al. 2018).
    """
    if noise is not None:
        uniform = torch.rand(logits.shape, generator=noise, device=logits.device)
        logits = logits - torch.log(-torch.log(uniform + 1e-12) + 1e-12)
    size = logits.shape[-1]
    found = logits / TEMPERATURE - 1e6 * torch.eye(size, device=logits.device)
    for _ in range(steps):
        found = found.log_softmax(-1).log_softmax(-2)
    return found


def soft(feature: Feature, prediction: Tensor) -> Tensor:
    """A predicted hint as it is fed back, same shape as `prediction`: differentiable.

    Raises `ValueError` for a type that no hint has.
    """
    match feature.type:
        case Type.SCALAR:
            return prediction
        case Type.MASK:
            return prediction.sigmoid()
        case Type.MASK_ONE | Type.CATEGORICAL | Type.POINTER:
            return prediction.softmax(-1)
        case _:
            raise ValueError(f"{feature.name}: no CLRS-30 algorithm has a hint of {feature.type}")


def hard(feature: Feature, prediction: Tensor) -> Tensor:
    """A prediction as it is scored: 0/1 masks, one-hot rows, indices of pointers.

    `prediction` has the shape that `Decoders.forward` gives it; a pointer loses its last axis.
    Raises `ValueError` for a type that cannot be decoded.
    """
    match feature.type:
        case Type.SCALAR:
            return prediction
        case Type.MASK:
            return (prediction > 0).float()
        case Type.MASK_ONE | Type.CATEGORICAL:
            best = prediction.argmax(-1)
            return nn.functional.one_hot(best, prediction.shape[-1]).float()
        case Type.POINTER:
            return prediction.argmax(-1)
        case Type.PERMUTATION_POINTER:
            best = log_sinkhorn(prediction, SCORING_STEPS).argmax(-1)
            return nn.functional.one_hot(best, prediction.shape[-1]).float()
        case _:
            raise ValueError(f"{feature.name}: {feature.type} cannot be decoded")


def harden(spec: Spec, predictions: Tensors) -> Tensors:
    """All predictions as they are scored, by feature; shapes as for `hard`."""
    features = {feature.name: feature for feature in spec}
    return {name: hard(features[name], value) for name, value in predictions.items()}
