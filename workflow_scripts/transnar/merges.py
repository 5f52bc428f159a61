"""Merges of the cross-attentions over nodes and over edges into one update (section 4).

The paper concatenates both and maps them linearly. It names three other merges that were no better,
without formulae. Our interpretation of Gram-Schmidt: only the part of the edges' result that is
orthogonal to the nodes' goes into the same linear map.
"""

import torch
from torch import Tensor, nn

MERGES = ("concat", "sum", "mlp", "gram_schmidt")
SMALLEST = 1e-12  # squared length of the nodes' part below which nothing is projected out


def orthogonal(edges: Tensor, nodes: Tensor) -> Tensor:
    """`edges` (..., D) minus their projection on `nodes` (..., D); unchanged where nodes are 0."""
    along = (edges * nodes).sum(-1, keepdim=True)
    squared = nodes.square().sum(-1, keepdim=True)
    return edges - along / squared.clamp_min(SMALLEST) * nodes


def layer(how: str, width: int) -> nn.Module:
    """The trained part of a merge: (B, T, 2 D) to (B, T, D); the identity for a sum."""
    if how == "sum":
        return nn.Identity()
    if how == "mlp":
        return nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width))
    return nn.Linear(2 * width, width)


def merge(how: str, own: nn.Module, nodes: Tensor, edges: Tensor) -> Tensor:
    """Merge two updates of shape (B, T, D) into one; `own` is the `layer` of `how`."""
    if how == "sum":
        return nodes + edges
    if how == "gram_schmidt":
        edges = orthogonal(edges, nodes)
    merged: Tensor = own(torch.cat([nodes, edges], -1))
    return merged
