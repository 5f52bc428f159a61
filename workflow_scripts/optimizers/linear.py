"""Two-layer linear networks, whose implicit bias is known: a control of the rank metrics.

Loss ||W2 W1 - T||^2 / 2 with T = U diag(s) V' (white inputs). From balanced weights along U and V,
each singular value of W2 W1 follows a sigmoid under gradient flow (Saxe, McClelland and Ganguli
2014), so the rank rises mode by mode. Every optimiser then learns the same matrix from a small
random start, and the ranks on the way are compared at equal loss.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.optimizers import metrics, registry, updates
from workflow_scripts.optimizers.network import Parameters
from workflow_scripts.optimizers.pooling import by_seed
from workflow_scripts.optimizers.updates import Moment, Optimizer, Sgd
from workflow_scripts.shared import job, progress, scores, seeds, tables
from workflow_scripts.shared.scores import Row

MODES = (4.0, 2.0, 1.0, 0.5)  # singular values of the target
WIDTH = 8  # of inputs, hidden units and outputs
MODE_START = 1.0e-3  # strength of each mode at a balanced start
RANDOM_SD = 0.01  # of the weights at a random start
FLOW_RATE = 1.0e-3
FLOW_TIME = 12.0  # enough to learn the smallest mode, 0.5
LEVELS = tuple(np.geomspace(0.8, 0.02, 12))  # shares of the initial loss at which ranks are taken
ARRIVED = 0.01  # share of the initial loss that counts as learned


def mode(time: NDArray, size: float, start: float) -> NDArray:
    """Strength of a mode under gradient flow at `time` (times,): da/dt = 2 a (size - a).

    `size` is the target's singular value. The result has shape (times,).
    """
    growth = np.exp(2 * size * time)
    return size * growth / (growth - 1 + size / start)


def modes(time: NDArray) -> NDArray:
    """All modes at `time` (times,), shape (times, WIDTH); those the target lacks decay as 1/t."""
    present = [mode(time, size, MODE_START) for size in MODES]
    absent = MODE_START / (1 + 2 * MODE_START * time)
    return np.stack([*present, *[absent] * (WIDTH - len(MODES))], -1)


def effective_rank(values: NDArray) -> NDArray:
    """`metrics.effective_rank` in NumPy: singular values (..., WIDTH), shape (...,)."""
    shares = values / values.sum(-1, keepdims=True)
    return np.exp(-(shares * np.log(np.maximum(shares, 1e-300))).sum(-1))


def loss_of_modes(values: NDArray) -> NDArray:
    """Loss of a product with singular values (..., WIDTH) along the target's, shape (...,)."""
    target = np.concatenate([MODES, np.zeros(WIDTH - len(MODES))])
    return ((values - target) ** 2).sum(-1) / 2


def theory_at_levels() -> NDArray:
    """Effective rank of the flow from a balanced start at each of LEVELS, shape (levels,)."""
    time = np.linspace(0, FLOW_TIME, 200_001)
    values = modes(time)
    share = loss_of_modes(values) / loss_of_modes(values[:1])
    return np.asarray([effective_rank(values[np.argmax(share <= level)]) for level in LEVELS])


def orthogonal(seed: int, *names: str | int) -> NDArray:
    """A random orthogonal matrix, shape (WIDTH, WIDTH)."""
    from scipy.stats import ortho_group

    return ortho_group.rvs(WIDTH, random_state=seeds.generator(seed, "optimizers", *names))


def problem(seed: int, count: int) -> tuple[Tensor, Parameters, Parameters]:
    """Targets of `count` seeds, weights at a balanced and at a random start, shapes (S, n, n)."""
    targets, balanced, random = [], [], []
    sizes = np.diag(np.concatenate([MODES, np.zeros(WIDTH - len(MODES))]))
    for index in range(count):
        left, right, middle = (
            orthogonal(seed, "linear", side, index) for side in ("left", "right", "middle")
        )
        targets.append(left @ sizes @ right.T)
        root = np.sqrt(MODE_START)
        balanced.append((root * middle @ right.T, root * left @ middle.T))
        draws = seeds.generator(seed, "optimizers", "linear", "start", index)
        random.append(draws.normal(0, RANDOM_SD, (2, WIDTH, WIDTH)))
    starts = [
        {f"layer{i + 1}": torch.from_numpy(np.stack([pair[i] for pair in pairs])) for i in (0, 1)}
        for pairs in (balanced, random)
    ]
    return torch.from_numpy(np.stack(targets)), starts[0], starts[1]


def gradients(weights: Parameters, target: Tensor) -> Parameters:
    """Gradient of the loss, every matrix of shape (S, n, n)."""
    error = weights["layer2"] @ weights["layer1"] - target
    return {"layer1": weights["layer2"].mT @ error, "layer2": error @ weights["layer1"].mT}


def factors(weights: Parameters) -> dict[str, tuple[Tensor, Tensor]]:
    """K-FAC's exact factors for white inputs and Gaussian outputs, shapes (S, n, n)."""
    first, second = weights["layer1"], weights["layer2"]
    eye = updates.identity(WIDTH, first)
    return {"layer1": (eye, second.mT @ second), "layer2": (first @ first.mT, eye)}


