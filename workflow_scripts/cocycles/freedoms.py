"""The freedoms of asynchrony, one at a time: every schedule in which one node deviates.

The synchronous network is x'_u = φ(x_u, ⊕_v ψ(x_u, x_v)), with ⊕ over the senders in the order
of their numbers; a node without senders keeps its state (section 4.3). In a schedule one node takes
its messages in batches, and each freedom says what it does with them. Levels 1 and 2 show in one
step, level 3 in the second of two, where the node's state has been sent in parts.

Shapes: B assignments of states to nodes, N nodes, W width of a state, M width of a message.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise, permutations, product
from typing import Protocol

import torch
from torch import Tensor

Batch = tuple[int, ...]  # senders whose messages a node takes in together
Edge = tuple[int, int]  # sender, receiver
Note = Callable[[str, Tensor], None]  # what happened, and the vectors (B, ·) that it yielded

# The level of each freedom: what the node does with its batches.
LEVELS = {
    "order": 1,  # adds each batch to what it has received, and updates once
    "updates": 2,  # updates after each batch
    "duplicates": 2,  # receives a message twice, before its update or after it
    "resent": 3,  # sends its whole state after each batch
    "increments": 3,  # sends its own state, then each batch itself (δ_m(s) = m)
}
STEPS = {name: 1 if level < 3 else 2 for name, level in LEVELS.items()}


class Layer(Protocol):
    """What a message-passing module must have; B cases at once."""

    width: int  # of a state

    def message(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """ψ: two states (B, W) to a message (B, M)."""

    def aggregate(self, messages: Tensor) -> Tensor:
        """⊕: messages (B, K, M), K at least 1, to one of the same width (B, M)."""

    def update(self, state: Tensor, message: Tensor) -> Tensor:
        """φ: a state (B, W) and an aggregated message (B, M) to a state (B, W)."""


@dataclass(frozen=True)
class Schedule:
    """A graph, the node that deviates, and the batches in which it takes its messages.

    An empty first batch of level 3 means that the node sends its own state before any message.
    """

    freedom: str
    nodes: int
    edges: tuple[Edge, ...]
    node: int
    batches: tuple[Batch, ...]

    @property
    def size(self) -> tuple[int, int, int]:
        """Nodes, edges and batches, by which schedules are ordered."""
        return self.nodes, len(self.edges), len(self.batches)


def partitions(items: Batch) -> Iterator[tuple[Batch, ...]]:
    """Every ordered partition of the items into batches, each in ascending order."""
    if not items:
        yield ()
        return
    for chosen in product((False, True), repeat=len(items)):
        first = tuple(item for item, taken in zip(items, chosen, strict=True) if taken)
        if first:
            rest = tuple(item for item in items if item not in first)
            for others in partitions(rest):
                yield (first, *others)


def batchings(freedom: str, senders: Batch) -> Iterator[tuple[Batch, ...]]:
    """Every way in which a freedom batches the messages of `senders`, but the synchronous one."""
    if freedom == "order":
        for order in permutations(senders):
            for cuts in product((False, True), repeat=len(order) - 1):
                places = [0, *(at for at, cut in enumerate(cuts, 1) if cut), len(order)]
                found = tuple(order[a:b] for a, b in pairwise(places))
                if found != (senders,):
                    yield found
    elif freedom == "updates":
        yield from (found for found in partitions(senders) if len(found) > 1)
    elif freedom == "duplicates":
        for twice in senders:
            yield (tuple(sorted((*senders, twice))),)
            yield (senders, (twice,))
    else:
        for found in partitions(senders):
            yield ((), *found)
            if len(found) > 1:
                yield found


@cache
def graphs(nodes: int) -> tuple[tuple[Edge, ...], ...]:
    """Every directed graph on `nodes` nodes, loops included, one of each isomorphism class."""
    pairs = list(product(range(nodes), repeat=2))
    renamings = list(permutations(range(nodes)))
    found, seen = [], set()
    for chosen in product((False, True), repeat=len(pairs)):
        edges = [pair for pair, taken in zip(pairs, chosen, strict=True) if taken]
        name = min(tuple(sorted((p[a], p[b]) for a, b in edges)) for p in renamings)
        if name not in seen:
            seen.add(name)
            found.append(name)
    return tuple(sorted(found, key=lambda edges: (len(edges), edges)))


def schedules(freedom: str, most_nodes: int) -> list[Schedule]:
    """Every schedule of a freedom on graphs of at most `most_nodes` nodes, smallest first.

    A step at a node depends on its own senders only, so for one step it suffices to look at graphs
    whose edges all end at the node that deviates.
    """
    found = []
    for nodes in range(1, most_nodes + 1):
        for edges in graphs(nodes):
            for node in range(nodes):
                if STEPS[freedom] == 1 and any(end != node for _, end in edges):
                    continue
                senders = tuple(start for start, end in edges if end == node)
                if senders:
                    found += [
                        Schedule(freedom, nodes, edges, node, batches)
                        for batches in batchings(freedom, senders)
                    ]
    return sorted(found, key=lambda each: each.size)


def silent(_text: str, _value: Tensor) -> None:
    """Notes nothing."""


class Step:
    """One step of the network from given states (B, N, W), synchronous unless a node deviates."""

    def __init__(self, layer: Layer, edges: tuple[Edge, ...], states: Tensor) -> None:
        self.layer, self.states = layer, states
        self._sent: dict[int, dict[int, Tensor]] = {}
        self.senders = {
            node: tuple(start for start, end in edges if end == node)
            for node in range(states.shape[1])
        }

    def sent(self, node: int) -> dict[int, Tensor]:
        """The message (B, M) of each sender to `node`."""
        if node not in self._sent:
            own = self.states[:, node]
            self._sent[node] = {
                start: self.layer.message(own, self.states[:, start])
                for start in self.senders[node]
            }
        return self._sent[node]

    def total(self, messages: list[Tensor]) -> Tensor:
        """⊕ of messages (B, M)."""
        return self.layer.aggregate(torch.stack(messages, 1))

    def result(self) -> Tensor:
        """The states after the step, (B, N, W)."""
        after = []
        for node in range(self.states.shape[1]):
            own = self.states[:, node]
            sent = list(self.sent(node).values())
            after.append(self.layer.update(own, self.total(sent)) if sent else own)
        return torch.stack(after, 1)


def one_step(step: Step, schedule: Schedule, note: Note = silent) -> Tensor:
    """The state (B, W) of the deviating node after one step, under a freedom of level 1 or 2."""
    node = schedule.node
    state, sent = step.states[:, node], step.sent(node)
    inbox: Tensor | None = None
    for batch in schedule.batches:
        part = step.total([sent[start] for start in batch])
        note(f"node {node} receives from {listed(batch)}", part)
        if schedule.freedom == "order":
            inbox = part if inbox is None else step.total([inbox, part])
            note(f"node {node} has received in total", inbox)
        else:
            state = step.layer.update(state, part)
            note(f"node {node} updates its state", state)
    return state if inbox is None else step.layer.update(state, inbox)


def sends(step: Step, schedule: Schedule) -> Iterator[tuple[Tensor, Tensor]]:
    """What the deviating node sends during the first step, and its state by then, (B, W) each."""
    node, own = schedule.node, step.states[:, schedule.node]
    sent = step.sent(node)
    state, received = own, []
    for turn, batch in enumerate(schedule.batches):
        received += [sent[start] for start in batch]
        if received:
            state = step.layer.update(own, step.total(received))
        whole = turn == 0 or schedule.freedom == "resent"
        yield (state if whole else step.total([sent[start] for start in batch])), state


def two_steps(
    first: Step, second: Step, schedule: Schedule, node: int, note: Note = silent
) -> Tensor:
    """The state (B, W) of `node` after two steps, where the deviating one has sent in parts.

    `first` and `second` start from the synchronous states. Every part invokes ψ with all that the
    other end has sent; at a loop both ends have the part at once.
    """
    layer, own = second.layer, second.states[:, node]
    messages: list[Tensor] = []
    before: Tensor | None = None
    parts = list(sends(first, schedule))
    for batch, (part, _) in zip(schedule.batches, parts, strict=True):
        cause = f"after messages from {listed(batch)}" if batch else "before any message"
        note(f"node {schedule.node} sends {cause}", part)
    for start in second.senders[node]:
        if start != schedule.node != node:
            messages.append(second.sent(node)[start])
            continue
        for part, state in parts:
            if start == node:
                messages.append(
                    layer.message(part, part if schedule.freedom == "resent" else state)
                )
                if before is not None and schedule.freedom == "increments":
                    messages.append(layer.message(before, part))
                before = state
            elif start == schedule.node:
                messages.append(layer.message(own, part))
            else:
                messages.append(layer.message(part, second.states[:, start]))
    for message in messages:
        note(f"node {node} receives in step 2", message)
    return layer.update(own, second.total(messages))


def listed(batch: Batch) -> str:
    """The senders of a batch in words."""
    return " and ".join(map(str, batch))


def affected(schedule: Schedule) -> Batch:
    """Nodes whose result the schedule can change."""
    if STEPS[schedule.freedom] == 1:
        return (schedule.node,)
    ends = {end for start, end in schedule.edges if start == schedule.node}
    return tuple(sorted(ends | {schedule.node}))


class Runs:
    """The synchronous run of one or two steps, from which the schedules on one graph deviate."""

    def __init__(self, layer: Layer, edges: tuple[Edge, ...], states: Tensor) -> None:
        self.layer, self.edges = layer, edges
        self.first = Step(layer, edges, states)

    @cached_property
    def once(self) -> Tensor:
        """The states after one step, (B, N, W)."""
        return self.first.result()

    @cached_property
    def second(self) -> Step:
        """The second step."""
        return Step(self.layer, self.edges, self.once)

    @cached_property
    def twice(self) -> Tensor:
        """The states after two steps, (B, N, W)."""
        return self.second.result()

    def pair(self, schedule: Schedule, node: int, note: Note = silent) -> tuple[Tensor, Tensor]:
        """The state of `node` in the asynchronous and the synchronous run, (B, W) each."""
        if STEPS[schedule.freedom] == 1:
            return one_step(self.first, schedule, note), self.once[:, node]
        return two_steps(self.first, self.second, schedule, node, note), self.twice[:, node]


@torch.inference_mode()
def trace(
    layer: Layer, schedule: Schedule, states: Tensor, row: int, node: int
) -> list[tuple[str, Tensor]]:
    """What happens at the deviating node and at `node`, event by event, to a row of the states.

    `states`, shape (B, N, W), are those of the search: products of matrices may round otherwise in
    a batch of another size.
    """
    events: list[tuple[str, Tensor]] = []

    def note(text: str, value: Tensor) -> None:
        events.append((text, value[row]))

    for place in range(schedule.nodes):
        note(f"node {place} starts", states[:, place])
    found, expected = Runs(layer, schedule.edges, states).pair(schedule, node, note)
    note(f"node {node} ends, asynchronous", found)
    note(f"node {node} ends, synchronous", expected)
    return events
