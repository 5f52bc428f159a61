"""Steps of the optimisers, for many replicas at once.

An optimiser maps the gradient of one matrix, shape (R, out, in), to a direction of the same shape;
training then takes `w - rate * direction` with one rate per replica. No library provides Shampoo,
SOAP or K-FAC with a separate replica axis, or any optimiser with one rate per replica. Tests
compare each optimiser with a direct float64 implementation and, where torch has it, with
`torch.optim`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.models.muon import ITERATIONS, orthogonalised

State = dict[str, Tensor]


@dataclass(frozen=True)
class Moment:
    """Inputs of an optimiser besides the gradient.

    `count`: steps taken by each replica, this one included, shape (R, 1, 1). `refresh`: whether
    preconditioners are recomputed at this step. `factors`: K-FAC's two factors, (R, in, in) and
    (R, out, out), where the optimiser needs them.
    """

    count: Tensor
    refresh: bool
    factors: tuple[Tensor, Tensor] | None = None


class Optimizer:
    """An optimiser: its first state for a matrix, and one step."""

    # Whether an entry's step depends on that entry alone; products of matrices round otherwise
    # where the gradient lies in memory in another order.
    elementwise = False

    @property
    def needs_factors(self) -> bool:
        """Whether steps that refresh need K-FAC's factors."""
        return False

    @property
    def refresh_every(self) -> int:
        """Steps from one preconditioner to the next."""
        return 1

    def start(self, w: Tensor) -> State:
        """The state before the first step, for a matrix of shape (R, out, in); empty here."""
        return {}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The direction at gradient `g` and weights `w`, shape (R, out, in) each; the new state."""
        raise NotImplementedError


def corrected(average: Tensor, decay: float, count: Tensor) -> Tensor:
    """A moving average (R, n, m) from 0, without its bias after `count` (R, 1, 1) steps."""
    return average / (1 - decay**count)


def identity(rows: int, like: Tensor) -> Tensor:
    """Identity matrices for each replica of `like` (R, ...), shape (R, rows, rows)."""
    eye = torch.eye(rows, dtype=like.dtype, device=like.device)
    return eye.expand(len(like), rows, rows).clone()


@dataclass(frozen=True)
class Sgd(Optimizer):
    """SGD with heavy-ball momentum, as `torch.optim.SGD`."""

    elementwise = True

    momentum: float = 0.9

    def start(self, w: Tensor) -> State:
        """No momentum yet; shapes as in `Optimizer`."""
        return {"momentum": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The gradient plus the decayed last direction; shapes as in `Optimizer`."""
        direction = torch.add(g, state["momentum"], alpha=self.momentum)
        return direction, {"momentum": direction}


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015); with decoupled weight decay AdamW (Loshchilov and Hutter 2019)."""

    elementwise = True

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1.0e-8
    weight_decay: float = 0.0

    def start(self, w: Tensor) -> State:
        """Both moments at 0; shapes as in `Optimizer`."""
        return {"first": torch.zeros_like(w), "second": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The first moment over the root of the second; shapes as in `Optimizer`."""
        first = torch.lerp(state["first"], g, 1 - self.beta1)
        second = (self.beta2 * state["second"]).addcmul_(g, g, value=1 - self.beta2)
        scale = corrected(second, self.beta2, moment.count).sqrt_().add_(self.epsilon)
        direction = corrected(first, self.beta1, moment.count).div_(scale)
        if self.weight_decay:
            direction.add_(w, alpha=self.weight_decay)
        return direction, {"first": first, "second": second}


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Diagonal AdaGrad (Duchi, Hazan and Singer 2011) with momentum: G / (sum G^2 + epsilon)^1/2.

    The diagonal twin of summed Shampoo: the same statistics of the gradients without their
    off-diagonal terms. Shampoo's two factors have exponent 1/4 each, together 1/2, so `epsilon`
    limits the gain to epsilon^-1/2 in both.
    """

    elementwise = True

    momentum: float = 0.9
    epsilon: float = 1.0e-4

    def start(self, w: Tensor) -> State:
        """Sums and momentum at 0; shapes as in `Optimizer`."""
        return {"squares": torch.zeros_like(w), "momentum": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """Momentum of the scaled gradient; shapes as in `Optimizer`."""
        squares = torch.addcmul(state["squares"], g, g)
        scaled = g / (squares + self.epsilon).sqrt_()
        direction = torch.add(scaled, state["momentum"], alpha=self.momentum)
        return direction, {"squares": squares, "momentum": direction}


@dataclass(frozen=True)
class Muon(Optimizer):
    """Muon (Jordan et al. 2024): Nesterov momentum, orthogonalised; `torch.optim.Muon`'s scale."""

    momentum: float = 0.95
    newton_schulz_steps: int = ITERATIONS

    def start(self, w: Tensor) -> State:
        """No momentum yet; shapes as in `Optimizer`."""
        return {"momentum": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The orthogonalised Nesterov average; shapes as in `Optimizer`."""
        average = torch.lerp(state["momentum"], g, 1 - self.momentum)
        ahead = torch.lerp(g, average, self.momentum)
        scale = max(1.0, g.shape[-2] / g.shape[-1]) ** 0.5
        return scale * orthogonalised(ahead, self.newton_schulz_steps), {"momentum": average}
