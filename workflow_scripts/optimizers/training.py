"""Training of many networks in one vectorised run.

A replica has a seed (its start, tasks and batches), a learning rate, a loss at which it stops, and
a flag that resets the optimiser's state between tasks. Replicas do not interact: each takes the
path that it would take alone.
"""

import copy
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workflow_scripts.optimizers import network
from workflow_scripts.optimizers.network import Parameters, crossing
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.updates import Moment, Optimizer, State
from workflow_scripts.shared import files, seeds

DIVERGED_NATS = 1000.0  # a batch loss above this, or NaN, ends a replica
GRADIENT_LIMIT = 1.0e6  # a gradient of this norm, too
CHUNK = 2000  # examples evaluated at once
FIRST_LOOK = 8  # the share of examples, 1 / 8, that may show that a loss is not reached
ROUNDING = 1e-4  # relative; far more than sums of a loss in different orders differ by
SHRINK = 0.8  # a smaller share of replicas that still train leaves the others behind
# Tensors of a training with one entry per replica, beside its weights and its optimiser's state.
PER_REPLICA = ("rows", "rates", "stops", "resets", "alive", "moving", "resting", "steps", "count")


@dataclass(frozen=True)
class Replica:
    """One network to train.

    `stop_nats` is the training loss at which it stops, 0 for never. `reset` clears the optimiser's
    state between tasks.
    """

    row: int  # index of its seed in the stream
    rate: float
    stop_nats: float = 0.0
    reset: bool = False


@dataclass(frozen=True)
class Snapshot:
    """Weights (R, out, in + 1), optimiser state, and counts of steps (R, 1, 1) and (R,)."""

    parameters: Parameters
    state: dict[str, State]
    count: Tensor
    steps: Tensor


