"""Curvature of the loss from Hessian-vector products, many networks at once.

Shapes: R replicas, N examples, D inputs, P parameters; x (R, N, D) and y (R, N).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, jvp, vmap

from workflow_scripts.optimizers import network
from workflow_scripts.optimizers.network import Parameters


def products(parameters: Parameters, x: Tensor, y: Tensor, vectors: Tensor) -> Tensor:
    """Hessian of the mean loss times `vectors` (R, P), shape (R, P), forward over reverse."""
    tangents = network.unflatten(vectors, parameters)

    def one(p: Parameters, t: Parameters, x: Tensor, y: Tensor) -> Parameters:
        return jvp(lambda q: grad(network.loss)(q, x, y), (p,), (t,))[1]

    return network.flatten(vmap(one)(parameters, tangents, x, y))


def lanczos(multiply: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> Tensor:
    """Largest eigenvalue of symmetric operators, shape (R,), after `steps` Lanczos steps.

    `multiply` maps (R, P) to (R, P); `start` holds any vectors (R, P). Bases are kept and
    reorthogonalised twice, so that no eigenvalue appears twice. Where the Krylov space is exhausted
    early, further diagonal entries repeat the first, which never exceeds the largest eigenvalue.
    """
    steps = min(steps, start.shape[1])
    basis = [start / start.norm(dim=1, keepdim=True)]
    diagonal: list[Tensor] = []
    beside: list[Tensor] = []
    for _ in range(steps):
        image = multiply(basis[-1])
        quotient = (image * basis[-1]).sum(1)
        idle = ~basis[-1].any(1)
        diagonal.append(torch.where(idle, diagonal[0], quotient) if diagonal else quotient)
        kept = torch.stack(basis, 1)  # (R, steps so far, P)
        for _ in range(2):
            image = image - ((kept @ image[..., None]).mT @ kept)[:, 0]
        norm = image.norm(dim=1)
        scale = torch.stack(diagonal).abs().amax(0)
        exhausted = norm <= 1.0e-6 * scale
        beside.append(torch.where(exhausted, 0.0, norm))
        basis.append(torch.where(exhausted[:, None], 0.0, image / norm.clamp(min=1.0e-30)[:, None]))
    tridiagonal = torch.diag_embed(torch.stack(diagonal, 1))
    side = torch.stack(beside[:-1], 1) if steps > 1 else start.new_zeros(len(start), 0)
    tridiagonal = tridiagonal + torch.diag_embed(side, offset=1) + torch.diag_embed(side, offset=-1)
    return torch.linalg.eigvalsh(tridiagonal.double())[:, -1].to(start.dtype)


def sharpness(
    parameters: Parameters, x: Tensor, y: Tensor, steps: int, generator: torch.Generator
) -> Tensor:
    """Largest Hessian eigenvalue of each network, shape (R,), after `steps` Lanczos steps."""
    flat = network.flatten(parameters)
    start = torch.randn(flat.shape[1], generator=generator).to(flat).expand_as(flat)
    return lanczos(lambda v: products(parameters, x, y, v), start, steps)


def trace(
    parameters: Parameters, x: Tensor, y: Tensor, probes: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Hutchinson's trace estimate and its standard error, (R,) each; all replicas share probes."""
    flat = network.flatten(parameters)
    samples = []
    for _ in range(probes):
        signs = torch.randint(2, (flat.shape[1],), generator=generator).to(flat) * 2 - 1
        vectors = signs.expand_as(flat).contiguous()
        samples.append((products(parameters, x, y, vectors) * vectors).sum(1))
    stacked = torch.stack(samples)
    return stacked.mean(0), stacked.std(0) / probes**0.5
