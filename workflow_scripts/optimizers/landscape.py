"""Two parameters: which minimum each optimiser reaches, and where it ends in a valley of minima.

The landscape, a bowl with wells of different depth, width and direction, is ours; it is not known
whether the paper has such a figure. The two parameters form one matrix of shape (2, 1). On it the
preconditioners of Shampoo and SOAP are full matrices, and Muon normalises the gradient. K-FAC is
left out, because it needs the layers of a network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.func import grad, hessian

from workflow_scripts.optimizers import registry
from workflow_scripts.optimizers.updates import Adam, Moment, Optimizer, Sgd, State
from workflow_scripts.shared import job, progress, scores, tables
from workflow_scripts.shared.scores import Row

BOWL = 0.05
# Depth, centre, curvatures along and across, and the direction in degrees, of each well.
WELLS = (
    (1.0, (-1.5, 1.2), (6.0, 6.0), 0.0),
    (0.8, (1.6, 1.4), (0.8, 0.8), 0.0),
    (1.0, (1.2, -1.6), (8.0, 0.8), 30.0),
    (0.8, (-1.4, -1.3), (0.7, 5.0), -20.0),
)
REACH = 3.0  # half the side of the square of starts
CLOSE = 0.3  # an end point belongs to the nearest minimum, if that is closer than this
FLOW_RATE, FLOW_STEPS = 0.02, 2000  # plain gradient descent in small steps, for the flow
VALLEY_SLOPE = (2.0, 1.0)  # a in (a'p - b)^2 / 2
VALLEY_OFFSET = 2.0  # b
VALLEY_START = (-1.5, 2.0)
VALLEY_FULL = ((1.0, 0.8), (0.8, 1.0))  # P^-1 of the full preconditioner
VALLEY_DIAGONAL = ((0.25, 0.0), (0.0, 1.0))  # P^-1 of the diagonal preconditioner
VALLEY_RATE, VALLEY_STEPS = 0.02, 2000


class Minimum(NamedTuple):
    """A minimum: its place, the height there, and the largest Hessian eigenvalue."""

    at: tuple[float, float]
    height: float
    sharpness: float


def _shapes() -> tuple[Tensor, Tensor, Tensor]:
    """Depths (W,), centres (W, 2) and quadratic forms (W, 2, 2) of the W wells."""
    depths = torch.tensor([well[0] for well in WELLS], dtype=torch.float64)
    centres = torch.tensor([well[1] for well in WELLS], dtype=torch.float64)
    forms = []
    for _, _, curvatures, degrees in WELLS:
        turn = np.deg2rad(degrees)
        axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        forms.append(axes @ np.diag(curvatures) @ axes.T)
    return depths, centres, torch.from_numpy(np.stack(forms))


DEPTHS, CENTRES, FORMS = _shapes()


def height(points: Tensor) -> Tensor:
    """Height of the landscape at points (..., 2), shape (...,)."""
    away = points[..., None, :] - CENTRES
    exponents = torch.einsum("...ki,kij,...kj->...k", away, FORMS, away) / 2
    return BOWL * points.square().sum(-1) - (DEPTHS * torch.exp(-exponents)).sum(-1)


def gradient(points: Tensor) -> Tensor:
    """Gradient of `height` at points (R, 2) in closed form, shape (R, 2)."""
    away = points[:, None] - CENTRES
    turned = (FORMS @ away[..., None])[..., 0]
    wells_ = DEPTHS * torch.exp(-(away * turned).sum(-1) / 2)
    return 2 * BOWL * points + (wells_[..., None] * turned).sum(1)


def minima() -> list[Minimum]:
    """The minimum of each well, by Newton steps. Raises `ValueError` where there is none."""
    found = []
    for _, centre, _, _ in WELLS:
        point = torch.tensor(centre, dtype=torch.float64)
        for _ in range(50):
            point = point - torch.linalg.solve(hessian(height)(point), grad(height)(point))
        top = torch.linalg.eigvalsh(hessian(height)(point))
        if top[0] <= 0:
            raise ValueError(f"landscape: expected a minimum near {centre}, found none")
        found.append(
            Minimum((float(point[0]), float(point[1])), float(height(point)), float(top[1]))
        )
    return found


def run(
    slope: Callable[[Tensor], Tensor],
    optimizer: Optimizer,
    starts: Tensor,
    rate: float,
    steps: int,
    keep: int = 0,
) -> tuple[Tensor, list[Tensor]]:
    """End points (R, 2) of an optimiser from starts (R, 2), and every `keep`-th point (R, 2).

    `slope` maps points (R, 2) to gradients. A run that diverges ends in NaN.
    """
    w = starts.clone()[..., None]
    state = optimizer.start(w)
    path = [starts]
    alive = torch.ones(len(w), dtype=torch.bool)
    for step in range(steps):
        g = slope(w[..., 0])[..., None]
        alive = alive & g.isfinite().all(1)[:, 0] & (g.abs().amax(1)[:, 0] < 1.0e6)
        g = torch.where(alive[:, None, None], g, 0.0)
        count = torch.full((len(w), 1, 1), step + 1, dtype=w.dtype)
        moment = Moment(count, step % optimizer.refresh_every == 0)
        direction, state = optimizer.step(g, w, state, moment)
        w = torch.where(alive[:, None, None], w - rate * direction, torch.nan)
        if keep and (step + 1) % keep == 0:
            path.append(w[..., 0])
    return w[..., 0], path


def basins(ends: Tensor, found: list[Minimum]) -> Tensor:
    """Index of the minimum nearest to each end point (R, 2), shape (R,); -1 for none."""
    places = torch.tensor([minimum.at for minimum in found], dtype=ends.dtype)
    distance = torch.cdist(ends.nan_to_num(1.0e6), places)
    nearest = distance.min(1)
    return torch.where(nearest.values < CLOSE, nearest.indices, -1)


def square(side: int) -> Tensor:
    """Starts on a square grid, shape (side * side, 2)."""
    line = torch.linspace(-REACH, REACH, side, dtype=torch.float64)
    return torch.cartesian_prod(line, line)


def tuned_rate(optimizer: Optimizer, rates: list[float], side: int, steps: int) -> float:
    """The rate with the lowest mean height after `steps` over a grid of starts."""
    means = []
    for rate in rates:
        ends = run(gradient, optimizer, square(side), rate, steps)[0]
        means.append(float(height(ends).nan_to_num(torch.inf).mean()))
    return rates[int(np.argmin(means))]


def wells(
    optimizers: dict[str, Optimizer], rates: list[float], side: int, coarse: int, steps: int
) -> list[Row]:
    """Basin reached from every start, for each optimiser at its tuned rate and for the flow."""
    found, starts = minima(), square(side)
    row = partial(scores.exact, "wells", part="wells", units="starts")
    flow = basins(run(gradient, Sgd(0.0), starts, FLOW_RATE, FLOW_STEPS)[0], found)
    runs = {"flow": (FLOW_RATE, flow)}
    tracked = progress.track(optimizers.items(), description="landscape", unit="optimiser")
    for name, optimizer in tracked:
        rate = tuned_rate(optimizer, rates, coarse, steps)
        runs[name] = (rate, basins(run(gradient, optimizer, starts, rate, steps)[0], found))
    rows = []
    for name, (rate, reached) in runs.items():
        all_starts = partial(row, n=len(starts), optimizer=name)
        same = float((reached == flow).double().mean())
        rows.append(all_starts("same_basin_as_flow", value=same))
        rows.append(all_starts("learning_rate", value=rate))
        for index in (*range(len(found)), -1):
            share = float((reached == index).double().mean())
            rows.append(all_starts("basin_share", value=share, index=index))
        rows += [
            row("basin", basin, 1, optimizer=name, x=x, y=y)
            for (x, y), basin in zip(starts.tolist(), reached.tolist(), strict=True)
        ]
    for index, minimum in enumerate(found):
        x, y = minimum.at
        rows.append(row("minimum_height", minimum.height, 1, index=index, x=x, y=y))
        rows.append(row("minimum_sharpness", minimum.sharpness, 1, index=index, x=x, y=y))
    return rows


@dataclass(frozen=True)
class Fixed(Optimizer):
    """Gradient descent under the fixed preconditioner `inverse`, shape (2, 2), without momentum."""

    inverse: Tensor

    def step(self, g: Tensor, w: Tensor, state: State, moment: Moment) -> tuple[Tensor, State]:
        """The preconditioned gradient; shapes as in `Optimizer`."""
        return self.inverse @ g, state


def valley_end(direction: np.ndarray) -> np.ndarray:
    """Where a path from the start along `direction` (2,) meets the valley a'p = b, shape (2,)."""
    a, start = np.asarray(VALLEY_SLOPE), np.asarray(VALLEY_START)
    return start - direction * (a @ start - VALLEY_OFFSET) / (a @ direction)