def path(
    optimizer: Optimizer, weights: Parameters, target: Tensor, rate: float, steps: int, every: int
) -> tuple[Tensor, Tensor]:
    """Loss (points, S) and singular values (points, S, n) of the product, every `every` steps.

    `weights` and `target` have shape (S, n, n). Stops early when a weight is not finite.
    """
    state = {name: optimizer.start(w) for name, w in weights.items()}
    losses, values = [], []
    for step in range(steps + 1):
        if step % every == 0:
            product = weights["layer2"] @ weights["layer1"]
            losses.append((product - target).square().sum((1, 2)) / 2)
            values.append(product)
        gradient = gradients(weights, target)
        refresh = step % optimizer.refresh_every == 0
        exact = factors(weights) if optimizer.needs_factors and refresh else {}
        count = torch.full((len(target), 1, 1), step + 1, dtype=target.dtype)
        moved = {}
        for name, w in weights.items():
            moment = Moment(count, refresh, exact.get(name))
            direction, state[name] = optimizer.step(gradient[name], w, state[name], moment)
            moved[name] = w - rate * direction
        weights = moved
        if not all(bool(w.isfinite().all()) for w in weights.values()):
            break
    return torch.stack(losses), torch.linalg.svdvals(torch.stack(values))


def control(seed: int, count: int) -> list[Row]:
    """Gradient descent in small steps against the closed form: modes, and the path of the rank."""
    target, balanced, _ = problem(seed, count)
    steps, every = round(FLOW_TIME / FLOW_RATE), 100
    losses, values = path(Sgd(0.0), balanced, target, FLOW_RATE, steps, every)
    time = FLOW_RATE * every * np.arange(len(losses))
    exact = modes(time)
    ranks = metrics.effective_rank(values).numpy()
    rank_error = np.abs(ranks - effective_rank(exact)[:, None]).max(0)
    mode_error = np.abs(values.numpy() - -np.sort(-exact, -1)[:, None]).max((0, 2)) / max(MODES)
    closed_form = partial(scores.exact, "linear", n=1, units="cases", part="control")
    rows = []
    for at, moment in enumerate(time):
        place = {"index": at * every, "time": moment}
        rows.append(closed_form("theory_rank", value=float(effective_rank(exact[at])), **place))
        now = metrics.effective_rank(values[at]).numpy()
        rows += by_seed("rank", now, part="control", **place)
    rows += by_seed("rank_error", rank_error, part="control")
    rows += by_seed("mode_error", mode_error, part="control")
    rows += [
        closed_form("theory_rank_at_loss", value=float(rank), loss_share=level)
        for level, rank in zip(LEVELS, theory_at_levels(), strict=True)
    ]
    return rows


def ranks_at_levels(losses: Tensor, values: Tensor) -> NDArray:
    """Effective rank of each seed when its loss first reaches each of LEVELS, shape (levels, S).

    NaN where the level is not reached. `losses` (points, S), `values` (points, S, n) from `path`.
    """
    share = (losses / losses[:1]).numpy()
    ranks = metrics.effective_rank(values).numpy()
    found = np.full((len(LEVELS), share.shape[1]), np.nan)
    for at, level in enumerate(LEVELS):
        below = share <= level
        first = below.argmax(0)
        reached = below.any(0)
        found[at, reached] = ranks[first[reached], np.flatnonzero(reached)]
    return found


def rank_path(
    name: str, optimizer: Optimizer, seed: int, count: int, rates: list[float], steps: int
) -> list[Row]:
    """Rank against loss at the smallest rate that learns within `steps`, if any does."""
    target, _, random = problem(seed, count)
    place = {"part": "optimizers", "optimizer": name}
    row = partial(scores.number, "linear", n=1, units="rates", part="optimizers", optimizer=name)
    for rate in rates:
        losses, values = path(optimizer, random, target, rate, steps, every=1)
        if bool((losses.amin(0) <= ARRIVED * losses[0]).all()):
            break
    else:
        return [row("learned", value=0.0)]
    rows = [row("learned", value=1.0), row("learning_rate", value=rate)]
    for level, ranks in zip(LEVELS, ranks_at_levels(losses, values), strict=True):
        rows += by_seed("rank_at_loss", ranks, loss_share=level, **place)
    return rows


def main(
    table: str,
    optimizers: dict[str, dict[str, Any]],
    linear: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Run the control and every optimiser, and write `table`: score rows, and values by seed."""
    count, rates = linear["seeds"], linear["rates"]
    candidates = np.geomspace(rates["least"], rates["most"], rates["count"]).tolist()
    rows = control(seed, count)
    used = {"gradient descent": Sgd(0.0)} | {
        name: registry.optimizer(name, settings) for name, settings in optimizers.items()
    }
    for name, optimizer in progress.track(used.items(), description="linear", unit="optimiser"):
        rows += rank_path(name, optimizer, seed, count, candidates, linear["steps"])
    frame = pd.DataFrame(rows)
    for column in ("seed", "index"):
        frame[column] = frame[column].astype("Int64")
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
