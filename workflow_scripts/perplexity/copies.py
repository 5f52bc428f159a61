"""E1: trained copiers on n zeros, and on n zeros with one bit flipped (figure 2, top).

Greedy decoding as in the paper (argmax over the two bits, ties to 0), log-perplexity along the
copier's own output. Also the inequality of lemma 3.1 in both forms, the errors under sampling
(proposition 3.6), the gradients of corollary 3.7, and random strings for the choice of a model.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.perplexity import bounds, copying, decoder, metrics
from workflow_scripts.perplexity.decoder import Parameters, Shape
from workflow_scripts.shared import devices, job, progress, scores, seeds, tables
from workflow_scripts.shared.scores import Row


def rows_of(found: Mapping[str, float], seed: int, size: int, flip: str) -> list[Row]:
    """Score rows of one copier at one size: metric -> value."""
    key: Row = {"n": 1, "units": "copiers", "seed": seed, "size": size, "flip": flip}
    return [scores.number("E1", name, value, **key) for name, value in found.items()]


def panels(logs: np.ndarray, written: np.ndarray, at: int, floor: float) -> dict[str, float]:
    """The quantities of figure 2 for one copier and one pair of n bits.

    `logs`, shape (2, n, 2), are its log-probabilities on alpha and beta along its own bits
    `written`, shape (2, n); beta's flipped bit is at `at`.
    """
    p, size = np.exp(logs), logs.shape[1]
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
    # Premises of lemma 3.1: alpha copied, beta copied as alpha, above 1/2 on every unflipped bit.
    if right[0].min() > 0.5 and not written[1].any() and (right[1, others] > 0.5).all():
        found["corrected_bound"] = float(bounds.corrected(size, gap, floor))
        found["printed_bound"] = float(bounds.printed(size, gap, floor))
        found["over_certainty"] = float(nats[1] + np.log(right[0].min()))
    return found


def pairs(
    parameters: Parameters, shape: Shape, sizes: list[int], floor: float
) -> tuple[list[Row], list[Row]]:
    """Score rows of every copier, size and flip, and the probabilities of every step."""
    rows: list[Row] = []
    steps: list[Row] = []
    tasks = [(size, flip) for size in sizes for flip in copying.FLIPS]
    for size, flip in progress.track(tasks, description="pairs", unit="pair"):
        written, logs = copying.greedy(parameters, shape, copying.pair(size, flip))
        at = copying.flipped(size, flip)
        for seed in range(decoder.count(parameters)):
            own = logs[seed].double().cpu().numpy()
            rows += rows_of(panels(own, written[seed].cpu().numpy(), at, floor), seed, size, flip)
            if flip == "last":
                steps += [
                    {"seed": seed, "size": size, "flip": flip, "string": string, "step": step}
                    | {"written": int(written[seed, number, step])}
                    | {"p_one": float(np.exp(own[number, step, 1]))}
                    for number, string in enumerate(("alpha", "beta"))
                    for step in range(size)
                ]
    return rows, steps


@torch.inference_mode()
def sampling(parameters: Parameters, shape: Shape, sizes: list[int], flip: str) -> list[Row]:
    """Exact probabilities of an error under sampling at temperature 1, and their union bounds.

    Up to the first error the written bits are alpha's, so the probability of no error is a product.
    """
    rows: list[Row] = []
    for size in sizes:
        strings = copying.pair(size, flip).to(decoder.device_of(parameters))
        strings = strings.expand(decoder.count(parameters), 2, size)
        alpha = torch.zeros_like(strings)
        logs = copying.logits_after(parameters, shape, strings, alpha).double().log_softmax(-1)
        doubts = -torch.expm1(logs[..., 0]).cpu().numpy()  # (S, 2, n)
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
            rows += rows_of(found, seed, size, flip)
    return rows


def gradients(parameters: Parameters, shape: Shape, sizes: list[int], flip: str) -> list[Row]:
    """Norms over all parameters of the gradient of the log-perplexity, on alpha and on beta.

    Each step follows the right bits (teacher forcing), as in the loss of corollary 3.7.
    """
    rows: list[Row] = []
    for tensor in parameters.values():
        tensor.requires_grad_()
    for size in progress.track(sizes, description="gradients", unit="size"):
        strings = copying.pair(size, flip).to(decoder.device_of(parameters))
        for number, string in enumerate(("alpha", "beta")):
            given = strings[number].expand(decoder.count(parameters), 1, size)
            logs = copying.taught(parameters, shape, given)
            nats = -logs.gather(-1, given[..., None])[..., 0].mean((1, 2))
            norms = _norms(torch.autograd.grad(nats.sum(), list(parameters.values())))
            for seed, (norm, value) in enumerate(zip(norms, nats.tolist(), strict=True)):
                found = {
                    f"gradient_{string}": norm,
                    f"size_times_gradient_{string}": size * norm,
                    f"taught_nats_{string}": value,
                }
                rows += rows_of(found, seed, size, flip)
    for tensor in parameters.values():
        tensor.requires_grad_(False)
    return rows


def _norms(parts: tuple[Tensor, ...]) -> list[float]:
    """Euclidean norm per seed over gradients of shape (S, ...) each."""
    squares = torch.stack([part.double().flatten(1).square().sum(1) for part in parts])
    return squares.sum(0).sqrt().tolist()


@torch.inference_mode()
def random_strings(
    parameters: Parameters, shape: Shape, sizes: list[int], strings: int, seed: int, floor: float
) -> list[Row]:
    """Metrics on random strings, each step after the right bits."""
    rows: list[Row] = []
    for size in sizes:
        rng = seeds.generator(seed, "perplexity", "copying", "test", size)
        drawn = torch.from_numpy(rng.integers(0, copying.BITS, (strings, size)))
        given = drawn.to(decoder.device_of(parameters))
        given = given.expand(decoder.count(parameters), strings, size)
        logs = copying.taught(parameters, shape, given).double().cpu().numpy()
        for index, own in enumerate(logs):
            found = metrics.of_predictions(own, drawn.numpy(), floor)
            rows += rows_of(found, index, size, "random")
    return rows


def main(
    weights: str,
    table: str,
    steps: str,
    copier: str,
    sizes: list[int],
    gradient_sizes: list[int],
    random_sizes: list[int],
    strings: int,
    floor: float,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the scores of the copiers in `weights` to `table`, and every step's bits to `steps`."""
    parameters, shape = decoder.read(weights)
    parameters = decoder.to(parameters, devices.for_tensors())
    rows, each_step = pairs(parameters, shape, sizes, floor)
    rows += sampling(parameters, shape, sizes, "last")
    rows += gradients(parameters, shape, gradient_sizes, "last")
    rows += random_strings(parameters, shape, random_sizes, strings, seed, floor)
    for found, path in ((rows, table), (each_step, steps)):
        tables.write(pd.DataFrame(found).assign(encoding=copier), path, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