def valley() -> list[Row]:
    """Paths into a valley of minima, and their end points against the closed form.

    The gradient is always a multiple of a, so a fixed preconditioner moves along P^-1 a and Adam
    along sign(a).
    """
    a = torch.tensor(VALLEY_SLOPE, dtype=torch.float64)
    full, diagonal = (torch.tensor(m, dtype=torch.float64) for m in (VALLEY_FULL, VALLEY_DIAGONAL))
    ways: dict[str, tuple[Optimizer, np.ndarray]] = {
        "gradient descent": (Sgd(0.0), a.numpy()),
        "diagonal": (Fixed(diagonal), (diagonal @ a).numpy()),
        "full": (Fixed(full), (full @ a).numpy()),
        "Adam": (Adam(), np.sign(a.numpy())),
    }
    start = torch.tensor([VALLEY_START], dtype=torch.float64)
    rows = []
    for name, (optimizer, direction) in ways.items():
        slope = lambda points: (points @ a - VALLEY_OFFSET)[:, None] * a  # noqa: E731
        end, path = run(slope, optimizer, start, VALLEY_RATE, VALLEY_STEPS, keep=5)
        row = partial(scores.exact, "valley", part="valley", units="paths", n=1, optimizer=name)
        error = float(np.linalg.norm(end[0].numpy() - valley_end(direction)))
        rows.append(row("end_point_error", value=error))
        for index, point in enumerate(path):
            x, y = point[0].tolist()
            above = float((point[0] @ a - VALLEY_OFFSET) ** 2 / 2)
            rows.append(row("path", value=above, index=index, x=x, y=y))
    return rows


def main(
    table: str,
    optimizers: dict[str, dict[str, Any]],
    landscape: dict[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Run every optimiser that needs no network layers on both landscapes, and write `table`."""
    used = {name: registry.optimizer(name, settings) for name, settings in optimizers.items()}
    used = {name: optimizer for name, optimizer in used.items() if not optimizer.needs_factors}
    rates = landscape["rates"]
    candidates = np.geomspace(rates["least"], rates["most"], rates["count"]).tolist()
    sides = landscape["side"], landscape["coarse_side"]
    rows = [*wells(used, candidates, *sides, landscape["steps"]), *valley()]
    frame = pd.DataFrame(rows)
    frame["index"] = frame["index"].astype("Int64")
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