class Training:
    """R replicas at some step of a stream; every parameter has shape (R, out, in + 1)."""

    def __init__(
        self,
        stream: Stream,
        hidden: Sequence[int],
        classes: int,
        optimizer: Optimizer,
        replicas: Sequence[Replica],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.stream, self.optimizer, self.dtype = stream, optimizer, dtype
        device = stream.device
        sizes = [stream.x["train"].shape[1], *hidden, classes]
        starts = [seeds.derive(stream.seed, "optimizers", "start", n) for n in stream.start_names]
        networks = [network.initial(start, sizes) for start in starts]
        stacked = network.stack([networks[replica.row] for replica in replicas])
        self.parameters = {n: t.to(device, dtype) for n, t in stacked.items()}
        self.rows = torch.tensor([replica.row for replica in replicas], device=device)
        self.rates = self._column([replica.rate for replica in replicas])
        self.stops = torch.tensor([replica.stop_nats for replica in replicas], device=device)
        self.resets = torch.tensor([replica.reset for replica in replicas], device=device)
        count = len(replicas)
        self.alive = torch.ones(count, dtype=torch.bool, device=device)
        self.moving = torch.ones(count, dtype=torch.bool, device=device)
        self.resting = torch.zeros(count, dtype=torch.bool, device=device)  # at its limit of steps
        self.steps = torch.zeros(count, dtype=torch.long, device=device)  # within the task
        self.hardest: Tensor | None = None  # indices of examples, see `_near`
        self.state = self._fresh_state()
        self.count = torch.zeros(count, 1, 1, dtype=dtype, device=device)  # since a reset

    def _column(self, values: list[float]) -> Tensor:
        """One value per replica, shape (R, 1, 1)."""
        column = torch.tensor(values, dtype=self.dtype, device=self.stream.device)
        return column[:, None, None]

    def _fresh_state(self) -> dict[str, State]:
        """The optimiser's first state for each matrix, shape (R, out, in + 1)."""
        return {name: self.optimizer.start(tensor) for name, tensor in self.parameters.items()}

    def begin_task(self) -> None:
        """Let all replicas move again, and clear the optimiser's state of those that reset."""
        self.moving = torch.ones_like(self.moving)
        self.resting = torch.zeros_like(self.resting)
        self.steps = torch.zeros_like(self.steps)
        self.hardest = None
        if self.resets.any():
            keep = ~self.resets
            fresh = self._fresh_state()
            self.state = {n: chosen(keep, self.state[n], fresh[n]) for n in self.state}
            self.count = torch.where(keep[:, None, None], self.count, 0.0)

    def train_task(
        self,
        task: int,
        steps: int,
        batch: int,
        loss_examples: int,
        check_every: int = 1,
        after_step: Callable[[int], object] | None = None,
        limits: Tensor | None = None,
        read_at: Container[int] = (),
    ) -> None:
        """Train on one task for `steps`, or for each replica's own number `limits`, shape (R,).

        `after_step(step)` is called after each step, from 1 on; this training is up to date when
        the step is in `read_at`, and at the end.

        Every `check_every` steps, and at a replica's last step, the loss over the task's first
        `loss_examples` training examples is taken. A replica that has reached its stopping loss
        goes back to the first step since the last check after which the loss was reached, and then
        to the point of that step's segment where the loss has exactly that value.
        """
        self.begin_task()
        index, noise = self.stream.draws(task, steps, batch)
        ends = {steps} | (set() if limits is None else set(limits.tolist()))
        stopping = bool((self.stops > 0).any())
        run, kept = self, torch.arange(len(self.rows), device=self.rows.device)
        trail = [run._moment()] if stopping else []  # since the last check
        for step in range(steps):
            active = run.active
            if not active.any():
                break
            if len(trail) < 2 and active.sum() <= SHRINK * len(active):
                self._put_back(kept, run)
                kept = kept[active]
                run = self._only(kept)
                trail = [run._moment()] if stopping else []
            x, y = self.stream.batch(task, run.rows, index[:, step])
            refresh = step % self.optimizer.refresh_every == 0
            run.advance(x.to(self.dtype), y, noise[run.rows, step], refresh)
            if stopping:
                trail.append(run._moment())
                if (step + 1) % check_every == 0 or step + 1 in ends:
                    run._stop(task, loss_examples, trail)
                    trail = [run._moment()]
            if limits is not None:
                run.resting = run.steps >= limits.to(kept.device)[kept]
            if after_step is not None:
                if step + 1 in read_at:
                    self._put_back(kept, run)
                after_step(step + 1)
        self._put_back(kept, run)

    def _only(self, kept: Tensor) -> "Training":
        """The replicas `kept`, shape (k,), as a training of their own."""
        part = copy.copy(self)
        for name in PER_REPLICA:
            setattr(part, name, getattr(self, name)[kept])
        part.parameters = picked(self.parameters, kept)
        part.state = {layer: picked(own, kept) for layer, own in self.state.items()}
        return part

    def _put_back(self, kept: Tensor, part: "Training") -> None:
        """Take over what `part` has of the replicas `kept`, shape (k,)."""
        if part is self:
            return
        for name in PER_REPLICA:
            setattr(self, name, getattr(self, name).index_copy(0, kept, getattr(part, name)))
        self._take(kept, part.parameters, part.state)

    @property
    def active(self) -> Tensor:
        """Which replicas still train, shape (R,)."""
        return self.alive & self.moving & ~self.resting

    def advance(self, x: Tensor, y: Tensor, noise: Tensor, refresh: bool) -> None:
        """One step on a batch: x (R, B, D), y (R, B), noise (R, B)."""
        gradients, loss = network.gradients_and_losses(self.parameters, x, y)
        if self.optimizer.elementwise:  # they arrive transposed, where every use takes longer
            gradients = {n: g.contiguous() for n, g in gradients.items()}
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients.values()]).amax(0)
        sound = (loss < DIVERGED_NATS) & (norms < GRADIENT_LIMIT)  # false for NaN
        self.alive = self.alive & (sound | ~self.active)
        active = self.active
        everyone = bool(active.all())
        if not everyone:  # no infinity may reach an eigendecomposition
            held = active[:, None, None]
            gradients = {n: torch.where(held, g, 0.0) for n, g in gradients.items()}
        factors: dict[str, Any] = {}
        if self.optimizer.needs_factors and refresh:
            factors = network.kronecker_factors(self.parameters, x, noise)
            if not everyone:
                factors = {
                    n: tuple(torch.where(held, f, 0.0) for f in pair) for n, pair in factors.items()
                }
        count = self.count + 1
        new_parameters, new_state = {}, {}
        for name, w in self.parameters.items():
            moment = Moment(count, refresh, factors.get(name))
            direction, new_state[name] = self.optimizer.step(
                gradients[name], w, self.state[name], moment
            )
            new_parameters[name] = torch.addcmul(w, self.rates, direction, value=-1)
        if not everyone:
            new_parameters = chosen(active, new_parameters, self.parameters)
            new_state = {n: chosen(active, new_state[n], self.state[n]) for n in new_state}
            count = torch.where(active[:, None, None], count, self.count)
        self.parameters, self.state, self.count = new_parameters, new_state, count
        self.steps = self.steps + active

    def _moment(self) -> Snapshot:
        """What stopping may have to go back to; steps replace tensors and never change them."""
        return Snapshot(self.parameters, self.state, self.count, self.steps)

    def _stop(self, task: int, examples: int, trail: list[Snapshot]) -> None:
        """Stop replicas that reached their loss, at the step of `trail` where they did so.

        `trail` holds the moments from the last check to now, at least two.
        """
        able = (self.active & (self.stops > 0)).nonzero()[:, 0]
        if not len(able):
            return
        x, y = self.stream.examples("train", task, examples)
        x = x.to(self.dtype)

        def turned(weights: Parameters, rows: Tensor) -> Parameters:
            return self.stream.turned(weights, task, self.rows[rows])

        def nats(weights: Parameters, rows: Tensor) -> Tensor:
            return network.losses(turned(weights, rows), x, y)

        near = self._near(turned(picked(self.parameters, able), able), able, x, y)
        if not len(near):
            return
        each = network.nats(turned(picked(self.parameters, near), near), x, y)
        self.hardest = each.mean(0).topk(max(1, len(y) // FIRST_LOOK)).indices
        some = near[each.mean(1) <= self.stops[near]]
        if not len(some):
            return
        path = [picked(moment.parameters, some) for moment in trail]
        below = torch.stack([nats(point, some) <= self.stops[some] for point in path])
        first = below.int().argmax(0)  # 0 where the task's start has the loss already
        for at in first.unique().tolist():
            mine = first == at
            rows = some[mine]
            start, end = (picked(path[i], mine) for i in (max(at - 1, 0), at))
            stop = end
            if at:
                stop = crossing(start, end, partial(nats, rows=rows), self.stops[rows])
            moment = trail[at]
            state = {layer: picked(own, rows) for layer, own in moment.state.items()}
            self._take(rows, stop, state)
            self.count = self.count.index_copy(0, rows, moment.count[rows])
            self.steps = self.steps.index_copy(0, rows, moment.steps[rows])
        self.moving = self.moving.index_fill(0, some, False)

    def _near(self, weights: Parameters, rows: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Which of the replicas `rows`, shape (k,), may have reached their stopping loss.

        No example has a loss below 0, so a replica has not reached it if its summed loss on some
        examples is too large already. The best ones to look at are those that were hardest when
        all were last looked at. `weights` have k replicas; `x` (N, D) and `y` (N,).
        """
        if self.hardest is None:
            return rows
        least = network.nats(weights, x[self.hardest], y[self.hardest]).sum(1) / len(y)
        return rows[least <= self.stops[rows] * (1 + ROUNDING)]

    def _take(self, rows: Tensor, weights: Parameters, state: dict[str, State]) -> None:
        """Give replicas `rows` (k,) the `weights` and `state`, whose tensors have k replicas."""
        now = self.parameters.items()
        self.parameters = {name: t.index_copy(0, rows, weights[name]) for name, t in now}
        self.state = {
            layer: {name: t.index_copy(0, rows, state[layer][name]) for name, t in own.items()}
            for layer, own in self.state.items()
        }

    def outputs(
        self, part: str, task: int, most: int | None = None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Logits (R, N, 10), labels (R, N) and hidden layers (R, N, width) on a task's part."""
        x, y = self.stream.examples(part, task, most)
        turned = self.stream.turned(self.parameters, task, self.rows)
        pieces = [network.forward(turned, p.to(self.dtype)) for p in x.split(CHUNK)]
        logits = torch.cat([piece[0] for piece in pieces], 1)
        hidden = [torch.cat(layers, 1) for layers in zip(*(p[1] for p in pieces), strict=True)]
        return logits, y.expand(len(logits), -1), hidden

    def accuracy(self, part: str, task: int) -> Tensor:
        """Share of correct answers on a task's part, shape (R,)."""
        logits, y, _ = self.outputs(part, task)
        return (logits.argmax(-1) == y).to(self.dtype).mean(1)

    def task_loss(self, task: int, examples: int) -> Tensor:
        """Mean training loss in nats over the task's first `examples`, shape (R,)."""
        x, y = self.stream.examples("train", task, examples)
        turned = self.stream.turned(self.parameters, task, self.rows)
        losses = [
            network.losses(turned, some.to(self.dtype), labels) * (len(some) / len(y))
            for some, labels in zip(x.split(CHUNK), y.split(CHUNK), strict=True)
        ]
        return torch.stack(losses).sum(0)

    def save(self, path: Path, extra: Any) -> None:
        """Store everything that a resumed run needs; `extra` is the caller's own record."""
        names = ("parameters", "state", "count", "alive", "moving", "steps")
        with files.atomic(path) as temporary:
            torch.save({n: getattr(self, n) for n in names} | {"extra": extra}, temporary)

    def restore(self, path: Path) -> Any:
        """Continue from what `save` stored; returns its `extra`."""
        content = torch.load(path, weights_only=True, map_location=self.stream.device)
        extra = content.pop("extra")
        for name, value in content.items():
            setattr(self, name, value)
        return extra


def picked(tensors: dict[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    """The replicas `rows`, indices (k,) or a mask (R,), of tensors of shape (R, ...)."""
    return {name: tensor[rows] for name, tensor in tensors.items()}


def chosen(mask: Tensor, yes: dict[str, Tensor], no: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `yes` where `mask`, shape (R,), holds, else of `no`; shapes (R, n, m)."""
    return {name: torch.where(mask[:, None, None], yes[name], no[name]) for name in yes}
