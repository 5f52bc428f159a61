"""E1: what trained copiers do with n zeros, and with one bit of them flipped (figure 2, top).

Greedy writing as in the paper (argmax over the two bits, ties to 0), log-perplexity along what the
copier wrote. Beside it: the inequality of lemma 3.1 in both forms, the errors that sampling makes
(proposition 3.6), the gradients of corollary 3.7, and random strings for the choice of a model.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.perplexity import bounds, copying, criteria, decoder, weights
from workflow_scripts.perplexity.decoder import Parameters, Shape
from workflow_scripts.shared import job, progress, provenance, seeds, tables

Row = dict[str, Any]


def panels(logs: np.ndarray, written: np.ndarray, size: int, at: int, floor: float) -> Row:
    """The quantities of figure 2 for one copier and one pair.

    `logs` (2, n, 2) are its log-probabilities on alpha and beta along its own bits `written`
    (2, n); beta's flipped bit is at `at`.
    """
    p = np.exp(logs)
    beta = np.zeros(size, int)
    beta[at] = 1
    right = np.stack([p[0, :, 0], p[1, np.arange(size), beta]])
    nats = bounds.log_perplexity(right, floor)
    others = np.arange(size) != at
    gap = float(np.abs(p[0] - p[1]).max())
    found = {
        "gap": gap,
        "alpha_least": float(right[0].min()),
        "beta_flip": float(right[1, at]),
        "most_one_on_beta": float(p[1, :, 1].max()),
        "alpha_copied": float(not written[0].any()),
        "beta_copied": float((written[1] == beta).all()),
        "nats_alpha": float(nats[0]),
        "nats_beta": float(nats[1]),
        "nats_apart": float(abs(nats[0] - nats[1])),
    }
    # Lemma 3.1: alpha copied, beta copied as alpha, more than 1/2 on every bit but the flipped.
    if right[0].min() > 0.5 and not written[1].any() and (right[1, others] > 0.5).all():
        found["corrected_bound"] = float(bounds.corrected(size, gap, floor))
        found["printed_bound"] = float(bounds.printed(size, gap, floor))
        found["over_certainty"] = float(nats[1] + np.log(right[0].min()))
    return found


def pairs(
    parameters: Parameters, shape: Shape, sizes: list[int], floor: float
) -> tuple[list[Row], list[Row]]:
    """Rows of every copier, size and flip; and every step's probabilities, for the sketch."""
    rows, steps = [], []
    tasks = [(size, flip) for size in sizes for flip in copying.FLIPS]
    for size, flip in progress.track(tasks, description="pairs", unit="pair"):
        written, logs = copying.greedy(parameters, shape, copying.pair(size, flip))
        at = copying.flipped(size, flip)
        for seed in range(decoder.count(parameters)):
            own = logs[seed].double().numpy()
            key: Row = {"seed": seed, "size": size, "flip": flip}
            found = panels(own, written[seed].numpy(), size, at, floor)
            rows += [key | {"metric": name, "value": value} for name, value in found.items()]
            if flip == "last":
                steps += [
                    key
                    | {"string": string, "step": step, "written": int(written[seed, number, step])}
                    | {"p_one": float(np.exp(own[number, step, 1]))}
                    for number, string in enumerate(("alpha", "beta"))
                    for step in range(size)
                ]
    return rows, steps


@torch.inference_mode()
def sampling(parameters: Parameters, shape: Shape, sizes: list[int], flip: str) -> list[Row]:
    """Exact probabilities that sampling at temperature 1 errs, and the union bounds on them.

    Up to the first error the bits written are alpha's, so the probability of none is a product.
    """
    rows = []
    for size in sizes:
        strings = copying.pair(size, flip).expand(decoder.count(parameters), 2, size)
        alpha = torch.zeros_like(strings)
        logs = copying.logits_after(parameters, shape, strings, alpha).double().log_softmax(-1)
        doubts = -torch.expm1(logs[..., 0]).numpy()  # (S, 2, n)
        gamma = doubts[:, 0].max(-1)
        gap = np.abs(doubts[:, 0] - doubts[:, 1]).max(-1)
        with np.errstate(divide="ignore"):
            errors = bounds.some_error(np.minimum(doubts, 1.0))
        for seed in range(len(doubts)):
            found = {
                "gamma": gamma[seed],
                "alpha_error": errors[seed, 0],
                "alpha_union": bounds.union(size, gamma[seed]),
                "beta_not_alpha": errors[seed, 1],
                "beta_union": bounds.union(size, gamma[seed] + gap[seed]),
            }
            key: Row = {"seed": seed, "size": size, "flip": flip}
            rows += [key | {"metric": name, "value": float(v)} for name, v in found.items()]
    return rows


