"""Shampoo, SOAP and K-FAC: preconditioners that are a Kronecker product a matrix, by replica."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from workflow_scripts.optimizers.updates import Moment, State, corrected, identity


def inverse_root(matrix: Tensor, exponent: float, epsilon: float) -> Tensor:
    """(M + epsilon I)^-exponent of symmetric positive semi-definite M, shape (R, n, n)."""
    values, vectors = torch.linalg.eigh(matrix)
    powers = (values.clamp(min=0) + epsilon) ** -exponent
    return (vectors * powers[..., None, :]) @ vectors.mT


def moving(state: State, name: str, new: Tensor, decay: float) -> Tensor:
    """A moving average; a plain sum where decay is 1."""
    return decay * state[name] + (1 - decay if decay < 1 else 1.0) * new


@dataclass(frozen=True)
class Shampoo:
    """Shampoo (Gupta, Koren and Singer 2018): L^-e G R^-e with e = 1/4, then momentum.

    `decay` 1 sums the statistics as in algorithm 1 of that paper; less makes them moving averages
    without bias. `grafted` gives each direction the norm of the gradient (SGD grafting).
    """

    momentum: float = 0.9
    decay: float = 1.0
    exponent: float = 0.25
    epsilon: float = 1.0e-4
    grafted: bool = False
    refresh_every: int = 1
    needs_factors: bool = field(default=False, init=False)

    def start(self, w: Tensor) -> State:
        rows, columns = w.shape[-2:]
        left, right = identity(rows, w), identity(columns, w)
        zeros = {"left": torch.zeros_like(left), "right": torch.zeros_like(right)}
        return zeros | {"left_root": left, "right_root": right, "momentum": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        new = dict(state)
        for side, gram in (("left", g @ g.mT), ("right", g.mT @ g)):
            new[side] = moving(state, side, gram, self.decay)
            if moment.refresh:
                gathered = new[side]
                if self.decay < 1:
                    gathered = corrected(gathered, self.decay, moment.count)
                new[f"{side}_root"] = inverse_root(gathered, self.exponent, self.epsilon)
        direction = new["left_root"] @ g @ new["right_root"]
        if self.grafted:
            norms = [t.flatten(1).norm(dim=1)[:, None, None] for t in (g, direction)]
            direction = direction * norms[0] / norms[1].clamp(min=1.0e-30)
        new["momentum"] = self.momentum * state["momentum"] + direction
        return new["momentum"], new


# Of the mean eigenvalue: parts the directions that a statistic says nothing of.
TIE = 1.0e-4


def without_ties(matrix: Tensor) -> Tensor:
    """M with a small falling diagonal added, so that its eigenvectors are all well defined.

    After one gradient most eigenvalues are 0, and which basis of that null space comes out would
    hang on rounding; Adam in it is not indifferent to that.
    """
    mean = matrix.diagonal(dim1=-2, dim2=-1).mean(-1)
    falling = torch.linspace(1, 0, matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return matrix + TIE * mean[:, None, None] * torch.diag(falling)


@dataclass(frozen=True)
class Soap:
    """SOAP (Vyas et al. 2024, algorithm 3): Adam in the eigenbasis of Shampoo's statistics.

    The basis starts from an eigendecomposition and is then followed by one power step and a QR at
    every refresh, sorted by estimated eigenvalue, as in the authors' code. Unlike there the first
    gradient already moves the weights.
    """

    beta1: float = 0.95
    beta2: float = 0.95
    decay: float = 0.95
    epsilon: float = 1.0e-8
    refresh_every: int = 10
    needs_factors: bool = field(default=False, init=False)

    def start(self, w: Tensor) -> State:
        rows, columns = w.shape[-2:]
        left, right = identity(rows, w), identity(columns, w)
        state = {"left": torch.zeros_like(left), "right": torch.zeros_like(right)}
        state |= {"left_basis": left, "right_basis": right}
        return state | {"first": torch.zeros_like(w), "second": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        new = dict(state)
        for side, gram, axis in (("left", g @ g.mT, -2), ("right", g.mT @ g, -1)):
            new[side] = moving(state, side, gram, self.decay)
            if moment.refresh:
                clear = without_ties(new[side])
                basis, second = self._followed(clear, state[f"{side}_basis"], new, axis)
                fresh = moment.count == 1
                if fresh.any():
                    first_basis = torch.linalg.eigh(clear)[1].flip(-1)
                    basis = torch.where(fresh, first_basis, basis)
                new[f"{side}_basis"], new["second"] = basis, second
        left, right = new["left_basis"], new["right_basis"]
        rotated = left.mT @ g @ right
        new["first"] = torch.lerp(state["first"], g, 1 - self.beta1)
        new["second"] = torch.lerp(new["second"], rotated**2, 1 - self.beta2)
        first = left.mT @ corrected(new["first"], self.beta1, moment.count) @ right
        second = corrected(new["second"], self.beta2, moment.count)
        return left @ (first / (second.sqrt() + self.epsilon)) @ right.mT, new

    @staticmethod
    def _followed(matrix: Tensor, basis: Tensor, state: State, axis: int) -> tuple[Tensor, Tensor]:
        """The basis after one power step, and the second moments in its order."""
        second = state["second"]
        estimates = (basis * (matrix @ basis)).sum(-2)
        order = estimates.argsort(dim=-1, descending=True, stable=True)
        sorted_basis = basis.gather(-1, order[:, None, :].expand_as(basis))
        places = order[:, :, None] if axis == -2 else order[:, None, :]
        second = second.gather(axis, places.expand_as(second))
        return torch.linalg.qr(matrix @ sorted_basis)[0], second


@dataclass(frozen=True)
class Kfac:
    """K-FAC (Martens and Grosse 2015): S^-1 G A^-1 with factored Tikhonov damping, then momentum.

    The factors are moving averages over the refreshes; there is no rescaling by the exact Fisher,
    the learning rate is tuned instead.
    """

    momentum: float = 0.9
    decay: float = 0.95
    damping: float = 1.0e-2
    refresh_every: int = 10
    needs_factors: bool = field(default=True, init=False)

    def start(self, w: Tensor) -> State:
        rows, columns = w.shape[-2:]
        left, right = identity(rows, w), identity(columns, w)
        state = {"left": torch.zeros_like(left), "right": torch.zeros_like(right)}
        state |= {"left_inverse": left, "right_inverse": right}
        refreshes = torch.zeros(len(w), 1, 1, dtype=w.dtype, device=w.device)
        return state | {"refreshes": refreshes, "momentum": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        new = dict(state)
        if moment.factors is not None:
            right, left = moment.factors
            new["refreshes"] = state["refreshes"] + 1
            averages = []
            for side, factor in (("left", left), ("right", right)):
                new[side] = moving(state, side, factor, self.decay)
                averages.append(corrected(new[side], self.decay, new["refreshes"]))
            inverses = damped_inverses(averages[0], averages[1], self.damping)
            new["left_inverse"], new["right_inverse"] = inverses
        direction = new["left_inverse"] @ g @ new["right_inverse"]
        new["momentum"] = self.momentum * state["momentum"] + direction
        return new["momentum"], new


def damped_inverses(left: Tensor, right: Tensor, damping: float) -> tuple[Tensor, Tensor]:
    """Inverses of both factors with damping shared by their mean eigenvalues (section 6.3)."""
    means = [m.diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=1.0e-12) for m in (left, right)]
    ratio = (means[1] / means[0]).sqrt()  # of the right factor's scale to the left one's
    root = damping**0.5
    return (
        inverse_root(left + (root / ratio)[:, None, None] * identity(left.shape[-1], left), 1.0, 0),
        inverse_root(
            right + (root * ratio)[:, None, None] * identity(right.shape[-1], right), 1.0, 0
        ),
    )
