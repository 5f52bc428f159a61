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
HALVES = tuple(half / 2 for half in range(9))


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


def powers(base: Tensor, exponents: Tensor) -> Tensor:
    """Entries of `base` (R, out, in + 1), none negative, to the `exponents` (R,), by network.

    One network after another: powers by one number take a half to a tenth of the time of those by
    a tensor. Multiples of one half, from 0 to 4, need products and square roots only.
    """
    found = torch.empty_like(base)
    for entries, exponent, out in zip(base, exponents.tolist(), found, strict=True):
        if exponent not in HALVES:
            torch.pow(entries, exponent, out=out)
            continue
        whole, half = divmod(int(2 * exponent), 2)
        out.copy_(entries.sqrt() if half else torch.ones_like(entries))
        for _ in range(whole):
            out.mul_(entries)
    return found


@dataclass(frozen=True)
class Preconditioned(Optimizer):
    """SGD without momentum under the power-propagation preconditioner; `alphas` (R,)."""

    elementwise = True

    alphas: Tensor

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The preconditioned gradient; shapes as in `Optimizer`."""
        scale = powers(w.abs(), 2 - 2 / self.alphas.double())
        scale.mul_(self.alphas.to(w)[:, None, None] ** 2)
        scale[..., -1] = 1  # biases
        return scale.mul_(g), state


@dataclass(frozen=True)
class Reparameterised(Optimizer):
    """SGD without momentum on phi, written as the step that theta takes.

    `alphas` and `rates` have shape (R,). Unlike in the other form, one step can change a sign.
    """

    elementwise = True

    alphas: Tensor
    rates: Tensor

    def _gain(self, phi: Tensor) -> Tensor:
        """|phi|^(alpha - 1), and 1 for biases, in the shape of `phi`."""
        gain = powers(phi.abs(), self.alphas.double() - 1)
        gain[..., -1] = 1
        return gain

    def start(self, w: Tensor) -> State:
        """phi and |phi|^(alpha - 1); shapes as in `Optimizer`."""
        phi = w.sign() * powers(w.abs(), 1 / self.alphas.double())
        phi[..., -1] = w[..., -1]
        return {"phi": phi, "gain": self._gain(phi)}

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The change of theta by one step on phi, over the rate; shapes as in `Optimizer`."""
        alpha, rate = (each.to(w)[:, None, None] for each in (self.alphas, self.rates))
        slope = alpha * state["gain"]
        slope[..., -1] = 1
        phi = torch.addcmul(state["phi"], rate, slope.mul_(g), value=-1)
        gain = self._gain(phi)  # kept for the next slope: powers cost most
        return torch.addcmul(w, phi, gain, value=-1).div_(rate), {"phi": phi, "gain": gain}


def optimizer(form: str, alphas: Tensor, rate: float) -> Optimizer:
    """SGD in one of `FORMS`; the exponents `alphas` have shape (R,)."""
    if form == "preconditioned":
        return Preconditioned(alphas)
    return Reparameterised(alphas, torch.full_like(alphas, rate))
