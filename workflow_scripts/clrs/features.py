"""From features to latent vectors: the encoders of the reasoner.

Every encoder is linear (`clrs/_src/encoders.py`), and almost every edge feature is one number per
edge. So the latent vector of an edge is a linear map of a few numbers. A processor applies another
linear map first. The two are folded into one product with F columns, about three, instead of W, the
width of the network. This is exact algebra and saves about half of the multiplications of a step.
Shapes: B samples, N nodes, F numbers per node, edge or graph.
"""

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from workflow_scripts.clrs.specs import Feature, Location, Spec, Stage, Type

Tensors = dict[str, Tensor]
Columns = dict[Location, Tensor]


@dataclass(frozen=True)
class EdgeMap:
    """The affine map from the F numbers of an edge to its latent vector of width W."""

    weight: Tensor  # (F, W)
    bias: Tensor  # (W,)
    folded: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def into(self, linear: nn.Linear) -> tuple[Tensor, Tensor]:
        """Weight (F, out) and bias (out,) of this map followed by `linear`.

        Only the first W input columns of `linear` are used; a decoder's layer may have more.
        """
        key = id(linear)
        if key not in self.folded:
            weight = linear.weight[:, : self.weight.shape[1]].mT
            self.folded[key] = (self.weight @ weight, self.bias @ weight + linear.bias)
        return self.folded[key]


@dataclass(frozen=True)
class Edges:
    """Latent vectors of all edges, stored as the numbers that they are computed from."""

    values: Tensor  # (B, N, N, F)
    map: EdgeMap

    def dense(self) -> Tensor:
        """The latent vectors, (B, N, N, W)."""
        return self.values @ self.map.weight + self.map.bias

    def through(
        self, linear: nn.Linear, receivers: Tensor | None = None, senders: Tensor | None = None
    ) -> Tensor:
        """`linear` of the latent vectors, (B, N, N, out), bias included.

        Plus a vector per receiver and one per sender, (B, N, out) each. The result may be changed
        in place.
        """
        weight, bias = self.map.into(linear)
        # In place, since the gradient of a sum does not need its operands. What is changed must be
        # no view for autograd, such as the result of `addmm` is in this shape: it would be copied.
        found = self.values @ weight
        found += bias if receivers is None else (receivers + bias)[:, None]
        if senders is not None:
            found += senders[:, :, None]
        return found

    def total(self, linear: nn.Linear) -> Tensor:
        """`linear` of the latent vectors, summed over senders, (B, N, out), biases included."""
        weight, bias = self.map.into(linear)
        return self.values.sum(1) @ weight + self.values.shape[1] * bias

    def rows(self, which: slice) -> "Edges":
        """The edges of some samples: the same shapes with a smaller B."""
        return Edges(self.values[which], self.map)


def truncated_normal(linear: nn.Linear, deviation: float | None = None) -> nn.Linear:
    """Set Haiku's initial values: normal, truncated at two standard deviations, and no bias.

    The standard deviation is 1/sqrt(inputs) unless `deviation` is given.
    """
    spread = linear.in_features**-0.5 if deviation is None else deviation
    nn.init.trunc_normal_(linear.weight, std=spread, a=-2 * spread, b=2 * spread)
    nn.init.zeros_(linear.bias)
    return linear


class Encoders(nn.Module):
    """Encoders of one algorithm.

    With `inverted_pointers`, every node pointer i -> j is also encoded transposed, so that j
    receives the nodes that point at it (our interpretation of Bevilacqua et al. 2023).
    """

    def __init__(self, spec: Spec, width: int, inverted_pointers: bool = False) -> None:
        super().__init__()
        self.inverted_pointers, self.width = inverted_pointers, width
        self.features = {
            stage: [feature for feature in spec if feature.stage == stage]
            for stage in (Stage.INPUT, Stage.HINT)
        }
        self.linear = nn.ModuleDict()
        self.layout: dict[Location, list[str]] = {location: [] for location in Location}
        for feature in [*self.features[Stage.INPUT], *self.features[Stage.HINT]]:
            for name in self._names(feature):
                scalar_hint = feature.stage == Stage.HINT and feature.type == Type.SCALAR
                self.linear[name] = truncated_normal(
                    nn.Linear(feature.categories, width), width**-0.5 if scalar_hint else None
                )
                self.layout[_latent(feature)].append(name)

    def _names(self, feature: Feature) -> list[str]:
        if feature.type in (Type.POINTER, Type.PERMUTATION_POINTER):
            if feature.location == Location.EDGE:
                return [feature.name, f"{feature.name}_second"]
            if self.inverted_pointers:
                return [feature.name, f"{feature.name}_inverted"]
        return [feature.name]

    def columns(self, stage: Stage, data: Tensors) -> Columns:
        """Values of the features of a stage, concatenated per location.

        `data` maps features to values; pointers are indices or (soft) one-hot rows. The results
        have shapes (B, N, F) for nodes, (B, N, N, F) for edges and (B, F) for the graph.
        """
        parts: dict[Location, list[Tensor]] = {location: [] for location in Location}
        for feature in self.features[stage]:
            values = as_matrix(feature, data[feature.name])
            if feature.type == Type.CATEGORICAL:
                found = [values]
            elif feature.type == Type.POINTER and feature.location == Location.EDGE:
                # The package averages the contributions of all senders and of all receivers.
                found = [values.mean(1)[..., None], values.mean(2)[..., None]]
            else:
                found = [values[..., None]]
                if self.inverted_pointers and _latent(feature) != feature.location:
                    found.append(values.mT[..., None])
            parts[_latent(feature)] += found
        return {location: torch.cat(found, -1) for location, found in parts.items() if found}

    def maps(self) -> dict[Location, EdgeMap]:
        """The affine map of each location: first the columns of inputs, then those of hints."""
        linear = cast("dict[str, nn.Linear]", dict(self.linear.items()))
        zero = next(iter(linear.values())).bias.new_zeros
        found = {}
        for location, names in self.layout.items():
            layers = [linear[name] for name in names]
            weights = [layer.weight.mT for layer in layers] or [zero(0, self.width)]
            bias = sum((layer.bias for layer in layers), zero(self.width))
            found[location] = EdgeMap(torch.cat(weights), bias)
        return found


def _latent(feature: Feature) -> Location:
    """The location of a feature's latent vector: a node's pointer is a feature of edges."""
    if feature.type in (Type.POINTER, Type.PERMUTATION_POINTER):
        if feature.location == Location.GRAPH:
            raise ValueError(f"{feature.name}: no CLRS-30 algorithm has a pointer of the graph")
        return Location.EDGE
    return feature.location


def as_matrix(feature: Feature, data: Tensor) -> Tensor:
    """Data as float32; index pointers (B, ...) become one-hot rows (B, ..., N)."""
    if feature.type == Type.POINTER and not data.is_floating_point():
        return nn.functional.one_hot(data, data.shape[1]).float()
    return data


def adjacency(before: Tensor, features: list[Feature], data: Tensors) -> Tensor:
    """The graph that pointers and edge masks span, joined with `before`; both (B, N, N) of 0 and 1.

    `data` maps features to their values.
    """
    found = before
    for feature in features:
        if _latent(feature) != feature.location:
            limit = 0.5
        elif feature.location == Location.EDGE and feature.type == Type.MASK:
            limit = 0.0
        else:
            continue
        values = as_matrix(feature, data[feature.name])
        if values.dim() == 3:
            found = torch.maximum(found, (values + values.mT > limit).float())
    return found
