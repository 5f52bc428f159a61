"""Two parameters: which minimum each optimiser reaches, and where it ends in a valley of minima.

The landscape is a bowl with wells of different depth, width and direction (ours; whether the
paper has such a picture is not known). The two parameters form one matrix of shape (2, 1), on
which Shampoo and SOAP have full matrices and Muon normalises. K-FAC has no place here: it is
defined by the layers of a network.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.func import grad, hessian

from workflow_scripts.optimizers import updates
from workflow_scripts.optimizers.updates import Moment, Rule, Sgd
from workflow_scripts.shared import job, progress, provenance, tables

BOWL = 0.05
# Depth, centre, curvatures along and across, and the direction in degrees, of each well.
WELLS = (
    (1.0, (-1.5, 1.2), (6.0, 6.0), 0.0),
    (0.8, (1.6, 1.4), (0.8, 0.8), 0.0),
    (1.0, (1.2, -1.6), (8.0, 0.8), 30.0),
    (0.8, (-1.4, -1.3), (0.7, 5.0), -20.0),
)
REACH = 3.0  # half the side of the square of starts
CLOSE = 0.3  # a run this near to a minimum, at a smaller distance than to any other, is in it
FLOW_RATE, FLOW_STEPS = 0.02, 2000  # small steps of plain gradient descent stand for the flow
VALLEY_SLOPE = (2.0, 1.0)  # a of the valley (a'p - b)^2 / 2
VALLEY_OFFSET = 2.0
VALLEY_START = (-1.5, 2.0)
VALLEY_FULL = ((1.0, 0.8), (0.8, 1.0))  # P^-1 of the full preconditioner
VALLEY_DIAGONAL = ((0.25, 0.0), (0.0, 1.0))  # and of the diagonal one
VALLEY_RATE, VALLEY_STEPS = 0.02, 2000


class Minimum(NamedTuple):
    at: tuple[float, float]
    height: float
    sharpness: float


def _shapes() -> tuple[Tensor, Tensor, Tensor]:
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
    """The landscape at points (..., 2)."""
    away = points[..., None, :] - CENTRES
    exponents = torch.einsum("...ki,kij,...kj->...k", away, FORMS, away) / 2
    return BOWL * points.square().sum(-1) - (DEPTHS * torch.exp(-exponents)).sum(-1)


def gradient(points: Tensor) -> Tensor:
    """Its gradient at points (R, 2), in closed form."""
    away = points[:, None] - CENTRES
    turned = (FORMS @ away[..., None])[..., 0]
    wells_ = DEPTHS * torch.exp(-(away * turned).sum(-1) / 2)
    return 2 * BOWL * points + (wells_[..., None] * turned).sum(1)


def minima() -> list[Minimum]:
    """The minimum at each well, by Newton steps from its centre."""
    found = []
    for _, centre, _, _ in WELLS:
        point = torch.tensor(centre, dtype=torch.float64)
        for _ in range(50):
            point = point - torch.linalg.solve(hessian(height)(point), grad(height)(point))
        top = torch.linalg.eigvalsh(hessian(height)(point))
        if top[0] <= 0:
            raise ValueError(f"landscape: no minimum near {centre}")
        found.append(
            Minimum((float(point[0]), float(point[1])), float(height(point)), float(top[1]))
        )
    return found


def run(
    slope: Callable[[Tensor], Tensor],
    rule: Rule,
    starts: Tensor,
    rate: float,
    steps: int,
    keep: int = 0,
) -> tuple[Tensor, list[Tensor]]:
    """End points, shape (R, 2), of an optimiser from starts (R, 2), and every `keep`-th point.

    A run whose point is no number stays there.
    """
    w = starts.clone()[..., None]
    state = rule.start(w)
    path = [starts]
    alive = torch.ones(len(w), dtype=torch.bool)
    for step in range(steps):
        g = slope(w[..., 0])[..., None]
        alive = alive & g.isfinite().all(1)[:, 0] & (g.abs().amax(1)[:, 0] < 1.0e6)
        g = torch.where(alive[:, None, None], g, 0.0)
        count = torch.full((len(w), 1, 1), step + 1, dtype=w.dtype)
        direction, state = rule.step(g, w, state, Moment(count, step % rule.refresh_every == 0))
        w = torch.where(alive[:, None, None], w - rate * direction, torch.nan)
        if keep and (step + 1) % keep == 0:
            path.append(w[..., 0])
    return w[..., 0], path


def basins(ends: Tensor, found: list[Minimum]) -> Tensor:
    """Index of the minimum that each end point (R, 2) lies in, -1 for none."""
    places = torch.tensor([minimum.at for minimum in found], dtype=ends.dtype)
    distance = torch.cdist(ends.nan_to_num(1.0e6), places)
    nearest = distance.min(1)
    return torch.where(nearest.values < CLOSE, nearest.indices, -1)


def square(side: int) -> Tensor:
    """Starts on a square grid, shape (side * side, 2)."""
    line = torch.linspace(-REACH, REACH, side, dtype=torch.float64)
    return torch.cartesian_prod(line, line)


def tuned_rate(rule: Rule, rates: list[float], side: int, steps: int) -> float:
    """The rate with the lowest mean height after `steps`, over a coarse grid of starts."""
    means = []
    for rate in rates:
        ends = run(gradient, rule, square(side), rate, steps)[0]
        means.append(float(height(ends).nan_to_num(torch.inf).mean()))
    return rates[int(np.argmin(means))]


def wells(
    rules: dict[str, Rule], rates: list[float], side: int, coarse: int, steps: int
) -> pd.DataFrame:
    """Basin reached from every start, for each optimiser at its tuned rate and for the flow."""
    found, starts = minima(), square(side)
    flow = run(gradient, Sgd(0.0), starts, FLOW_RATE, FLOW_STEPS)[0]
    runs = {"flow": (FLOW_RATE, basins(flow, found))}
    for name, rule in progress.track(rules.items(), description="landscape", unit="optimiser"):
        rate = tuned_rate(rule, rates, coarse, steps)
        runs[name] = (rate, basins(run(gradient, rule, starts, rate, steps)[0], found))
    rows: list[dict[str, Any]] = []
    for name, (rate, reached) in runs.items():
        same = (reached == runs["flow"][1]).double().mean()
        base = {"part": "wells", "optimizer": name, "n": len(starts)}
        rows.append(base | {"metric": "same_basin_as_flow", "value": float(same)})
        rows.append(base | {"metric": "learning_rate", "value": rate})
        for index in (*range(len(found)), -1):
            share = float((reached == index).double().mean())
            rows.append(base | {"metric": "basin_share", "index": index, "value": share})
        for (x, y), basin in zip(starts.tolist(), reached.tolist(), strict=True):
            place = {"metric": "basin", "x": x, "y": y, "value": float(basin)}
            rows.append(base | place | {"n": 1})
    for index, minimum in enumerate(found):
        place = {"part": "wells", "index": index, "x": minimum.at[0], "y": minimum.at[1], "n": 1}
        rows.append(place | {"metric": "minimum_height", "value": minimum.height})
        rows.append(place | {"metric": "minimum_sharpness", "value": minimum.sharpness})
    return pd.DataFrame(rows)


class Fixed(Sgd):
    """Gradient descent under a preconditioner that stays as it is, without momentum."""

    def __init__(self, inverse: Tensor) -> None:
        super().__init__(0.0)
        object.__setattr__(self, "inverse", inverse)

    def step(
        self, g: Tensor, w: Tensor, state: updates.State, moment: Moment
    ) -> tuple[Tensor, updates.State]:
        return self.inverse @ g, state  # type: ignore[attr-defined]


def valley_end(direction: np.ndarray) -> np.ndarray:
    """Where a path from the start along `direction` meets the valley a'p = b."""
    a, start = np.asarray(VALLEY_SLOPE), np.asarray(VALLEY_START)
    return start - direction * (a @ start - VALLEY_OFFSET) / (a @ direction)


