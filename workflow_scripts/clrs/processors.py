"""Processors: one round of messages over all pairs of nodes (`clrs/_src/processors.py`).

A processor is a module with the attributes `edge_messages` (whether it also returns a latent vector
per edge) and `sparse` (whether it uses the adjacency), and

    forward(nodes, edges, graph, hidden, adjacency, want_messages) -> (hidden, messages)

with nodes and hidden of shape (B, N, W), `edges` an `Edges`, graph (B, W), adjacency (B, N, N) or
None, and messages (B, N, N, W) or None. `edges.dense()` returns the latent vectors of edges.
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from workflow_scripts.clrs.features import Edges, truncated_normal
from workflow_scripts.clrs.maxima import max_plus, maximum

FAR = -1.0e6  # value of a message along a missing edge


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with Haiku's initial values."""
    return truncated_normal(nn.Linear(inputs, outputs))


class MessagePassing(nn.Module):
    """MPNN and PGN, with max aggregation, a two-layer message MLP and layer norm.

    `triplets` is the number of features per triplet of nodes; reduced by max, they are the messages
    of edges. `gated` lets a node keep its state (Ibarz et al. 2022, sections 3.2.2 and 3.2.3).
    `sparse` (PGN) sends messages along the adjacency only.
    """

    def __init__(
        self, width: int, triplets: int = 0, gated: bool = False, sparse: bool = False
    ) -> None:
        super().__init__()
        self.edge_messages, self.sparse = triplets > 0, sparse
        self.receiver, self.sender = linear(2 * width, width), linear(2 * width, width)
        self.edge, self.graph = linear(width, width), linear(width, width)
        self.first, self.second = linear(width, width), linear(width, width)
        self.skip, self.update = linear(2 * width, width), linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.triplets = Triplets(width, triplets) if triplets else None
        self.gate = Gate(width) if gated else None

    def forward(
        self,
        nodes: Tensor,
        edges: Edges,
        graph: Tensor,
        hidden: Tensor,
        adjacency: Tensor | None = None,
        want_messages: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """New hidden state (B, N, W) and edge messages; shapes as in the module's docstring."""
        z = torch.cat([nodes, hidden], -1)
        sent = self.sender(z) + self.graph(graph)[:, None]
        pairs = edges.through(self.edge, self.receiver(z), sent)
        inner = self.first(pairs.relu_().flatten(0, 2))  # flat: what is in place is no view
        pairs = self.second(inner.relu_()).view(pairs.shape)
        if self.sparse and adjacency is not None:
            pairs = torch.where(adjacency[..., None] > 0, pairs, FAR)
        arrived = maximum(pairs)
        new = self.norm((self.skip(z) + self.update(arrived)).relu())
        if self.gate is not None:
            new = self.gate(z, arrived, new, hidden)
        messages = None
        if self.triplets is not None and want_messages:
            messages = self.triplets(z, edges, graph)
        return new, messages


class Gate(nn.Module):
    """The share of the new state that a node adopts; small at the start (bias -3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.state, self.message = linear(2 * width, width), linear(width, width)
        self.out = linear(width, width)
        nn.init.constant_(self.out.bias, -3.0)

    def forward(self, z: Tensor, arrived: Tensor, new: Tensor, old: Tensor) -> Tensor:
        """Mix of the new and old states (B, N, W); `z` (B, N, 2 W), `arrived` (B, N, W)."""
        share = self.out((self.state(z) + self.message(arrived)).relu()).sigmoid()
        return new * share + old * (1 - share)


class Triplets(nn.Module):
    """Edge messages from triplets of nodes (Dudzik and Velickovic 2022).

    The seven terms of a triplet (i, j, k) are linear and the max is over i. Terms that do not
    depend on i are added after the max; the others are those of (i, j) and of (i, k).
    """

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.node = nn.ModuleList(linear(2 * width, features) for _ in range(3))
        self.edge = nn.ModuleList(linear(width, features) for _ in range(3))
        self.graph, self.out = linear(width, features), linear(features, width)

    def forward(self, z: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        """Messages (B, N, N, W) from `z` (B, N, 2 W), the edges and `graph` (B, W)."""
        by_edge = cast("list[nn.Linear]", list(self.edge))
        first = edges.through(by_edge[0], senders=self.node[0](z))
        second = edges.through(by_edge[1])
        sent = self.node[1](z) + self.graph(graph)[:, None]
        rest = edges.through(by_edge[2], self.node[2](z), sent)
        found = self.out((max_plus(first, second) + rest).flatten(0, 2)).relu_()
        return found.view(*rest.shape[:3], -1)


class Attention(nn.Module):
    """GAT (Velickovic et al. 2018) and, with `dynamic`, GATv2 (Brody et al. 2022)."""

    edge_messages = False

    def __init__(
        self, width: int, heads: int = 1, dynamic: bool = False, sparse: bool = False
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width}: expected a multiple of the {heads} heads")
        self.heads, self.dynamic, self.sparse = heads, dynamic, sparse
        inner = width if dynamic else heads
        self.value, self.skip = linear(2 * width, width), linear(2 * width, width)
        self.first, self.second = linear(2 * width, inner), linear(2 * width, inner)
        self.edge, self.graph = linear(width, inner), linear(width, inner)
        self.scores = nn.ModuleList(
            linear(width // heads, 1) for _ in range(heads if dynamic else 0)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        nodes: Tensor,
        edges: Edges,
        graph: Tensor,
        hidden: Tensor,
        adjacency: Tensor | None = None,
        want_messages: bool = True,
    ) -> tuple[Tensor, Tensor | None]:
        """New hidden state (B, N, W) and no messages; shapes as in the module's docstring."""
        z = torch.cat([nodes, hidden], -1)
        first, second = self.first(z), self.second(z)
        # The package's GAT and GATv2 differ in which of the two nodes comes first.
        rows, columns = (second, first) if self.dynamic else (first, second)
        pairs = edges.through(self.edge, columns, rows + self.graph(graph)[:, None])
        pairs = nn.functional.leaky_relu(pairs)
        if self.dynamic:
            parts = pairs.unflatten(-1, (self.heads, -1)).unbind(-2)
            pairs = torch.cat(
                [score(part) for score, part in zip(self.scores, parts, strict=True)], -1
            )
        if self.sparse and adjacency is not None:
            pairs = pairs + (adjacency[..., None] - 1.0) * 1.0e9
        weights = pairs.permute(0, 3, 1, 2).softmax(-1)
        values = self.value(z).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        mixed = (weights @ values).transpose(1, 2).flatten(2)
        return self.norm((mixed + self.skip(z)).relu()), None


Factory = Callable[[int], nn.Module]
TRIPLETS = 8  # features per triplet

PROCESSORS: dict[str, Factory] = {
    "mpnn": lambda width: MessagePassing(width),
    "gmpnn": lambda width: MessagePassing(width, gated=True),
    "triplet_mpnn": lambda width: MessagePassing(width, TRIPLETS),
    "triplet_gmpnn": lambda width: MessagePassing(width, TRIPLETS, gated=True),
    "pgn": lambda width: MessagePassing(width, sparse=True),
    "gpgn": lambda width: MessagePassing(width, gated=True, sparse=True),
    "triplet_gpgn": lambda width: MessagePassing(width, TRIPLETS, gated=True, sparse=True),
    "gat": lambda width: Attention(width, sparse=True),
    "gat_full": lambda width: Attention(width),
    "gatv2": lambda width: Attention(width, dynamic=True, sparse=True),
    "gatv2_full": lambda width: Attention(width, dynamic=True),
}
