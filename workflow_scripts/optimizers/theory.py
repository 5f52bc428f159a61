"""Claims in closed form: power-propagation's two forms, and what an optimiser can reach.

In float64. The two forms of power-propagation are compared for one step (the identity) and over
whole training runs of a small network, at decreasing rates over the same time (the limit).
Reachable and representable: an underdetermined linear regression has a subspace of exact solutions.
Gradient descent from zero stays in the span of the inputs, Adam does not.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.optimizers import power_propagation
from workflow_scripts.optimizers.data import CLASSES, Split, load
from workflow_scripts.optimizers.network import Parameters, squared_distance
from workflow_scripts.optimizers.pooling import by_seed
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.optimizers.updates import Adam, Moment, Optimizer, Sgd
from workflow_scripts.shared import job, progress, scores, seeds, tables
from workflow_scripts.shared.scores import Row

IDENTITY_RATE = 1.0e-8
EXAMPLES, FEATURES = 8, 20  # of the underdetermined regression
REGRESSION_STEPS = 6000
PATH_HIDDEN = [16]
PATH_EXAMPLES = 128


def identity(alphas: Sequence[float], cases: int, seed: int) -> list[Row]:
    """Largest relative difference between one small step on phi and the preconditioned step.

    `finite_step_error` takes the step, of rate `IDENTITY_RATE`, and maps it back to theta; it holds
    the term of second order in the rate. `identity_error` is that of the derivative alone, where
    only rounding remains. theta and the gradients are standard normal, moved away from zero by
    0.05: near zero a step is not small relative to theta, and rounding is not small relative to a
    step.
    """
    rows = []
    for alpha in alphas:
        draws = seeds.generator(seed, "optimizers", "identity", str(alpha))
        drawn = draws.normal(size=(2, cases))
        theta, gradient = torch.from_numpy(drawn + 0.05 * np.sign(drawn))
        phi = power_propagation.rooted(theta, alpha)
        by_chain = power_propagation.slope(phi, alpha) ** 2 * gradient
        linear = power_propagation.preconditioner(theta, alpha) * gradient
        chain_error = float((by_chain / linear - 1).abs().max())
        phi_step = phi - IDENTITY_RATE * power_propagation.slope(phi, alpha) * gradient
        moved = (theta - power_propagation.powered(phi_step, alpha)) / IDENTITY_RATE
        step_error = float((moved / linear - 1).abs().max())
        for metric, error in (("identity_error", chain_error), ("finite_step_error", step_error)):
            rows.append(scores.exact("theory", metric, error, cases, units="cases", alpha=alpha))
    return rows


def gaps(
    parts: dict[str, Split],
    alphas: Sequence[float],
    rates: Sequence[float],
    time: float,
    count: int,
    seed: int,
) -> list[Row]:
    """Gap between the two forms after the same time over the distance moved, by seed and rate.

    `sign_flipped` is 1 for a run in which a step of either form changed the sign of a weight. The
    flow cannot do that, so at this rate such a run does not follow the flow.
    """
    small = {
        name: Split(part.x[:PATH_EXAMPLES], part.y[:PATH_EXAMPLES]) for name, part in parts.items()
    }
    rows: list[Row] = []
    for rate in progress.track(rates, description="paths", unit="rate"):
        ends, flipped_in = [], []
        for form in power_propagation.FORMS:
            stream = Stream("single", 1, small, [f"path {i}" for i in range(count)], seed)
            replicas = [Replica(row, rate) for _ in alphas for row in range(count)]
            repeated = torch.tensor(
                [float(alpha) for alpha in alphas for _ in range(count)], dtype=torch.float64
            )
            optimizer = power_propagation.optimizer(form, repeated.to(stream.device), rate)
            training = Training(stream, PATH_HIDDEN, CLASSES, optimizer, replicas, torch.float64)
            x, y = stream.whole("train", 0, training.rows)
            noise, x = torch.zeros_like(x[..., 0]), x.double()
            start = dict(training.parameters)
            flipped = torch.zeros_like(training.alive)
            for _ in range(round(time / rate)):
                training.advance(x, y, noise, refresh=False)
                flipped |= flips(start, training.parameters)
            flipped_in.append(flipped)
            ends.append((training.parameters, squared_distance(training.parameters, start).sqrt()))
        gap = squared_distance(ends[0][0], ends[1][0]).sqrt() / ends[0][1]
        for metric, values in (("path_gap", gap), ("sign_flipped", flipped_in[0] | flipped_in[1])):
            by_alpha = values.view(len(alphas), count).tolist()
            for alpha, of_seeds in zip(alphas, by_alpha, strict=True):
                rows += by_seed(metric, of_seeds, alpha=alpha, learning_rate=rate)
    return rows


def flips(start: Parameters, now: Parameters) -> torch.Tensor:
    """Whether any weight has another sign than at the start, shape (R,).

    Matrices have shape (R, out, in + 1); the last column holds the biases, which start at 0 and
    have exponent 1.
    """
    changed = [(start[n][..., :-1] * now[n][..., :-1] < 0).flatten(1).any(1) for n in start]
    return torch.stack(changed).any(0)


def regression(count: int, seed: int) -> list[Row]:
    """Share of the solution's norm outside the span of the inputs, after training to zero loss.

    By seed, and the least and the largest over all regressions, each of which is computed to
    rounding.
    """
    inputs, targets = [], []
    for index in range(count):
        draws = seeds.generator(seed, "optimizers", "regression", index)
        inputs.append(draws.normal(size=(EXAMPLES, FEATURES)) / np.sqrt(FEATURES))
        targets.append(draws.normal(size=(EXAMPLES, 1)))
    x, y = (torch.from_numpy(np.stack(arrays)) for arrays in (inputs, targets))
    rows: list[Row] = []
    ways: dict[str, tuple[Optimizer, float]] = {"sgd": (Sgd(), 0.05), "adam": (Adam(), 0.002)}
    for name, (optimizer, rate) in ways.items():
        w = torch.zeros(count, 1, FEATURES, dtype=torch.float64)
        state = optimizer.start(w)
        for step in range(REGRESSION_STEPS):
            error = x @ w.mT - y
            moment = Moment(torch.full((count, 1, 1), step + 1.0, dtype=w.dtype), False)
            direction, state = optimizer.step((error.mT @ x), w, state, moment)
            w = w - rate * direction
        onto = torch.linalg.pinv(x) @ x  # projection to the span of the inputs
        outside = (w - w @ onto).norm(dim=(1, 2)) / w.norm(dim=(1, 2))
        fit = (x @ w.mT - y).norm(dim=(1, 2)) / y.norm(dim=(1, 2))
        rows += by_seed("outside_span", outside.tolist(), optimizer=name)
        rows += by_seed("misfit", fit.tolist(), optimizer=name)
        exact = partial(scores.exact, "theory", n=count, units="regressions", optimizer=name)
        rows.append(exact("outside_span_least", value=float(outside.min())))
        rows.append(exact("outside_span_largest", value=float(outside.max())))
    return rows


def main(
    data: str,
    table: str,
    theory: dict[str, Any],
    alphas: list[float],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Run the three computations; `alphas` are the exponents of the identity."""
    count, paths = theory["seeds"], (theory["alphas"], theory["rates"], theory["time"])
    rows = [
        *identity(alphas, theory["cases"], seed),
        *gaps(load(data), *paths, count, seed),
        *regression(count, seed),
    ]
    frame = pd.DataFrame(rows)
    frame["seed"] = frame["seed"].astype("Int64")
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
