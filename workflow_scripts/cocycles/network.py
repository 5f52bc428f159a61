"""A message-passing network run by events: messages are late, lost, resent, duplicated or split.

Every node of every step is a small state machine: it holds its state from the previous step and an
inbox, and decides when to send. A message takes a random time. A `Schedule` sets which freedoms are
used and how often; without any the run is synchronous. The network has a fixed number of steps, so
a node sends for the last time in step t once that step can no longer change.

Shapes: N nodes, D draws of the weights, width W; a state, argument or message has shape (D, W).
"""

import heapq
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.cocycles.layers import Layer
from workflow_scripts.cocycles.semirings import Array

TIMEOUT = 3.0  # mean latencies until a lost message is sent again
Adjacency = NDArray[np.bool_]


@dataclass(frozen=True)
class Schedule:
    """Probability of each freedom, in [0, 1]."""

    lost: float = 0.0  # a transmission is lost; it is repeated until it succeeds
    split: float = 0.0  # a message arrives in two parts with some coordinates each
    twice: float = 0.0  # a message arrives twice
    regrouped: float = 0.0  # φ is applied after a message instead of waiting for the others
    early: float = 0.0  # a node sends after a message instead of waiting for the others
    whole: bool = False  # nodes resend whole states instead of increments


# The schedule of each kind at a degree q between 0 and 1. The first kind is level 1, the next two
# are level 2, the others level 3.
KINDS = {
    "delivery": lambda q: Schedule(lost=q / 2, split=q),
    "updates": lambda q: Schedule(regrouped=q),
    "duplicates": lambda q: Schedule(twice=q),
    "resent": lambda q: Schedule(early=q, whole=True),
    "increments": lambda q: Schedule(early=q),
    "everything": lambda q: Schedule(q / 2, q, q, q, q),
}


