"""Two-layer linear networks, whose implicit bias is known: the control of the rank measurements.

Loss ||W2 W1 - T||^2 / 2 with T = U diag(s) V' (inputs white). From balanced weights along U and V
the singular values of W2 W1 follow, under gradient flow, a sigmoid each (Saxe, McClelland and
Ganguli 2014), so that the rank climbs mode by mode. Every other optimiser walks from a small
random start to the same matrix: along which ranks is measured at the same loss.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_scripts.optimizers import measures, updates
from workflow_scripts.optimizers.network import Parameters
from workflow_scripts.optimizers.updates import Moment, Rule, Sgd
from workflow_scripts.shared import job, progress, provenance, seeds, tables

MODES = (4.0, 2.0, 1.0, 0.5)  # singular values of the target
WIDTH = 8  # of inputs, hidden units and outputs
MODE_START = 1.0e-3  # of each mode, balanced start
RANDOM_SD = 0.01  # of the weights, random start
FLOW_RATE = 1.0e-3
FLOW_TIME = 12.0  # the last mode, 0.5, is learned by then
LEVELS = tuple(np.geomspace(0.8, 0.02, 12))  # shares of the first loss at which ranks are read
ARRIVED = 0.01  # share of the first loss that counts as learned


def mode(time: NDArray, size: float, start: float) -> NDArray:
    """Strength of a mode of the target's `size` under gradient flow: da/dt = 2 a (size - a)."""
    growth = np.exp(2 * size * time)
    return size * growth / (growth - 1 + size / start)


def modes(time: NDArray) -> NDArray:
    """All modes of the target, shape (times, WIDTH); modes that the target lacks decay as 1/t."""
    present = [mode(time, size, MODE_START) for size in MODES]
    absent = MODE_START / (1 + 2 * MODE_START * time)
    return np.stack([*present, *[absent] * (WIDTH - len(MODES))], -1)


def effective_rank(values: NDArray) -> NDArray:
    shares = values / values.sum(-1, keepdims=True)
    return np.exp(-(shares * np.log(np.maximum(shares, 1e-300))).sum(-1))


def loss_of_modes(values: NDArray) -> NDArray:
    target = np.concatenate([MODES, np.zeros(WIDTH - len(MODES))])
    return ((values - target) ** 2).sum(-1) / 2


def theory_at_levels() -> NDArray:
    """Effective rank of the flow from a balanced start at each of LEVELS."""
    time = np.linspace(0, FLOW_TIME, 200_001)
    values = modes(time)
    share = loss_of_modes(values) / loss_of_modes(values[:1])
    return np.asarray([effective_rank(values[np.argmax(share <= level)]) for level in LEVELS])


def orthogonal(seed: int, *names: str | int) -> NDArray:
    from scipy.stats import ortho_group

    return ortho_group.rvs(WIDTH, random_state=seeds.generator(seed, "optimizers", *names))


def problem(seed: int, count: int) -> tuple[Tensor, Parameters, Parameters]:
    """Targets (S, n, n), and weights with a balanced and with a small random start."""
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
    names = ("layer1", "layer2")
    stacks = [
        {
            name: torch.from_numpy(np.stack([pair[i] for pair in pairs]))
            for i, name in enumerate(names)
        }
        for pairs in (balanced, random)
    ]
    return torch.from_numpy(np.stack(targets)), stacks[0], stacks[1]


def gradients(weights: Parameters, target: Tensor) -> Parameters:
    error = weights["layer2"] @ weights["layer1"] - target
    return {"layer1": weights["layer2"].mT @ error, "layer2": error @ weights["layer1"].mT}


def factors(weights: Parameters) -> dict[str, tuple[Tensor, Tensor]]:
    """K-FAC's factors, exact: inputs are white, and a unit Gaussian sits on the outputs."""
    first, second = weights["layer1"], weights["layer2"]
    eye = updates.identity(WIDTH, first)
    return {"layer1": (eye, second.mT @ second), "layer2": (first @ first.mT, eye)}


def path(
    rule: Rule, weights: Parameters, target: Tensor, rate: float, steps: int, every: int
) -> tuple[Tensor, Tensor]:
    """Loss (points, S) and singular values (points, S, n) of the product, every `every` steps."""
    state = {name: rule.start(w) for name, w in weights.items()}
    losses, values = [], []
    for step in range(steps + 1):
        if step % every == 0:
            product = weights["layer2"] @ weights["layer1"]
            losses.append((product - target).square().sum((1, 2)) / 2)
            values.append(product)
        gradient = gradients(weights, target)
        refresh = step % rule.refresh_every == 0
        exact = factors(weights) if rule.needs_factors and refresh else {}
        count = torch.full((len(target), 1, 1), step + 1, dtype=target.dtype)
        moved = {}
        for name, w in weights.items():
            moment = Moment(count, refresh, exact.get(name))
            direction, state[name] = rule.step(gradient[name], w, state[name], moment)
            moved[name] = w - rate * direction
        weights = moved
        if not all(bool(w.isfinite().all()) for w in weights.values()):
            break
    return torch.stack(losses), torch.linalg.svdvals(torch.stack(values))


