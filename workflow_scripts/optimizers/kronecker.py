"""Shampoo, SOAP and K-FAC: one Kronecker-product preconditioner per matrix and replica."""

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.optimizers.updates import Moment, Optimizer, State, corrected, identity


def inverse_root(matrix: Tensor, exponent: float, epsilon: float) -> Tensor:
    """(M + epsilon I)^-exponent of symmetric positive semi-definite M, shape (R, n, n)."""
    values, vectors = torch.linalg.eigh(matrix)
    powers = (values.clamp(min=0) + epsilon) ** -exponent
    return (vectors * powers[..., None, :]) @ vectors.mT


def moving(state: State, name: str, new: Tensor, decay: float) -> Tensor:
    """The moving average of `state[name]` with `new`, (R, n, n); a plain sum where decay is 1."""
    return decay * state[name] + (1 - decay if decay < 1 else 1.0) * new


def moving_gram(state: State, name: str, factor: Tensor, decay: float) -> Tensor:
    """`moving` of F F', shape (R, n, n), for F of shape (R, n, m), in one product."""
    new = 1 - decay if decay < 1 else 1.0
    return torch.baddbmm(state[name], factor, factor.mT, beta=decay, alpha=new)


def both_sides(w: Tensor, name: str) -> State:
    """Zero statistics and identity matrices `name` for both sides of `w`, shape (R, out, in)."""
    state = {}
    for side, size in (("left", w.shape[-2]), ("right", w.shape[-1])):
        state[f"{side}_{name}"] = identity(size, w)
        state[side] = torch.zeros_like(state[f"{side}_{name}"])
    return state


@dataclass(frozen=True)
class Shampoo(Optimizer):
    """Shampoo (Gupta, Koren and Singer 2018): L^-e G R^-e with e = 1/4, then momentum.

    `decay` 1 sums the statistics as in algorithm 1 of that paper; a smaller one takes moving
    averages without bias. `grafted` gives each direction the norm of the gradient (SGD grafting).
    """

    momentum: float = 0.9
    decay: float = 1.0
    exponent: float = 0.25
    epsilon: float = 1.0e-4
    grafted: bool = False
    refresh_every: int = 1

    def start(self, w: Tensor) -> State:
        """No statistics yet; shapes as in `Optimizer`."""
        return both_sides(w, "root") | {"momentum": torch.zeros_like(w)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """Momentum of the preconditioned gradient; shapes as in `Optimizer`."""
        new = dict(state)
        for side, factor in (("left", g), ("right", g.mT)):
            new[side] = moving_gram(state, side, factor, self.decay)
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


# Share of the mean eigenvalue that separates directions about which a statistic says nothing.
TIE = 1.0e-4


def without_ties(matrix: Tensor) -> Tensor:
    """M, shape (R, n, n), plus a small falling diagonal, so that all eigenvectors are well defined.

    After one gradient most eigenvalues are 0. The basis of that null space would depend on
    rounding, and the directions of Adam depend on the basis.
    """
    mean = matrix.diagonal(dim1=-2, dim2=-1).mean(-1)
    falling = torch.linspace(1, 0, matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return matrix + TIE * mean[:, None, None] * torch.diag(falling)


@dataclass(frozen=True)
class Soap(Optimizer):
    """SOAP (Vyas et al. 2024, algorithm 3): Adam in the eigenbasis of Shampoo's statistics.

    The basis starts from an eigendecomposition. Each refresh sorts it by estimated eigenvalue and
    updates it by one power step and a QR decomposition, as in the authors' code. Unlike there, the
    first gradient already moves the weights.
    """

    beta1: float = 0.95
    beta2: float = 0.95
    decay: float = 0.95
    epsilon: float = 1.0e-8
    refresh_every: int = 10

    def start(self, w: Tensor) -> State:
        """No statistics and no moments yet; shapes as in `Optimizer`."""
        moments = {"first": torch.zeros_like(w), "second": torch.zeros_like(w)}
        return both_sides(w, "basis") | moments

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """Adam's direction in the eigenbasis, turned back; shapes as in `Optimizer`."""
        new = dict(state)
        for side, factor, axis in (("left", g, -2), ("right", g.mT, -1)):
            new[side] = moving_gram(state, side, factor, self.decay)
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
        """The basis after a power step, `matrix` (R, n, n), and second moments in its order."""
        second = state["second"]
        estimates = (basis * (matrix @ basis)).sum(-2)
        order = estimates.argsort(dim=-1, descending=True, stable=True)
        sorted_basis = basis.gather(-1, order[:, None, :].expand_as(basis))
        places = order[:, :, None] if axis == -2 else order[:, None, :]
        second = second.gather(axis, places.expand_as(second))
        return torch.linalg.qr(matrix @ sorted_basis)[0], second


@dataclass(frozen=True)
class Kfac(Optimizer):
    """K-FAC (Martens and Grosse 2015): S^-1 G A^-1 with factored Tikhonov damping, then momentum.

    The factors are moving averages over the refreshes. The learning rate is tuned instead of
    rescaling by the exact Fisher matrix.
    """

    momentum: float = 0.9
    decay: float = 0.95
    damping: float = 1.0e-2
    refresh_every: int = 10

    @property
    def needs_factors(self) -> bool:
        """K-FAC does."""
        return True

    def start(self, w: Tensor) -> State:
        """Identity for both inverses; shapes as in `Optimizer`."""
        refreshes = torch.zeros(len(w), 1, 1, dtype=w.dtype, device=w.device)
        rest = {"refreshes": refreshes, "momentum": torch.zeros_like(w)}
        return both_sides(w, "inverse") | rest

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """Momentum of the preconditioned gradient; shapes as in `Optimizer`."""
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
    """Damped inverses of both factors, (R, n, n) and (R, m, m) (same paper, section 6.3)."""
    means = [m.diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=1.0e-12) for m in (left, right)]
    ratio = (means[1] / means[0]).sqrt()  # of the right factor's scale to the left one's
    root = damping**0.5
    return (
        inverse_root(left + (root / ratio)[:, None, None] * identity(left.shape[-1], left), 1.0, 0),
        inverse_root(
            right + (root * ratio)[:, None, None] * identity(right.shape[-1], right), 1.0, 0
        ),
    )