def valley() -> pd.DataFrame:
    """Paths into a valley of minima, and their end points against the closed form.

    The gradient is always a multiple of a, so a fixed preconditioner walks along P^-1 a and Adam
    along sign(a).
    """
    a = torch.tensor(VALLEY_SLOPE, dtype=torch.float64)
    full, diagonal = (torch.tensor(m, dtype=torch.float64) for m in (VALLEY_FULL, VALLEY_DIAGONAL))
    ways: dict[str, tuple[Rule, np.ndarray]] = {
        "gradient descent": (Sgd(0.0), a.numpy()),
        "diagonal": (Fixed(diagonal), (diagonal @ a).numpy()),
        "full": (Fixed(full), (full @ a).numpy()),
        "Adam": (updates.Adam(), np.sign(a.numpy())),
    }
    start = torch.tensor([VALLEY_START], dtype=torch.float64)
    rows: list[dict[str, Any]] = []
    for name, (rule, direction) in ways.items():
        slope = lambda points: (points @ a - VALLEY_OFFSET)[:, None] * a  # noqa: E731
        end, path = run(slope, rule, start, VALLEY_RATE, VALLEY_STEPS, keep=5)
        wanted = valley_end(direction)
        base = {"part": "valley", "optimizer": name, "n": 1}
        error = float(np.linalg.norm(end[0].numpy() - wanted))
        rows.append(base | {"metric": "end_point_error", "value": error})
        for index, point in enumerate(path):
            height_ = float((point[0] @ a - VALLEY_OFFSET) ** 2 / 2)
            place = {"metric": "path", "index": index, "x": float(point[0, 0])}
            rows.append(base | place | {"y": float(point[0, 1]), "value": height_})
    return pd.DataFrame(rows)


def main(
    table: str,
    rules: dict[str, Any],
    rates: dict[str, Any],
    side: int,
    coarse: int,
    steps: int,
    provenance: dict[str, Any],
) -> None:
    used = {name: updates.rule(name, entry["settings"]) for name, entry in rules.items()}
    used = {name: rule for name, rule in used.items() if not rule.needs_factors}
    candidates = np.geomspace(rates["least"], rates["most"], rates["count"]).tolist()
    frame = pd.concat([wells(used, candidates, side, coarse, steps), valley()], ignore_index=True)
    frame["index"] = frame["index"].astype("Int64")
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            params.rules,
            params.landscape["rates"],
            params.landscape["side"],
            params.landscape["coarse_side"],
            params.landscape["steps"],
            provenance=provenance.of(snakemake),
        )