def gradients(parameters: Parameters, shape: Shape, sizes: list[int], flip: str) -> list[Row]:
    """Norms over all parameters of the gradient of the log-perplexity, on alpha and on beta.

    Both are taught (each step after the right bits), as the loss that corollary 3.7 speaks of.
    """
    rows = []
    for tensor in parameters.values():
        tensor.requires_grad_()
    for size in progress.track(sizes, description="gradients", unit="size"):
        strings = copying.pair(size, flip)
        for number, string in enumerate(("alpha", "beta")):
            given = strings[number].expand(decoder.count(parameters), 1, size)
            logs = copying.taught(parameters, shape, given)
            nats = -logs.gather(-1, given[..., None])[..., 0].mean((1, 2))
            norms = _norms(torch.autograd.grad(nats.sum(), list(parameters.values())))
            for seed, (norm, value) in enumerate(zip(norms, nats.tolist(), strict=True)):
                key: Row = {"seed": seed, "size": size, "flip": flip}
                rows += [
                    key | {"metric": f"gradient_{string}", "value": norm},
                    key | {"metric": f"size_times_gradient_{string}", "value": size * norm},
                    key | {"metric": f"taught_nats_{string}", "value": value},
                ]
    for tensor in parameters.values():
        tensor.requires_grad_(False)
    return rows


def _norms(parts: tuple[Tensor, ...]) -> list[float]:
    squares = torch.stack([part.double().flatten(1).square().sum(1) for part in parts])
    return squares.sum(0).sqrt().tolist()


@torch.inference_mode()
def random_strings(
    parameters: Parameters, shape: Shape, sizes: list[int], strings: int, seed: int, floor: float
) -> list[Row]:
    """Criteria on random strings, each step after the right bits."""
    rows = []
    for size in sizes:
        rng = seeds.generator(seed, "perplexity", "copying", "test", size)
        drawn = torch.from_numpy(rng.integers(0, copying.BITS, (strings, size)))
        given = drawn.expand(decoder.count(parameters), strings, size)
        logs = copying.taught(parameters, shape, given).double().numpy()
        for index, own in enumerate(logs):
            found = criteria.measure(own, drawn.numpy(), floor)
            key: Row = {"seed": index, "size": size, "flip": "random"}
            rows += [key | {"metric": name, "value": value} for name, value in found.items()]
    return rows


def main(
    weights_path: str,
    table: str,
    steps_table: str,
    encoding: str,
    sizes: list[int],
    gradient_sizes: list[int],
    random_sizes: list[int],
    strings: int,
    floor: float,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    parameters, shape = weights.read(weights_path)
    rows, steps = pairs(parameters, shape, sizes, floor)
    rows += sampling(parameters, shape, sizes, "last")
    rows += gradients(parameters, shape, gradient_sizes, "last")
    rows += random_strings(parameters, shape, random_sizes, strings, seed, floor)
    frame = pd.DataFrame(rows).assign(encoding=encoding)
    tables.write(frame, table, provenance=provenance)
    tables.write(pd.DataFrame(steps).assign(encoding=encoding), steps_table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.input.weights,
            snakemake.output.table,
            snakemake.output.steps,
            snakemake.wildcards.copier,
            params.sizes,
            params.gradient_sizes,
            params.random_sizes,
            params.strings,
            params.floor,
            params.seed,
            provenance=provenance.of(snakemake),
        )
