"""From features to latent vectors: the encoders of the reasoner.

Every encoder is linear (`clrs/_src/encoders.py`), and almost every edge feature is one number an
edge. So the latent vector of an edge is a linear map of a handful of numbers, and what a
processor does first, one more linear map, can be folded into it: a product with F columns, about
three, in place of one with as many as the network is wide. It is exact algebra, and about half of
the multiplications of a step.
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
    """The affine map from the F numbers of an edge to its latent vector, W features wide."""

    weight: Tensor  # (F, W)
    bias: Tensor  # (W,)
    folded: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def into(self, linear: nn.Linear) -> tuple[Tensor, Tensor]:
        """This map followed by `linear`, of which a decoder's first W columns count."""
        key = id(linear)
        if key not in self.folded:
            weight = linear.weight[:, : self.weight.shape[1]].mT
            self.folded[key] = (self.weight @ weight, self.bias @ weight + linear.bias)
        return self.folded[key]


@dataclass(frozen=True)
class Edges:
    """Latent vectors of all edges, kept as what they are computed from."""

    values: Tensor  # (B, N, N, F)
    map: EdgeMap

    def dense(self) -> Tensor:
        """The latent vectors, (B, N, N, W)."""
        return self.values @ self.map.weight + self.map.bias

    def through(self, linear: nn.Linear) -> Tensor:
        """`linear` of the latent vectors, (B, N, N, out), bias included."""
        weight, bias = self.map.into(linear)
        flat = torch.addmm(bias, self.values.flatten(0, 2), weight)
        return flat.view(*self.values.shape[:3], -1)

    def rows(self, which: slice) -> "Edges":
        return Edges(self.values[which], self.map)


def truncated_normal(linear: nn.Linear, deviation: float | None = None) -> nn.Linear:
    """Haiku's initial values: cut at two deviations of 1/sqrt(inputs), and no bias."""
    spread = linear.in_features**-0.5 if deviation is None else deviation
    nn.init.trunc_normal_(linear.weight, std=spread, a=-2 * spread, b=2 * spread)
    nn.init.zeros_(linear.bias)
    return linear


class Encoders(nn.Module):
    """Encoders of one algorithm.

    With `inverted_pointers`, every node pointer i -> j is also given transposed, so that j sees
    who points at it (a reading of Bevilacqua et al. 2023).
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
        """Values of the features of a stage, laid side by side for each location.

        Pointers come as indices or as (soft) one-hot rows; shapes (B, N, F), (B, N, N, F), (B, F).
        """
        parts: dict[Location, list[Tensor]] = {location: [] for location in Location}
        for feature in self.features[stage]:
            values = as_matrix(feature, data[feature.name])
            if feature.type == Type.CATEGORICAL:
                found = [values]
            elif feature.type == Type.POINTER and feature.location == Location.EDGE:
                # The contributions of all senders, and of all receivers, are averaged.
                found = [values.mean(1)[..., None], values.mean(2)[..., None]]
            else:
                found = [values[..., None]]
                if self.inverted_pointers and _latent(feature) != feature.location:
                    found.append(values.mT[..., None])
            parts[_latent(feature)] += found
        return {location: torch.cat(found, -1) for location, found in parts.items() if found}

    def maps(self) -> dict[Location, EdgeMap]:
        """The affine map of each location, over the columns of inputs, then hints."""
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
    """Where a feature's latent vector lives: a node's pointer is a feature of edges."""
    if feature.type in (Type.POINTER, Type.PERMUTATION_POINTER):
        if feature.location == Location.GRAPH:
            raise ValueError(f"{feature.name}: a pointer of the graph is in no CLRS-30 algorithm")
        return Location.EDGE
    return feature.location


def as_matrix(feature: Feature, data: Tensor) -> Tensor:
    """Data as float32, index pointers as one-hot rows."""
    if feature.type == Type.POINTER and not data.is_floating_point():
        return nn.functional.one_hot(data, data.shape[1]).float()
    return data


def adjacency(before: Tensor, features: list[Feature], data: Tensors) -> Tensor:
    """The graph that pointers and edge masks span, (B, N, N) of 0 and 1, added to `before`."""
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
