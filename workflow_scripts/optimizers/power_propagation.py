"""Power-propagation (Schwarz et al. 2021) as a reparameterisation and as a preconditioner.

With theta = phi |phi|^(alpha - 1), gradient descent on phi is, to first order in the rate,
gradient descent on theta preconditioned by alpha^2 |theta|^(2 - 2 / alpha). Biases are left as
they are, as in the official notebook: their exponent is 1.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from workflow_scripts.optimizers.updates import Moment, State

FORMS = ("reparameterised", "preconditioned")


def powered(phi: Tensor, alpha: Tensor | float) -> Tensor:
    """theta = phi |phi|^(alpha - 1)."""
    return phi.sign() * phi.abs() ** alpha


def rooted(theta: Tensor, alpha: Tensor | float) -> Tensor:
    """phi = sign(theta) |theta|^(1 / alpha), the inverse of `powered`."""
    return theta.sign() * theta.abs() ** (1 / alpha)


def slope(phi: Tensor, alpha: Tensor | float) -> Tensor:
    """d theta / d phi = alpha |phi|^(alpha - 1)."""
    return alpha * phi.abs() ** (alpha - 1)


def preconditioner(theta: Tensor, alpha: Tensor | float) -> Tensor:
    """alpha^2 |theta|^(2 - 2 / alpha), the inverse of P in theta - rate P^-1 gradient."""
    return alpha**2 * theta.abs() ** (2 - 2 / alpha)


def exponents(alphas: Tensor, w: Tensor) -> Tensor:
    """Exponents of each entry of (R, out, in + 1) matrices: `alphas` (R,), 1 for biases."""
    columns = torch.ones(w.shape[-1], dtype=w.dtype, device=w.device)
    columns[:-1] = 0
    return alphas.to(w)[:, None, None] * (1 - columns) + columns


@dataclass(frozen=True)
class Preconditioned:
    """SGD without momentum under the power-propagation preconditioner; `alphas` (R,)."""

    alphas: Tensor
    needs_factors: bool = field(default=False, init=False)
    refresh_every: int = field(default=1, init=False)

    def start(self, w: Tensor) -> State:
        return {}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        return preconditioner(w, exponents(self.alphas, w)) * g, state


@dataclass(frozen=True)
class Reparameterised:
    """SGD without momentum on phi, written as the step that theta takes.

    `alphas` and `rates` have shape (R,). A sign can flip here, in one step through zero.
    """

    alphas: Tensor
    rates: Tensor
    needs_factors: bool = field(default=False, init=False)
    refresh_every: int = field(default=1, init=False)

    def start(self, w: Tensor) -> State:
        alpha = exponents(self.alphas, w)
        phi = rooted(w, alpha)
        return {"phi": phi, "gain": phi.abs() ** (alpha - 1)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        alpha, rate = exponents(self.alphas, w), self.rates.to(w)[:, None, None]
        phi = state["phi"] - rate * alpha * state["gain"] * g
        gain = phi.abs() ** (alpha - 1)  # kept for the next step's slope: powers are the dear part
        return (w - phi * gain) / rate, {"phi": phi, "gain": gain}
