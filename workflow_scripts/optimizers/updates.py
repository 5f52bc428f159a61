"""Update rules of the optimisers, for many replicas at once.

Every rule maps the gradient of one matrix, shape (R, out, in), to a direction of the same shape;
the training then takes `w - rate * direction` with a rate of its own for each replica. No library
has Shampoo, SOAP or K-FAC in a form that keeps an axis of replicas apart from the matrix, nor any
optimiser with one rate a replica; tests hold each rule to a direct float64 implementation and,
where torch has it, to `torch.optim`.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True)
class Moment:
    """What a rule may know besides the gradient.

    `count`: steps taken by each replica with this one, shape (R, 1, 1). `refresh`: whether
    preconditioners are computed anew at this step. `factors`: K-FAC's, where asked for.
    """

    count: Tensor
    refresh: bool
    factors: tuple[Tensor, Tensor] | None = None


class Rule(Protocol):
    """An optimiser: its first state for a matrix, and one step."""

    @property
    def needs_factors(self) -> bool: ...

    @property
    def refresh_every(self) -> int:
        """Steps between two preconditioners."""
        ...

    def start(self, w: Tensor) -> State: ...

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]: ...


def corrected(average: Tensor, decay: float, count: Tensor) -> Tensor:
    """A moving average that began at 0, without its bias after `count` steps."""
    return average / (1 - decay**count)


def identity(rows: int, like: Tensor) -> Tensor:
    """Identity matrices for each replica, shape (R, rows, rows)."""
    eye = torch.eye(rows, dtype=like.dtype, device=like.device)
    return eye.expand(len(like), rows, rows).clone()


@dataclass(frozen=True)
class Sgd:
    """SGD with heavy-ball momentum, as `torch.optim.SGD`."""

    momentum: float = 0.9
    needs_factors: bool = field(default=False, init=False)
    refresh_every: int = field(default=1, init=False)

    def start(self, w: Tensor) -> State:
        return {"momentum": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        direction = self.momentum * state["momentum"] + g
        return direction, {"momentum": direction}


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015); with decoupled weight decay AdamW (Loshchilov and Hutter 2019)."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1.0e-8
    weight_decay: float = 0.0
    needs_factors: bool = field(default=False, init=False)
    refresh_every: int = field(default=1, init=False)

    def start(self, w: Tensor) -> State:
        return {"first": torch.zeros_like(w), "second": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        first = torch.lerp(state["first"], g, 1 - self.beta1)
        second = torch.lerp(state["second"], g**2, 1 - self.beta2)
        scale = corrected(second, self.beta2, moment.count).sqrt() + self.epsilon
        direction = corrected(first, self.beta1, moment.count) / scale
        return direction + self.weight_decay * w, {"first": first, "second": second}


# Coefficients of the quintic Newton-Schulz step, as published with Muon (Jordan et al. 2024).
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalised(g: Tensor, steps: int) -> Tensor:
    """Roughly U V' of g = U S V', by Newton-Schulz steps; singular values end near 1."""
    tall = g.shape[-2] > g.shape[-1]
    x = g.mT if tall else g
    x = x / x.flatten(1).norm(dim=1).clamp(min=1.0e-7)[:, None, None]
    a, b, c = NEWTON_SCHULZ
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


@dataclass(frozen=True)
class Muon:
    """Muon (Jordan et al. 2024): Nesterov momentum, orthogonalised; `torch.optim.Muon`'s scale."""

    momentum: float = 0.95
    newton_schulz_steps: int = 5
    needs_factors: bool = field(default=False, init=False)
    refresh_every: int = field(default=1, init=False)

    def start(self, w: Tensor) -> State:
        return {"momentum": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        average = torch.lerp(state["momentum"], g, 1 - self.momentum)
        ahead = torch.lerp(g, average, self.momentum)
        scale = max(1.0, g.shape[-2] / g.shape[-1]) ** 0.5
        return scale * orthogonalised(ahead, self.newton_schulz_steps), {"momentum": average}


def rule(name: str, settings: dict[str, Any]) -> Rule:
    """The optimiser of a name, with its settings. Raises `KeyError` for a name not known."""
    from workflow_scripts.optimizers.kronecker import Kfac, Shampoo, Soap

    kinds: dict[str, Any] = {
        "sgd": Sgd,
        "adam": Adam,
        "adamw": Adam,
        "shampoo": Shampoo,
        "shampoo_grafted": Shampoo,
        "soap": Soap,
        "kfac": Kfac,
        "muon": Muon,
    }
    return kinds[name](**settings)