class Run:
    """One run over `steps` steps on a graph, `adjacency[u, v]` where v sends to u."""

    def __init__(
        self,
        layer: Layer,
        adjacency: Adjacency,
        inputs: Array,
        steps: int,
        schedule: Schedule,
        rng: np.random.Generator,
    ) -> None:
        """`adjacency` has shape (N, N), `inputs` (N, D, W)."""
        nodes = len(inputs)
        self.layer, self.schedule, self.rng, self.steps = layer, schedule, rng, steps
        self.receivers = [np.flatnonzero(adjacency[:, v]) for v in range(nodes)]
        self.senders = [np.flatnonzero(adjacency[u]) for u in range(nodes)]
        shape = (steps + 1, *inputs.shape)
        self.own = np.full(shape, layer.nothing)  # the node's state at the previous step
        self.inbox = np.full(shape, layer.unit)
        self.group = np.full(shape, layer.unit)  # messages to which φ has not been applied
        self.state = np.full(shape, layer.nothing)
        self.piece = np.full(shape, layer.nothing)  # change since the node last sent
        self.said = np.full(shape, layer.nothing)  # everything that the node has sent
        self.spoke = np.zeros((steps + 1, nodes), dtype=bool)
        # Edges that have sent something, [step, receiver, sender].
        self.invoked = np.zeros((steps + 1, nodes, nodes), dtype=bool)
        self.known = np.zeros((steps + 1, nodes), dtype=bool)  # has a state from the previous step
        self.moved = np.zeros((steps + 1, nodes), dtype=bool)
        self.updated = np.zeros((steps + 1, nodes), dtype=bool)
        self.state[0] = self.piece[0] = inputs
        self.moved[0] = True
        self.queue: list[tuple[float, int, int, int, Array]] = []
        self.number, self.now, self.sent = count(), 0.0, 0

    def run(self) -> Array:
        """The states after the last step, shape (N, D, W)."""
        for step in range(self.steps):
            for node in self.rng.permutation(len(self.receivers)):
                self._settle(step, int(node))
                if self.moved[step, node]:
                    self._speak(step, int(node))
            while self.queue:
                self.now, _, at, receiver, message = heapq.heappop(self.queue)
                self._deliver(at, receiver, message)
        for node in range(len(self.receivers)):
            self._settle(self.steps, node)
        return self.state[self.steps]

    def _settle(self, step: int, node: int) -> None:
        """Apply φ to waiting messages, and once where no message arrived."""
        waiting = (self.group[step, node] != self.layer.unit).any()
        if step and (waiting or not self.updated[step, node]):
            self._update(step, node)

    def _deliver(self, step: int, node: int, message: Array) -> None:
        """Deliver a message, shape (D, W), and react as the schedule allows."""
        here = (step, node)
        self.inbox[here] = self.layer.combine(self.inbox[here], message)
        self.group[here] = self.layer.combine(self.group[here], message)
        if self._happens(self.schedule.regrouped) or self._happens(self.schedule.early):
            self._update(step, node)
        if self._happens(self.schedule.early) and step < self.steps and self.moved[here]:
            self._speak(step, node)

    def _update(self, step: int, node: int) -> None:
        """Apply φ to the messages since the last update, or to all where updates do not repeat."""
        here = (step, node)
        if self.schedule.regrouped:
            new = self.layer.update(self.state[here], self.group[here])
        else:
            new = self.layer.update(self.own[here], self.inbox[here])
        self.updated[here] = True
        self._move(step, node, new, self.group[here])
        self.group[here] = self.layer.unit

    def _move(self, step: int, node: int, new: Array, message: Array) -> None:
        """Change the state to `new` because of a message, shape (D, W) each."""
        here = (step, node)
        piece = self.layer.emit(self.state[here], new, message)
        self.piece[here] = self.layer.gather(self.piece[here], piece)
        self.moved[here] |= bool((new != self.state[here]).any())
        self.state[here] = new

    def _speak(self, step: int, node: int) -> None:
        """Pass the state on to the next step, and invoke ψ on edges whose other end has sent."""
        here = (step, node)
        whole = self.schedule.whole
        before = self.said[here].copy()
        again = bool(self.invoked[step, node, node])  # on the loop at the node, if there is one
        said = self.state[here] if whole else self.layer.gather(before, self.piece[here])
        argument = said if whole else self.piece[here]
        self.said[here], self.spoke[here] = said, True
        self._inherit(step + 1, node, self.state[here], argument)
        ends = self.receivers[node][self.spoke[step, self.receivers[node]]]
        said_by = self.said[step]
        mine = np.broadcast_to(argument, (len(ends), *argument.shape))
        self._send(step + 1, ends, self.layer.message(said_by[ends], mine))
        others = self.senders[node]
        others = others[self.spoke[step, others] & (others != node)]
        first = ~self.invoked[step, node, others]
        others = others[first | self.layer.reads_receiver]
        mine = np.broadcast_to(argument, (len(others), *argument.shape))
        self._send(step + 1, np.full(len(others), node), self.layer.message(mine, said_by[others]))
        if again and self.layer.reads_receiver and not whole:
            # Both ends of a loop change at once: the receiver's piece meets what was sent before.
            loop = self.layer.message(argument[None], before[None])
            self._send(step + 1, np.array([node]), loop)
        self.invoked[step, ends, node] = self.invoked[step, node, others] = True
        self.piece[here], self.moved[here] = self.layer.nothing, False

    def _inherit(self, step: int, node: int, state: Array, argument: Array) -> None:
        """Take the node's own state and argument, shape (D, W) each, from the previous step."""
        here = (step, node)
        self.own[here] = state
        if self.known[here]:
            new, self.updated[here] = self.layer.update(state, self.inbox[here]), True
        else:
            new, self.known[here] = state, True
        message = self.layer.combine(argument, self.group[here])
        self.group[here] = self.layer.unit
        self._move(step, node, new, message)

    def _send(self, step: int, receivers: NDArray[np.int64], messages: Array) -> None:
        """Send messages (K, D, W) to receivers (K,)."""
        for receiver, message in zip(receivers.tolist(), messages, strict=True):
            self.sent += 1
            for part in self._parts(message):
                for _ in range(1 + self._happens(self.schedule.twice)):
                    late = self.now + self.rng.exponential()
                    while self._happens(self.schedule.lost):
                        late += TIMEOUT + self.rng.exponential()
                    heapq.heappush(self.queue, (late, next(self.number), step, receiver, part))

    def _parts(self, message: Array) -> list[Array]:
        """The message, shape (D, W), whole or in two parts of that shape."""
        if not self._happens(self.schedule.split):
            return [message]
        mask = self.rng.random(message.shape[-1]) < 0.5
        return [np.where(part, message, self.layer.unit) for part in (mask, ~mask)]

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self.rng.random() < probability


def synchronous(layer: Layer, adjacency: Adjacency, inputs: Array, steps: int) -> Array:
    """The definition, x'_u = φ(x_u, ⊕_v ψ(x_u, x_v)), in steps; `inputs` and result (N, D, W)."""
    states = inputs
    for _ in range(steps):
        new = np.empty_like(states)
        for node, senders in enumerate(adjacency):
            total = np.full(states.shape[1:], layer.unit)
            for other in np.flatnonzero(senders):
                total = layer.combine(total, layer.message(states[node], states[other]))
            new[node] = layer.update(states[node], total)
        states = new
    return states