def control(seed: int, count: int) -> list[dict[str, Any]]:
    """Gradient descent in small steps against the closed form: modes, and the rank's path."""
    target, balanced, _ = problem(seed, count)
    steps, every = round(FLOW_TIME / FLOW_RATE), 100
    losses, values = path(Sgd(0.0), balanced, target, FLOW_RATE, steps, every)
    time = FLOW_RATE * every * np.arange(len(losses))
    exact = modes(time)
    rank_error = np.abs(
        measures.effective_rank(values).numpy() - effective_rank(exact)[:, None]
    ).max(0)
    mode_error = np.abs(values.numpy() - -np.sort(-exact, -1)[:, None]).max((0, 2)) / max(MODES)
    rows: list[dict[str, Any]] = []
    for at, moment in enumerate(time):
        base = {"part": "control", "index": at * every, "time": moment}
        rows.append(base | {"metric": "theory_rank", "value": float(effective_rank(exact[at]))})
        ranks = measures.effective_rank(values[at])
        rows += [
            base | {"metric": "rank", "seed": s, "value": float(r)} for s, r in enumerate(ranks)
        ]
    for s, (rank, strength) in enumerate(zip(rank_error, mode_error, strict=True)):
        rows.append({"part": "control", "metric": "rank_error", "seed": s, "value": float(rank)})
        rows.append(
            {"part": "control", "metric": "mode_error", "seed": s, "value": float(strength)}
        )
    rows += [
        {"part": "control", "metric": "theory_rank_at_loss", "loss_share": level, "value": float(r)}
        for level, r in zip(LEVELS, theory_at_levels(), strict=True)
    ]
    return rows


def ranks_at_levels(losses: Tensor, values: Tensor) -> NDArray:
    """Effective rank of each seed when its loss first reaches each of LEVELS, (levels, S).

    NaN where it does not.
    """
    share = (losses / losses[:1]).numpy()
    ranks = measures.effective_rank(values).numpy()
    found = np.full((len(LEVELS), share.shape[1]), np.nan)
    for at, level in enumerate(LEVELS):
        below = share <= level
        first = below.argmax(0)
        reached = below.any(0)
        found[at, reached] = ranks[first[reached], np.flatnonzero(reached)]
    return found


def optimiser(
    name: str, rule: Rule, seed: int, count: int, rates: list[float], steps: int
) -> list[dict[str, Any]]:
    """Rank against loss at the smallest rate that learns within `steps`, if any does."""
    target, _, random = problem(seed, count)
    for rate in rates:
        losses, values = path(rule, random, target, rate, steps, every=1)
        if bool((losses.amin(0) <= ARRIVED * losses[0]).all()):
            break
    else:
        return [{"part": "optimizers", "optimizer": name, "metric": "learned", "value": 0.0}]
    base = {"part": "optimizers", "optimizer": name}
    rows = [
        base | {"metric": "learned", "value": 1.0},
        base | {"metric": "learning_rate", "value": rate},
    ]
    for level, ranks in zip(LEVELS, ranks_at_levels(losses, values), strict=True):
        rows += [
            base | {"metric": "rank_at_loss", "loss_share": level, "seed": s, "value": float(rank)}
            for s, rank in enumerate(ranks)
        ]
    return rows


def main(
    table: str,
    rules: dict[str, Any],
    count: int,
    rates: dict[str, Any],
    steps: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    candidates = np.geomspace(rates["least"], rates["most"], rates["count"]).tolist()
    rows = control(seed, count)
    plain = {"gradient descent": Sgd(0.0)}
    used = plain | {name: updates.rule(name, entry["settings"]) for name, entry in rules.items()}
    for name, rule in progress.track(used.items(), description="linear", unit="optimiser"):
        rows += optimiser(name, rule, seed, count, candidates, steps)
    frame = pd.DataFrame(rows)
    for column in ("seed", "index"):
        frame[column] = frame[column].astype("Int64")
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.output.table,
            params.rules,
            params.linear["seeds"],
            params.linear["rates"],
            params.linear["steps"],
            params.seed,
            provenance=provenance.of(snakemake),
        )
