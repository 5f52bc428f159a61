"""How what a token sees of nodes and what it sees of edges become one update (section 4).

The paper sets both side by side and maps them linearly; it names three others that were no better,
without formulae. Gram-Schmidt is read as: of the edges' part, what is orthogonal to the nodes' goes
on to the same linear map.
"""

import torch
from torch import Tensor, nn

MERGES = ("concat", "sum", "mlp", "gram_schmidt")
SMALLEST = 1e-12  # squared length under which nothing is projected away


def orthogonal(edges: Tensor, nodes: Tensor) -> Tensor:
    """edges (..., D) without their part along nodes (..., D); as they are where nodes are 0."""
    along = (edges * nodes).sum(-1, keepdim=True)
    squared = nodes.square().sum(-1, keepdim=True)
    return edges - along / squared.clamp_min(SMALLEST) * nodes


def layer(how: str, width: int) -> nn.Module:
    """The trained part of a merge: (B, T, 2D) to (B, T, D); nothing for a sum."""
    if how == "sum":
        return nn.Identity()
    if how == "mlp":
        return nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width))
    return nn.Linear(2 * width, width)


def merge(how: str, own: nn.Module, nodes: Tensor, edges: Tensor) -> Tensor:
    """One update (B, T, D) from two of that shape; `own` is the `layer` of `how`."""
    if how == "sum":
        return nodes + edges
    if how == "gram_schmidt":
        edges = orthogonal(edges, nodes)
    merged: Tensor = own(torch.cat([nodes, edges], -1))
    return merged
