"""The paper's three processors for the reasoner (section 5), one per level of asynchrony.

No code has been published. As in the authors' later work, a node's argument is its encoded features
concatenated with its hidden state, and a message is a sum of maps of the receiver, the sender, the
edge and the graph. There are no gates, and no layer norm where φ is max: either would break the
level. All pairs of nodes exchange messages, as in the benchmark.

Shapes: B batch, N nodes, W width; (B, N, N, W) has senders on axis 1 and receivers on axis 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from workflow_scripts.clrs.features import Edges, truncated_normal
from workflow_scripts.clrs.maxima import maximum
from workflow_scripts.clrs.processors import Factory

NOTHING = -torch.inf
# Initial offset of a state's weights below those of features. A message adds a map of the receiver
# and one of the sender, each of which passes on a shift of the state: without the offset, states
# double at each step.
CALM = 4.0
SHARE = 0.1  # factor of a state's weights in a preceding linear layer, for the same reason
SMALLEST = torch.finfo(torch.float32).tiny


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with the benchmark's truncated normal start."""
    return truncated_normal(nn.Linear(inputs, outputs))


class _LogProduct(Function):
    """log Σ_j exp(weight_ij + x_j), (…, I) -> (…, O); its gradient reads few large tensors."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        shift, highest = x.amax(-1, keepdim=True), weight.amax(-1)
        scaled = (x - shift.where(shift != NOTHING, 0.0)).exp_()
        factors = torch.exp(weight - highest[:, None])
        sums = (scaled @ factors.mT).clamp_min_(SMALLEST)
        ctx.save_for_backward(scaled, factors, sums)
        found = sums.log()
        found += shift  # where all of x is -∞, so is the result
        found += highest
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        scaled, factors, sums = ctx.saved_tensors
        each = gradients[0] / sums
        if sums.amin() <= SMALLEST:  # the gradient of a sum of 0 would be infinite
            each = each.where(sums > SMALLEST, 0.0)
        each = each.flatten(0, -2)
        to_weight = (each.mT @ scaled.flatten(0, -2)).mul_(factors)
        return (each @ factors).view(scaled.shape).mul_(scaled), to_weight


class LogLinear(nn.Module):
    """log Σ_j exp(W_ij + x_j): linear over the log-semiring, (…, I) -> (…, O).

    Weights start around -log I, so that the result has the scale of the input. Those of inputs from
    index `calm_from` on start lower by `CALM`.
    """

    def __init__(self, inputs: int, outputs: int, calm_from: int | None = None) -> None:
        super().__init__()
        start = torch.randn(outputs, inputs) - torch.tensor(float(inputs)).log()
        if calm_from is not None:
            start[:, calm_from:] -= CALM
        self.weight = nn.Parameter(start)

    def forward(self, x: Tensor) -> Tensor:
        """The map of `x`, (…, I) -> (…, O), stable for large values and exact for -∞."""
        found: Tensor = _LogProduct.apply(x, self.weight)
        return found


@dataclass
class Freedom:
    """How a trained network runs asynchronously: one freedom, used with probability `degree`.

    `updates`: a node applies φ to a random half of its messages, then to the rest. `duplicates`: a
    message arrives twice. `increments`: a sender's argument arrives in two pieces, and ψ is invoked
    on each.
    """

    kind: str
    degree: float
    random: torch.Generator

    def mask(self, device: torch.device, *shape: int) -> Tensor:
        """Where the freedom is used: random flags of the given shape."""
        return self.flags(self.degree, device, *shape)

    def flags(self, share: float, device: torch.device, *shape: int) -> Tensor:
        """Random flags of the given shape, of which a share is set: the same on every device."""
        return (torch.rand(shape, generator=self.random) < share).to(device)


class Processor(nn.Module):
    """What the processors share; `level` is the paper's level of asynchrony."""

    edge_messages = sparse = False
    level: int
    nothing: float  # value of a coordinate that has not arrived
    unit: float  # of the aggregator
    receiver: nn.Module
    sender: nn.Module
    edge: Any
    graph: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.freedom: Freedom | None = None

    def message(self, receiver: Tensor, sender: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        """ψ for all pairs: receiver and sender (B, N, 2W), graph (B, W) -> (B, N, N, W).

        It is the sum of four maps.
        """
        rest = self.receiver(self.prepared(receiver)) + self.graph(graph)[:, None]
        sent = self.sender(self.prepared(sender))
        return self.pairs(edges) + sent[:, :, None] + rest[:, None]

    def pairs(self, edges: Edges) -> Tensor:
        """The edges' part of ψ, shape (B, N, N, W)."""
        return edges.through(self.edge)

    def prepared(self, argument: Tensor) -> Tensor:
        """A node's argument (B, N, 2W) as the maps of ψ read it: here as it is."""
        return argument

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕ over senders: (B, N, N, W) -> (B, N, W)."""
        raise NotImplementedError

    def arrived(self, z: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        """⊕ over senders of ψ: `aggregate` of `message` in fewer operations, (B, N, W).

        `z` are the arguments of all nodes, shape (B, N, 2W), and `graph` has shape (B, W).
        """
        raise NotImplementedError

    def start(self, nodes: Tensor, hidden: Tensor) -> Tensor:
        """The state to which φ is first applied, from features and last state, (B, N, W) each."""
        raise NotImplementedError

    def update(self, nodes: Tensor, state: Tensor, arrived: Tensor) -> Tensor:
        """φ of features, the state and the aggregated messages, (B, N, W) each."""
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
        """New states (B, N, W) from features `nodes` and states `hidden` (B, N, W)."""
        z = torch.cat([nodes, hidden], -1)
        if self.freedom is None:
            arrived = self.arrived(z, edges, graph)
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
        """The same with a freedom in use; `z` are features and states, shape (B, N, 2W)."""
        batch, size, width = z.shape
        state, messages = self.start(nodes, hidden), self.message(z, z, edges, graph)
        if freedom.kind == "updates":
            once = self.update(nodes, state, self.aggregate(messages))
            early = freedom.flags(0.5, z.device, batch, size, size, 1)
            for group in (early, ~early):
                arrived = self.aggregate(messages.where(group, self.unit))
                state = self.update(nodes, state, arrived)
            return torch.where(freedom.mask(z.device, batch, size, 1), state, once)
        chosen = freedom.mask(z.device, batch, size, size, 1)
        if freedom.kind == "duplicates":
            again = messages.where(chosen, self.unit)
        else:
            piece = freedom.flags(0.5, z.device, batch, size, width)
            parts = [
                self.message(z, z.where(part, self.nothing), edges, graph)
                for part in (piece, ~piece)
            ]
            messages = torch.where(chosen, parts[0], messages)
            again = parts[1].where(chosen, self.unit)
        return self.update(nodes, state, self.aggregate(torch.cat([messages, again], 1)))


class SumPhi(Processor):
    """L1: ψ linear, ⊕ the sum, φ linear and ReLU, then layer norm as in the benchmark.

    Without the norm, sums over all nodes grow at every step and training fails.
    """

    level, nothing, unit = 1, 0.0, 0.0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.receiver, self.sender = linear(2 * width, width), linear(2 * width, width)
        self.edge, self.graph = linear(width, width), linear(width, width)
        self.own, self.inbox = linear(2 * width, width), linear(width, width)
        self.norm = nn.LayerNorm(width)

    def aggregate(self, messages: Tensor) -> Tensor:
        """The sum, in the shapes of `Processor`."""
        return messages.sum(1)

    def arrived(self, z: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        """The sum, in the shapes of `Processor`: a sum of linear maps is the map of the sum."""
        rest = self.receiver(z) + self.graph(graph)[:, None]
        sent = self.sender(z).sum(1, keepdim=True)
        return edges.total(self.edge) + sent + z.shape[1] * rest

    def start(self, nodes: Tensor, hidden: Tensor) -> Tensor:
        """The last state, in the shapes of `Processor`."""
        return hidden

    def update(self, nodes: Tensor, state: Tensor, arrived: Tensor) -> Tensor:
        """Linear, ReLU and layer norm, in the shapes of `Processor`."""
        new = (self.own(torch.cat([nodes, state], -1)) + self.inbox(arrived)).relu()
        return self.norm(new)


class Maximum(Processor):
    """⊕ and φ the maximum; φ starts from the features, so that a state is max(features, inbox)."""

    unit = NOTHING

    def aggregate(self, messages: Tensor) -> Tensor:
        """The maximum, in the shapes of `Processor`."""
        return maximum(messages)

    def arrived(self, z: Tensor, edges: Edges, graph: Tensor) -> Tensor:
        """The maximum, in the shapes of `Processor`: what all senders share is added last.

        Rounding is monotone, so that the result is `aggregate` of `message` to the last bit.
        """
        argument = self.prepared(z)
        rest = self.receiver(argument) + self.graph(graph)[:, None]
        pairs = self.pairs(edges)
        pairs += self.sender(argument)[:, :, None]  # in place, as its gradient needs no operands
        return self.aggregate(pairs) + rest

    def start(self, nodes: Tensor, hidden: Tensor) -> Tensor:
        """The features, in the shapes of `Processor`."""
        return nodes

    def update(self, nodes: Tensor, state: Tensor, arrived: Tensor) -> Tensor:
        """The maximum, in the shapes of `Processor`."""
        return torch.maximum(state, arrived)


class MaxMax(Maximum):
    """L2: ψ linear, ⊕ and φ the maximum."""

    level, nothing = 2, 0.0

    def __init__(self, width: int) -> None:
        super().__init__()
        self.receiver, self.sender = linear(2 * width, width), linear(2 * width, width)
        self.edge, self.graph = linear(width, width), linear(width, width)


class Logarithmic(Maximum):
    """L3: ψ linear over the log-semiring in each input, ⊕ and φ the maximum.

    `first` adds a linear layer before it, as the paper does on some tasks, which it does not name.
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

    def pairs(self, edges: Edges) -> Tensor:
        """The edges' part of ψ, shape (B, N, N, W)."""
        found: Tensor = self.edge(edges.dense())
        return found

    def prepared(self, argument: Tensor) -> Tensor:
        """The argument (B, N, 2W) after the linear layer, if any, which reads 0 in place of -∞."""
        if self.before is None:
            return argument
        return self.before(argument.where(argument != NOTHING, 0.0))


PROCESSORS: Mapping[str, Factory] = {
    "l1": SumPhi,
    "l2": MaxMax,
    "l3": Logarithmic,
    "l3_linear": lambda width: Logarithmic(width, first=True),
}
