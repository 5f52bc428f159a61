"""The paper's lemmas and propositions as exact checks on random cases, in float64, and E7.

Every check counts violations, takes the largest error over its cases, or compares with a closed
form. Its rows enter the scores as they are, under the model name `theory`.
"""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

from workflow_scripts.glasses import sensitivity
from workflow_scripts.glasses.metrics import NOISE, PREFIX
from workflow_scripts.shared import job, limits, scores, seeds, tables
from workflow_scripts.shared.scores import Row, interval, mean
from workflow_scripts.shared.statistics import Interval

ROUNDING = 1.0e-12  # absolute tolerance for float64 in an inequality between weights
SPREAD = 5.0  # range of random bounded logits
TAIL = 2 * (np.e - 1) / (np.e + 1)  # proposition B.4
RATIOS = ((1, 1), (1, 2), (3, 2))  # zeros : ones
MULTIPLES = (1, 2, 3, 8)

exact = partial(scores.exact, units="cases")


def insertion(rng: np.random.Generator, cases: int, sizes: Sequence[int]) -> list[Row]:
    """G1: whether one more entry before the last lowers its weight, and the weight's limit."""
    violations, weights = 0, []
    for size in sizes:
        logits = rng.uniform(0, SPREAD, (cases, size + 1))
        without = softmax(np.delete(logits, size - 1, axis=1), axis=1)[:, -1]
        with_one = softmax(logits, axis=1)[:, -1]
        violations += int((with_one >= without).sum())
        weights.append(with_one)
    found = limits.limit(sizes, np.stack(weights, 1))
    return [
        exact("G1", "violations", violations, cases * len(sizes)),
        interval("G1", "last_weight_limit", found, units="cases"),
    ]


def variation(rng: np.random.Generator, size: int) -> float:
    """E7: L1 distance of the softmaxes of x in [0, 1]^size and of x with its start perturbed."""
    x = rng.random(size)
    shifted = x.copy()
    shifted[:PREFIX] += rng.uniform(0, NOISE, min(PREFIX, size))
    return float(np.abs(softmax(x) - softmax(shifted)).sum())


def variations(seed: int, count: int, sizes: Sequence[int]) -> list[Row]:
    """E7 by size, with least and greatest seed as the paper draws them, and the limit.

    The limit is fitted from 8 times the perturbed entries on, where these no longer dominate.
    """
    found = np.array(
        [
            [variation(seeds.generator(seed, "glasses", "E7", index), size) for size in sizes]
            for index in range(count)
        ]
    )
    rows = []
    for size, values in zip(sizes, found.T, strict=True):
        ends = Interval(values.mean(), values.min(), values.max(), count)
        rows.append(interval("E7", "variation_l1", ends, units="seeds", length=size))
    far = [index for index, size in enumerate(sizes) if size >= 8 * PREFIX]
    limit = limits.limit([sizes[index] for index in far], found[:, far])
    return [*rows, interval("E7", "variation_limit", limit, units="seeds")]


def alternating(sizes: Sequence[int]) -> list[Row]:
    """G4: the distance of x = 1,0,1,0,... from 0,1,0,1,... against its closed form."""
    found = []
    for size in sizes:
        x = (np.arange(size) % 2 == 0).astype(float)
        found.append(float(np.abs(softmax(x) - softmax(1 - x)).sum()))
    return [
        *(
            exact("G4", "variation_l1", value, 1, length=size)
            for size, value in zip(sizes, found, strict=True)
        ),
        exact("G4", "closed_form_error", np.abs(np.array(found) - TAIL).max(), len(found)),
        exact("G4", "variation_l1", found[-1], len(found)),
    ]


def chain(rng: np.random.Generator, cases: int, sizes: Sequence[int], width: int) -> list[Row]:
    """G3: gap <= distance of the weights on the shared tokens + weight on the repeated one.

    Values have L1 norm 1, so the gap is in L1 as in the theorem. Queries and keys carry no
    position, so the assumption of the theorem holds.
    """
    violations, rows = 0, []
    for size in sizes:
        parts = np.array([_chain(rng, size, width) for _ in range(cases)])
        gap, distance, repeated = parts.T
        violations += int((gap > distance + repeated + ROUNDING).sum())
        for metric, values in (("gap_l1", gap), ("shared", distance), ("repeated", repeated)):
            rows.append(mean("G3", metric, values, units="cases", length=size))
    return [*rows, exact("G3", "chain_violations", violations, cases * len(sizes))]


