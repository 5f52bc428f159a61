"""Message-passing layers x'_u = φ(x_u, ⊕_v ψ(x_u, x_v)), as far as asynchrony sees them.

A layer is its ψ, ⊕ and φ and, for execution in pieces, the monoid of its arguments: what stands
for nothing, how pieces are put together, and which piece a node emits when its state moves.
All arrays end in (draws of the weights, width), so that one schedule runs many weights at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    """`level` is what the paper's classes promise (0: no class, a control)."""

    level: int
    message: Two  # ψ(receiver, sender)
    unit: float  # of ⊕
    combine: Two  # ⊕
    update: Two  # φ(state, aggregated messages)
    nothing: float  # argument of a node that has not spoken
    gather: Two  # pieces of an argument put together
    emit: Callable[[Array, Array, Array], Array]  # the piece for (old state, new state, message)
    reads_receiver: bool = True  # ψ depends on the receiver, so that its moves invoke ψ, too


def difference(old: Array, new: Array, message: Array) -> Array:
    """The piece that a sum needs, and the natural one where no rule of the paper applies."""
    return new - old


def risen(old: Array, new: Array, message: Array) -> Array:
    """Proposition 4.2, coordinate by coordinate."""
    return news(old, new)


def received(old: Array, new: Array, message: Array) -> Array:
    """δ_m(s) = m, a cocycle for any action."""
    return message


def dense(weights: Array, x: Array) -> Array:
    """weights (…, O, I), x (…, I), result (…, O)."""
    return np.einsum("...oi,...i->...o", weights, x)


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def heard(pieces: Array) -> Array:
    """Nothing counts as 0 where a network of the reals reads it: -∞ has no image there."""
    return np.where(np.isneginf(pieces), 0.0, pieces)


def tropical(receiver: Array, sender: Array) -> Layer:
    """L3 with max throughout: ψ(x, y)_i = max_j(A_ij + x_j) + max_k(B_ik + y_k)."""

    def message(x: Array, y: Array) -> Array:
        return tropical_linear(receiver, x) + tropical_linear(sender, y)

    return Layer(3, message, ZERO, np.maximum, np.maximum, ZERO, np.maximum, risen)


def tropical_path(sender: Array) -> Layer:
    """The tropical PathGNN, whose ψ does not read the receiver: ψ(x, y)_i = max_k(B_ik + y_k)."""

    def message(x: Array, y: Array) -> Array:
        return tropical_linear(sender, y)

    return Layer(
        3, message, ZERO, np.maximum, np.maximum, ZERO, np.maximum, risen, reads_receiver=False
    )


def logarithmic(receiver: Array, sender: Array) -> Layer:
    """The paper's L3: ψ bilinear over the log-semiring, ⊕ and φ max."""

    def message(x: Array, y: Array) -> Array:
        return log_linear(receiver, x) + log_linear(sender, y)

    return Layer(3, message, ZERO, np.maximum, np.maximum, ZERO, np.maximum, risen)


def log_throughout(receiver: Array, sender: Array) -> Layer:
    """The same ψ under its own sum, logsumexp: a multimorphism, not idempotent."""

    def message(x: Array, y: Array) -> Array:
        return log_linear(receiver, x) + log_linear(sender, y)

    return Layer(0, message, ZERO, log_add, log_add, ZERO, log_add, received)


def max_max(receiver: Array, sender: Array) -> Layer:
    """The paper's L2: ψ linear, ⊕ and φ max."""

    def message(x: Array, y: Array) -> Array:
        return dense(receiver, heard(x)) + dense(sender, heard(y))

    return Layer(2, message, ZERO, np.maximum, np.maximum, ZERO, np.maximum, risen)


def sum_relu(receiver: Array, sender: Array, own: Array, inbox: Array) -> Layer:
    """The paper's L1: ψ linear, ⊕ sum, φ linear and ReLU."""

    def message(x: Array, y: Array) -> Array:
        return dense(receiver, x) + dense(sender, y)

    def update(x: Array, m: Array) -> Array:
        return relu(dense(own, x) + dense(inbox, m))

    return Layer(1, message, 0.0, np.add, update, 0.0, np.add, difference)


def ordinary(receiver: Array, sender: Array, second: Array, own: Array, inbox: Array) -> Layer:
    """Ordinary message passing as in the benchmark: ψ an MLP, ⊕ max, φ linear and ReLU."""

    def message(x: Array, y: Array) -> Array:
        return dense(second, relu(dense(receiver, x) + dense(sender, y)))

    def update(x: Array, m: Array) -> Array:
        return relu(dense(own, x) + dense(inbox, heard(m)))

    return Layer(1, message, ZERO, np.maximum, update, 0.0, np.add, difference)


def linear_sum(sender: Array) -> Layer:
    """A control: ψ linear in the sender alone, ⊕ and φ sums; a homomorphism, not idempotent."""

    def message(x: Array, y: Array) -> Array:
        return dense(sender, y)

    return Layer(0, message, 0.0, np.add, np.add, 0.0, np.add, difference, reads_receiver=False)


def drawn(name: str, width: int, draws: int, rng: np.random.Generator) -> Layer:
    """A layer with random weights, `draws` of them side by side.

    Dense weights keep the scale of their input, semiring weights are standard normal, and those of
    `tropical_integers` whole numbers, on which float64 is exact.
    """
    shape = (draws, width, width)

    def scaled(share: float = 1.0) -> Array:
        return rng.normal(size=shape) * np.sqrt(share / width)

    match name:
        case "tropical":
            return tropical(rng.normal(size=shape), rng.normal(size=shape))
        case "tropical_path":
            return tropical_path(rng.normal(size=shape))
        case "tropical_integers":
            first, second = rng.integers(-9, 10, (2, *shape)).astype(float)
            return tropical(first, second)
        case "logarithmic":
            return logarithmic(rng.normal(size=shape), rng.normal(size=shape))
        case "log_throughout":
            return log_throughout(rng.normal(size=shape), rng.normal(size=shape))
        case "max_max":
            return max_max(scaled(0.5), scaled(0.5))
        case "sum_relu":
            return sum_relu(scaled(0.5), scaled(0.5), scaled(), scaled(0.25))
        case "ordinary":
            return ordinary(scaled(), scaled(), scaled(), scaled(), scaled())
        case "linear_sum":
            return linear_sum(scaled(0.25))
    raise ValueError(f"no layer {name!r}")
