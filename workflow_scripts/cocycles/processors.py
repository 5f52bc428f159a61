"""The paper's three processors for the reasoner (section 5), one for each level of asynchrony.

Nobody's code is known. As in the authors' later work, a node's argument is its encoded features
beside its hidden state, and a message adds one map of the receiver, the sender, the edge and the
graph. There are no gates, and no layer norm where φ is max: either would break it. Every pair of
nodes speaks, as in the benchmark; (B, N, N, W) has senders on axis 1 and receivers on axis 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workflow_scripts.clrs.features import Edges, truncated_normal
from workflow_scripts.clrs.processors import Factory

NOTHING = -torch.inf
# By how much a state weighs less than features at first. A message adds one map of the receiver and
# one of the sender, and each passes a shift of the state on: without this, states double each step.
CALM = 4.0
SHARE = 0.1  # of a state's weights in a linear layer before, to the same end
SMALLEST = torch.finfo(torch.float32).tiny


def linear(inputs: int, outputs: int) -> nn.Linear:
    return truncated_normal(nn.Linear(inputs, outputs))


class LogLinear(nn.Module):
    """log Σ_j exp(W_ij + x_j): linear over the log-semiring, (…, I) -> (…, O).

    Weights start around -log I, so that the result has the size of its input; those of the inputs
    from number `calm_from` on start lower by `CALM`.
    """

    def __init__(self, inputs: int, outputs: int, calm_from: int | None = None) -> None:
        super().__init__()
        start = torch.randn(outputs, inputs) - torch.tensor(float(inputs)).log()
        if calm_from is not None:
            start[:, calm_from:] -= CALM
        self.weight = nn.Parameter(start)

    def forward(self, x: Tensor) -> Tensor:
        shift = x.amax(-1, keepdim=True)
        silent = shift == NOTHING
        shift = shift.where(~silent, 0.0)
        highest = self.weight.amax(-1)
        sums = torch.exp(x - shift) @ torch.exp(self.weight - highest[:, None]).mT
        found = sums.clamp_min(SMALLEST).log() + shift + highest
        return found.where(~silent, NOTHING)


@dataclass
class Freedom:
    """How a trained network is run asynchronously: one freedom, used with probability `degree`.

    `updates`: a node applies φ to a random half of its messages, then to the others. `duplicates`:
    a message arrives twice. `increments`: a sender's argument comes in two pieces, and ψ is invoked
    on each.
    """

    kind: str
    degree: float
    random: torch.Generator

    def mask(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.random) < self.degree


class Processor(nn.Module):
    """What the levels share; `level` is what the paper promises of each."""

    edge_messages = sparse = False
    level: int
    nothing: float  # what a coordinate counts that has not come yet
    unit: float  # of the aggregator

    def __init__(self) -> None:
        super().__init__()
        self.freedom: Freedom | None = None

    def message(self, receiver: Tensor, sender: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        """ψ for all pairs: (B, N, 2W) twice -> (B, N, N, W)."""
        raise NotImplementedError

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕ over senders: (B, N, N, W) -> (B, N, W)."""
        raise NotImplementedError

    def start(self, nodes: Tensor, hidden: Tensor) -> Tensor:
        """The state to which φ is first applied, out of features and the step before."""
        raise NotImplementedError

    def update(self, nodes: Tensor, state: Tensor, arrived: Tensor) -> Tensor:
        """φ of features, the state and what has arrived, (B, N, W) each."""
        raise NotImplementedError

    def forward(
        self,
        nodes: Tensor,
        edges: Edges,
        graph: Tensor,
        hidden: Tensor,
        adjacency: Tensor | None = None,
        want_messages: bool = True,
    ) -> tuple[Tensor, None]:
        z = torch.cat([nodes, hidden], -1)
        if self.freedom is None:
            arrived = self.aggregate(self.message(z, z, edges, graph))
            return self.update(nodes, self.start(nodes, hidden), arrived), None
        return self._freely(self.freedom, nodes, edges, graph, hidden, z), None

    def _freely(
        self,
        freedom: Freedom,
        nodes: Tensor,
        edges: Edges,
        graph: Tensor,
        hidden: Tensor,
        z: Tensor,
    ) -> Tensor:
        batch, size, width = z.shape
        state, messages = self.start(nodes, hidden), self.message(z, z, edges, graph)
        if freedom.kind == "updates":
            once = self.update(nodes, state, self.aggregate(messages))
            early = torch.rand((batch, size, size, 1), generator=freedom.random) < 0.5
            for group in (early, ~early):
                arrived = self.aggregate(messages.where(group, self.unit))
                state = self.update(nodes, state, arrived)
            return torch.where(freedom.mask(batch, size, 1), state, once)
        chosen = freedom.mask(batch, size, size, 1)
        if freedom.kind == "duplicates":
            again = messages.where(chosen, self.unit)
        else:
            piece = torch.rand((batch, size, width), generator=freedom.random) < 0.5
            parts = [
                self.message(z, z.where(part, self.nothing), edges, graph)
                for part in (piece, ~piece)
            ]
            messages = torch.where(chosen, parts[0], messages)
            again = parts[1].where(chosen, self.unit)
        return self.update(nodes, state, self.aggregate(torch.cat([messages, again], 1)))


