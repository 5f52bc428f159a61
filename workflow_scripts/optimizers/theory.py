"""Claims in closed form: power-propagation's two forms, and what an optimiser can reach.

Float64 throughout. The two forms of power-propagation are compared step by step (the identity)
and over whole trainings of a small network at falling rates over the same time (the limit).
Reachable against representable: an underdetermined linear regression has a whole subspace of
exact solutions; gradient descent from zero stays in the span of the inputs, Adam does not.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.optimizers import data, power_propagation, updates
from workflow_scripts.optimizers.continual import squared_distance
from workflow_scripts.optimizers.data import CLASSES, Split
from workflow_scripts.optimizers.sparsity import rule as form_rule
from workflow_scripts.optimizers.streams import Stream
from workflow_scripts.optimizers.training import Replica, Training
from workflow_scripts.optimizers.updates import Moment
from workflow_scripts.shared import job, progress, provenance, seeds, tables

IDENTITY_RATE = 1.0e-8
EXAMPLES, FEATURES = 8, 20  # of the underdetermined regression
REGRESSION_STEPS = 6000
PATH_HIDDEN = [16]
PATH_EXAMPLES = 128

Row = dict[str, Any]


def identity(alphas: Sequence[float], cases: int, seed: int) -> list[Row]:
    """Change of theta by one small step on phi over the preconditioned one, less 1, at most.

    Random theta and gradients of standard normal size; entries near zero, where a step is not
    small beside theta, are kept away from it by 0.05.
    """
    rows = []
    for alpha in alphas:
        draws = seeds.generator(seed, "optimizers", "identity", str(alpha))
        drawn = draws.normal(size=cases)
        theta = torch.from_numpy(drawn + 0.05 * np.sign(drawn))
        gradient = torch.from_numpy(draws.normal(size=cases))
        phi = power_propagation.rooted(theta, alpha)
        by_chain = power_propagation.slope(phi, alpha) ** 2 * gradient
        linear = power_propagation.preconditioner(theta, alpha) * gradient
        chain_error = float((by_chain / linear - 1).abs().max())
        phi_step = phi - IDENTITY_RATE * power_propagation.slope(phi, alpha) * gradient
        moved = (theta - power_propagation.powered(phi_step, alpha)) / IDENTITY_RATE
        step_error = float(((moved - linear).abs() / linear.abs().clamp(min=1)).max())
        rows.append(_exact("identity_error", chain_error, cases, alpha=alpha))
        rows.append(_exact("finite_step_error", step_error, cases, alpha=alpha))
    return rows


def _exact(metric: str, value: float, n: int, **conditions: Any) -> Row:
    ends = {"value": value, "ci_low": value, "ci_high": value}
    return {"experiment": "theory", "metric": metric, "n": n, **ends, **conditions}


def gaps(
    parts: dict[str, Split],
    alphas: Sequence[float],
    rates: Sequence[float],
    time: float,
    count: int,
    seed: int,
) -> list[Row]:
    """How far the two forms part after the same time, beside the distance walked.

    Full-batch trainings of `count` small networks for each exponent, vectorised.
    """
    small = {
        name: Split(part.x[:PATH_EXAMPLES], part.y[:PATH_EXAMPLES]) for name, part in parts.items()
    }
    rows: list[Row] = []
    for rate in progress.track(rates, description="paths", unit="rate"):
        ends = []
        for form in power_propagation.FORMS:
            stream = Stream("single", 1, small, [f"path {i}" for i in range(count)], seed)
            replicas = [Replica(row, rate) for _ in alphas for row in range(count)]
            repeated = torch.tensor(
                [float(alpha) for alpha in alphas for _ in range(count)], dtype=torch.float64
            )
            rule = form_rule(form, repeated.to(stream.device), rate)
            training = Training(stream, PATH_HIDDEN, CLASSES, rule, replicas, torch.float64)
            x, y = stream.whole("train", 0, training.rows)
            noise, x = torch.zeros_like(x[..., 0]), x.double()
            start = dict(training.parameters)
            for _ in range(round(time / rate)):
                training.advance(x, y, noise, refresh=False)
            ends.append((training.parameters, squared_distance(training.parameters, start).sqrt()))
        gap = squared_distance(ends[0][0], ends[1][0]).sqrt() / ends[0][1]
        for index, value in enumerate(gap.tolist()):
            alpha = alphas[index // count]
            row = {"experiment": "theory", "metric": "path_gap", "value": value, "n": 1}
            rows.append(row | {"alpha": alpha, "seed": index % count, "learning_rate": rate})
    return rows


def regression(count: int, seed: int) -> list[Row]:
    """Share of the solution's norm outside the span of the inputs, after training to no loss."""
    inputs, targets = [], []
    for index in range(count):
        draws = seeds.generator(seed, "optimizers", "regression", index)
        inputs.append(draws.normal(size=(EXAMPLES, FEATURES)) / np.sqrt(FEATURES))
        targets.append(draws.normal(size=(EXAMPLES, 1)))
    x, y = (torch.from_numpy(np.stack(arrays)) for arrays in (inputs, targets))
    rows = []
    ways: dict[str, tuple[updates.Rule, float]] = {
        "sgd": (updates.Sgd(), 0.05),
        "adam": (updates.Adam(), 0.002),
    }
    for name, (rule, rate) in ways.items():
        w = torch.zeros(count, 1, FEATURES, dtype=torch.float64)
        state = rule.start(w)
        for step in range(REGRESSION_STEPS):
            error = x @ w.mT - y
            moment = Moment(torch.full((count, 1, 1), step + 1.0, dtype=w.dtype), False)
            direction, state = rule.step((error.mT @ x), w, state, moment)
            w = w - rate * direction
        onto = torch.linalg.pinv(x) @ x  # projection to the span of the inputs
        outside = (w - w @ onto).norm(dim=(1, 2)) / w.norm(dim=(1, 2))
        fit = (x @ w.mT - y).norm(dim=(1, 2)) / y.norm(dim=(1, 2))
        for metric, values in (("outside_span", outside), ("misfit", fit)):
            rows += [
                {"experiment": "theory", "metric": metric, "value": value, "n": 1}
                | {"optimizer": name, "seed": index}
                for index, value in enumerate(values.tolist())
            ]
    return rows


def main(
    table: str,
    data_file: str | Path,
    settings: dict[str, Any],
    alphas: list[float],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    count = settings["seeds"]
    rows = [
        *identity(alphas, settings["cases"], seed),
        *gaps(
            data.load(data_file),
            settings["alphas"],
            settings["rates"],
            settings["time"],
            count,
            seed,
        ),
        *regression(count, seed),
    ]
    frame = pd.DataFrame(rows)
    frame["seed"] = frame["seed"].astype("Int64")
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.output.table,
            snakemake.input.data,
            snakemake.params.theory,
            snakemake.params.alphas,
            snakemake.params.seed,
            provenance=provenance.of(snakemake),
        )
