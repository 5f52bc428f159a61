"""Power-propagation (Schwarz et al. 2021) as a reparameterisation and as a preconditioner.

With theta = phi |phi|^(alpha - 1), gradient descent on phi is, to first order in the rate,
gradient descent on theta preconditioned by alpha^2 |theta|^(2 - 2 / alpha). Biases have exponent 1,
as in the official notebook.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_scripts.optimizers.updates import Moment, Optimizer, State

FORMS = ("reparameterised", "preconditioned")


def powered(phi: Tensor, alpha: Tensor | float) -> Tensor:
    """theta = phi |phi|^(alpha - 1), in the shape of `phi`."""
    return phi.sign() * phi.abs() ** alpha


def rooted(theta: Tensor, alpha: Tensor | float) -> Tensor:
    """phi = sign(theta) |theta|^(1 / alpha), the inverse of `powered`, in the shape of `theta`."""
    return theta.sign() * theta.abs() ** (1 / alpha)


def slope(phi: Tensor, alpha: Tensor | float) -> Tensor:
    """d theta / d phi = alpha |phi|^(alpha - 1), in the shape of `phi`."""
    return alpha * phi.abs() ** (alpha - 1)


def preconditioner(theta: Tensor, alpha: Tensor | float) -> Tensor:
    """alpha^2 |theta|^(2 - 2 / alpha), P^-1 in theta - rate P^-1 gradient; shape of `theta`."""
    return alpha**2 * theta.abs() ** (2 - 2 / alpha)


def exponents(alphas: Tensor, w: Tensor) -> Tensor:
    """The exponent of each entry of `w` (R, out, in + 1): `alphas` (R,), and 1 for biases."""
    columns = torch.ones(w.shape[-1], dtype=w.dtype, device=w.device)
    columns[:-1] = 0
    return alphas.to(w)[:, None, None] * (1 - columns) + columns


@dataclass(frozen=True)
class Preconditioned(Optimizer):
    """SGD without momentum under the power-propagation preconditioner; `alphas` (R,)."""

    alphas: Tensor

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The preconditioned gradient; shapes as in `Optimizer`."""
        return preconditioner(w, exponents(self.alphas, w)) * g, state


@dataclass(frozen=True)
class Reparameterised(Optimizer):
    """SGD without momentum on phi, written as the step that theta takes.

    `alphas` and `rates` have shape (R,). Unlike in the other form, one step can change a sign.
    """

    alphas: Tensor
    rates: Tensor

    def start(self, w: Tensor) -> State:
        """phi and |phi|^(alpha - 1); shapes as in `Optimizer`."""
        alpha = exponents(self.alphas, w)
        phi = rooted(w, alpha)
        return {"phi": phi, "gain": phi.abs() ** (alpha - 1)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The change of theta by one step on phi, over the rate; shapes as in `Optimizer`."""
        alpha, rate = exponents(self.alphas, w), self.rates.to(w)[:, None, None]
        phi = state["phi"] - rate * alpha * state["gain"] * g
        gain = phi.abs() ** (alpha - 1)  # kept for the next slope: powers cost most
        return (w - phi * gain) / rate, {"phi": phi, "gain": gain}


def optimizer(form: str, alphas: Tensor, rate: float) -> Optimizer:
    """SGD in one of `FORMS`; the exponents `alphas` have shape (R,)."""
    if form == "preconditioned":
        return Preconditioned(alphas)
    return Reparameterised(alphas, torch.full_like(alphas, rate))