class SumPhi(Processor):
    """L1: ψ linear, ⊕ the sum, φ linear and ReLU, then layer norm as in the benchmark.

    Without the norm its sums over all nodes grow at every step until nothing can be learned.
    """

    level, nothing, unit = 1, 0.0, 0.0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.receiver, self.sender = linear(2 * width, width), linear(2 * width, width)
        self.edge, self.graph = linear(width, width), linear(width, width)
        self.own, self.inbox = linear(2 * width, width), linear(width, width)
        self.norm = nn.LayerNorm(width)

    def message(self, receiver: Tensor, sender: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        rest = self.receiver(receiver) + self.graph(graph)[:, None]
        return edges.through(self.edge) + self.sender(sender)[:, :, None] + rest[:, None]

    def aggregate(self, messages: Tensor) -> Tensor:
        return messages.sum(1)

    def start(self, nodes: Tensor, hidden: Tensor) -> Tensor:
        return hidden

    def update(self, nodes: Tensor, state: Tensor, arrived: Tensor) -> Tensor:
        new = (self.own(torch.cat([nodes, state], -1)) + self.inbox(arrived)).relu()
        return self.norm(new)


class Maximum(Processor):
    """⊕ and φ the maximum; φ starts from the features, so that a state is max(features, inbox)."""

    unit = NOTHING

    def aggregate(self, messages: Tensor) -> Tensor:
        return messages.amax(1)

    def start(self, nodes: Tensor, hidden: Tensor) -> Tensor:
        return nodes

    def update(self, nodes: Tensor, state: Tensor, arrived: Tensor) -> Tensor:
        return torch.maximum(state, arrived)


class MaxMax(Maximum):
    """L2: ψ linear, ⊕ and φ the maximum."""

    level, nothing = 2, 0.0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.receiver, self.sender = linear(2 * width, width), linear(2 * width, width)
        self.edge, self.graph = linear(width, width), linear(width, width)

    def message(self, receiver: Tensor, sender: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        rest = self.receiver(receiver) + self.graph(graph)[:, None]
        return edges.through(self.edge) + self.sender(sender)[:, :, None] + rest[:, None]


class Logarithmic(Maximum):
    """L3: ψ linear over the log-semiring in each input, ⊕ and φ the maximum.

    `first` puts a linear layer before it, which the paper does on tasks that it doesn't name.
    """

    level, nothing = 3, NOTHING

    def __init__(self, width: int, first: bool = False) -> None:
        super().__init__()
        inputs, calm_from = (width, None) if first else (2 * width, width)
        self.before = linear(2 * width, width) if first else None
        if self.before is not None:
            with torch.no_grad():
                self.before.weight[:, width:] *= SHARE
        self.receiver = LogLinear(inputs, width, calm_from)
        self.sender = LogLinear(inputs, width, calm_from)
        self.edge, self.graph = LogLinear(width, width), LogLinear(width, width)

    def message(self, receiver: Tensor, sender: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        rest = self.receiver(self.prepared(receiver)) + self.graph(graph)[:, None]
        sent = self.sender(self.prepared(sender))
        return self.edge(edges.dense()) + sent[:, :, None] + rest[:, None]

    def prepared(self, argument: Tensor) -> Tensor:
        """A map of the reals has no image for what has not come yet, and reads 0 there."""
        if self.before is None:
            return argument
        return self.before(argument.where(argument != NOTHING, 0.0))


PROCESSORS: Mapping[str, Factory] = {
    "l1": SumPhi,
    "l2": MaxMax,
    "l3": Logarithmic,
    "l3_linear": lambda width: Logarithmic(width, first=True),
}
