"""Message-passing layers x'_u = φ(x_u, ⊕_v ψ(x_u, x_v)), prepared for asynchronous execution.

A layer is its ψ, ⊕ and φ and, for execution in pieces, the monoid of its arguments: its unit, how
pieces combine, and which piece a node emits when its state changes. Arrays of states, arguments and
messages have shape (…, D, W): D draws of the weights, width W, so that one schedule runs many
weights at once. Weights have shape (D, W, W).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from workflow_scripts.cocycles.semirings import (
    ZERO,
    Array,
    log_add,
    log_linear,
    news,
    tropical_linear,
)

Two = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Layer:
    """A layer; `level` is its level in the paper's classification, 0 for controls outside it."""

    level: int
    message: Two  # ψ(receiver, sender)
    unit: float  # of ⊕
    combine: Two  # ⊕
    update: Two  # φ(state, aggregated messages)
    nothing: float  # argument of a node that has not sent anything
    gather: Two  # combines the pieces of an argument
    emit: Callable[[Array, Array, Array], Array]  # the piece for (old state, new state, message)
    reads_receiver: bool = True  # ψ depends on the receiver, so that its changes invoke ψ, too


def difference(old: Array, new: Array, message: Array) -> Array:
    """The piece under a sum, used also where no proposition applies; all shapes (D, W)."""
    return new - old


def risen(old: Array, new: Array, message: Array) -> Array:
    """Proposition 4.2, elementwise; all shapes (D, W)."""
    return news(old, new)


def received(old: Array, new: Array, message: Array) -> Array:
    """δ_m(s) = m, a cocycle for any action; all shapes (D, W)."""
    return message


def dense(weights: Array, x: Array) -> Array:
    """weights (…, O, I), x (…, I), result (…, O)."""
    return np.einsum("...oi,...i->...o", weights, x)


def relu(x: Array) -> Array:
    """max(x, 0), in the shape of `x`."""
    return np.maximum(x, 0.0)


def finite(pieces: Array) -> Array:
    """The pieces, with 0 in place of -∞, for maps over the reals; same shape."""
    return np.where(np.isneginf(pieces), 0.0, pieces)


def summed(linear: Two, receiver: Array, sender: Array) -> Two:
    """ψ(x, y): the map of the receiver plus the map of the sender; weights (D, W, W)."""

    def message(x: Array, y: Array) -> Array:
        return linear(receiver, x) + linear(sender, y)

    return message


def maximum(level: int, message: Two, reads_receiver: bool = True) -> Layer:
    """A layer whose ⊕ and φ are max."""
    most = np.maximum
    return Layer(level, message, ZERO, most, most, ZERO, most, risen, reads_receiver)


def tropical(receiver: Array, sender: Array) -> Layer:
    """L3 with max throughout: ψ(x, y)_i = max_j(A_ij + x_j) + max_k(B_ik + y_k), A, B (D, W, W)."""
    return maximum(3, summed(tropical_linear, receiver, sender))


def tropical_path(sender: Array) -> Layer:
    """The tropical PathGNN, ψ(x, y)_i = max_k(B_ik + y_k); weights of shape (D, W, W)."""
    return maximum(3, lambda x, y: tropical_linear(sender, y), reads_receiver=False)


def logarithmic(receiver: Array, sender: Array) -> Layer:
    """The paper's L3: ψ bilinear over the log-semiring, ⊕ and φ max; weights (D, W, W)."""
    return maximum(3, summed(log_linear, receiver, sender))


def log_throughout(receiver: Array, sender: Array) -> Layer:
    """The same ψ under its own sum, logsumexp: multimorphism, not idempotent; weights (D, W, W)."""
    message = summed(log_linear, receiver, sender)
    return Layer(0, message, ZERO, log_add, log_add, ZERO, log_add, received)


def max_max(receiver: Array, sender: Array) -> Layer:
    """The paper's L2: ψ linear, ⊕ and φ max; weights of shape (D, W, W)."""
    return maximum(2, summed(lambda weights, x: dense(weights, finite(x)), receiver, sender))


def sum_relu(receiver: Array, sender: Array, own: Array, inbox: Array) -> Layer:
    """The paper's L1: ψ linear, ⊕ sum, φ linear and ReLU; weights of shape (D, W, W)."""

    def update(x: Array, m: Array) -> Array:
        return relu(dense(own, x) + dense(inbox, m))

    message = summed(dense, receiver, sender)
    return Layer(1, message, 0.0, np.add, update, 0.0, np.add, difference)


def ordinary(receiver: Array, sender: Array, second: Array, own: Array, inbox: Array) -> Layer:
    """The benchmark's message passing: ψ an MLP, ⊕ max, φ linear and ReLU; weights (D, W, W)."""
    first = summed(dense, receiver, sender)

    def message(x: Array, y: Array) -> Array:
        return dense(second, relu(first(x, y)))

    def update(x: Array, m: Array) -> Array:
        return relu(dense(own, x) + dense(inbox, finite(m)))

    return Layer(1, message, ZERO, np.maximum, update, 0.0, np.add, difference)


def linear_sum(sender: Array) -> Layer:
    """A control: ψ linear in the sender, ⊕ and φ sums; not idempotent; weights (D, W, W)."""

    def message(x: Array, y: Array) -> Array:
        return dense(sender, y)

    return Layer(0, message, 0.0, np.add, np.add, 0.0, np.add, difference, reads_receiver=False)


class Draws(NamedTuple):
    """Random weights of `shape` (D, W, W)."""

    rng: np.random.Generator
    shape: tuple[int, int, int]

    def dense(self, share: float = 1.0) -> Array:
        """Weights (D, W, W) of a linear map, scaled to `share` of the input's variance."""
        return self.rng.normal(size=self.shape) * np.sqrt(share / self.shape[-1])

    def normal(self) -> Array:
        """Standard normal weights (D, W, W) of a map over a semiring."""
        return self.rng.normal(size=self.shape)

    def integers(self) -> Array:
        """Two sets of integer weights, (2, D, W, W), on which float64 is exact."""
        return self.rng.integers(-9, 10, (2, *self.shape)).astype(float)


DRAWN: dict[str, Callable[[Draws], Layer]] = {
    "ordinary": lambda d: ordinary(d.dense(), d.dense(), d.dense(), d.dense(), d.dense()),
    "linear_sum": lambda d: linear_sum(d.dense(0.25)),
    "sum_relu": lambda d: sum_relu(d.dense(0.5), d.dense(0.5), d.dense(), d.dense(0.25)),
    "max_max": lambda d: max_max(d.dense(0.5), d.dense(0.5)),
    "logarithmic": lambda d: logarithmic(d.normal(), d.normal()),
    "log_throughout": lambda d: log_throughout(d.normal(), d.normal()),
    "tropical": lambda d: tropical(d.normal(), d.normal()),
    "tropical_path": lambda d: tropical_path(d.normal()),
    "tropical_integers": lambda d: tropical(*d.integers()),
}


def drawn(name: str, width: int, draws: int, rng: np.random.Generator) -> Layer:
    """A layer with `draws` random weights at once. Raises `KeyError` for an unknown name."""
    return DRAWN[name](Draws(rng, (draws, width, width)))