def _chain(rng: np.random.Generator, size: int, width: int) -> tuple[float, float, float]:
    query, *keys = rng.normal(size=(size + 1, width))
    values = rng.normal(size=(size, width))
    values /= np.abs(values).sum(1, keepdims=True)
    logits = np.array(keys) @ query * width**-0.5
    plain = softmax(logits)
    longer = softmax(np.append(logits, logits[-1]))
    gap = np.abs(plain @ values - longer[:-1] @ values - longer[-1] * values[-1]).sum()
    return float(gap), float(np.abs(plain - longer[:-1]).sum()), float(longer[-1])


def ratios(seed: int, width: int, layers: int) -> list[Row]:
    """G7: largest difference between sequences with one ratio of zeros to ones, by attention."""
    generator = torch.Generator().manual_seed(seeds.derive(seed, "glasses", "G7"))
    net = sensitivity.draw(generator, layers, width)
    zero, one = torch.randn(2, width, generator=generator, dtype=torch.float64)
    rows = []
    for direction in ("bidirectional", "causal"):
        apart = []
        for zeros, ones in RATIOS:
            first, *others = (
                sensitivity.run(net, torch.stack(tokens), causal=direction == "causal").last
                for tokens in ([one] * ones * times + [zero] * zeros * times for times in MULTIPLES)
            )
            apart += [float((other - first).abs().max()) for other in others]
        rows.append(exact("G7", "ratio_gap_linf", max(apart), len(apart), encoding=direction))
    return rows


def paths(layers: Sequence[int], tokens: int) -> list[Row]:
    """G5: causal paths from each token to the last one, and the weights of proposition B.8."""
    rows = []
    for depth in layers:
        counts = [sensitivity.path_count(tokens - place, depth) for place in range(1, tokens + 1)]
        weights = sensitivity.averaged(sensitivity.uniform_causal(tokens), depth).tolist()
        for name, metric, values in (
            ("paths", "path_count", counts),
            ("B8", "averaged_weight", weights),
        ):
            for place, value in enumerate(values, 1):
                rows.append(exact(name, metric, value, 1, depth=depth, position=place))
    return rows


def first_token_wins(rng: np.random.Generator, cases: int, tokens: int, depth: int) -> list[Row]:
    """G6: weight of token 1 in ((Lambda + I)/2)^depth over random causal softmax matrices."""
    found = []
    for _ in range(cases):
        logits = np.where(
            np.tri(tokens, dtype=bool), rng.uniform(0, SPREAD, (tokens, tokens)), -np.inf
        )
        weights = torch.from_numpy(softmax(logits, axis=1))
        found.append(float(sensitivity.averaged(weights, depth)[0]))
    return [exact("B8", "least_first_weight", min(found), cases, depth=depth)]


def bounds(seed: int, count: int, width: int, tokens: int, layers: Sequence[int]) -> list[Row]:
    """G5: autograd Jacobians of random decoders against the bound; G16: where they are large."""
    rows: list[Row] = []
    broken = {"fixed": 0, "varying": 0}
    for encoding, depth in product(("none", "alibi"), layers):
        samples = []
        for index in range(count):
            name = seeds.derive(seed, "glasses", "G5", encoding, depth, index)
            generator = torch.Generator().manual_seed(name)
            net = sensitivity.draw(generator, depth, width)
            drawn = torch.randn(tokens, width, generator=generator, dtype=torch.float64)
            samples.append(sensitivity.norms(net, drawn, encoding == "alibi"))
        norms = sensitivity.stacked(samples)
        rows += sensitivity.profile("G5", norms, "seeds", encoding=encoding, depth=depth)
        for kind in broken:
            broken[kind] += sensitivity.violations(norms, kind)
    cases = 2 * len(layers) * count * tokens
    return rows + [
        exact("G5", f"bound_violations_{kind}", number, cases) for kind, number in broken.items()
    ]


def main(table: str, settings: dict[str, Any], seed: int, provenance: dict[str, Any]) -> None:
    """Write the scores of all checks; `settings` is `glasses.theory` of the config."""
    rng = seeds.generator(seed, "glasses", "theory")
    cases, width = settings["cases"], settings["width"]
    sizes = settings["sizes"]
    own = settings["sensitivity"]
    rows = [
        *insertion(rng, cases, sizes),
        *variations(seed, settings["variation"]["seeds"], settings["variation"]["sizes"]),
        *alternating([size for size in sizes if size % 2 == 0]),
        *chain(rng, settings["chain"]["cases"], settings["chain"]["sizes"], width),
        *ratios(seed, width, max(own["layers"])),
        *paths(settings["paths"]["layers"], settings["paths"]["tokens"]),
        *first_token_wins(rng, cases, settings["paths"]["tokens"], settings["paths"]["deepest"]),
        *bounds(seed, own["seeds"], own["width"], own["tokens"], own["layers"]),
    ]
    tables.write(pd.DataFrame(rows).assign(model="theory"), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
