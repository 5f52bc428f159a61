"""The paper's lemmas and propositions as exact checks on random cases, in float64, and E7.

Every check counts violations, takes the largest error over its cases, or compares with a closed
form. Its rows go into the scores as they are, under the model name `theory`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import spearmanr

from workflow_scripts.glasses import numerics, sensitivity
from workflow_scripts.glasses.rows import Row, exact, interval, positive
from workflow_scripts.shared import job, provenance, seeds, tables
from workflow_scripts.shared.statistics import seed_interval

ROUNDING = 1.0e-12  # absolute room for float64 in an inequality between weights
SPREAD = 5.0  # range of random bounded logits
PREFIX, NOISE = 200, 0.1  # E7: perturbed entries, upper end of the noise (appendix C)
TAIL = 2 * (np.e - 1) / (np.e + 1)  # proposition B.4
RATIOS = ((1, 1), (1, 2), (3, 2))  # n0 : n1
MULTIPLES = (1, 2, 3, 8)


def insertion(rng: np.random.Generator, cases: int, sizes: Sequence[int]) -> list[Row]:
    """G1: the last weight with one more entry before it, against the one without; and its fall."""
    violations, means = 0, []
    for size in sizes:
        logits = rng.uniform(0, SPREAD, (cases, size + 1))
        without = softmax(np.delete(logits, size - 1, axis=1), axis=1)[:, -1]
        with_one = softmax(logits, axis=1)[:, -1]
        violations += int((with_one >= without).sum())
        means.append(np.log(with_one))
    slopes = np.polyfit(np.log(sizes), np.stack(means), 1)[0]
    return [
        exact("G1", "violations", violations, cases * len(sizes)),
        interval("G1", "last_weight_slope", seed_interval(slopes)),
    ]


def variation(rng: np.random.Generator, size: int) -> float:
    """E7: L1 distance of the softmaxes of x in [0, 1]^n and of x with its start perturbed."""
    x = rng.random(size)
    shifted = x.copy()
    shifted[:PREFIX] += rng.uniform(0, NOISE, min(PREFIX, size))
    return float(np.abs(softmax(x) - softmax(shifted)).sum())


def variations(seed: int, count: int, sizes: Sequence[int]) -> list[Row]:
    """E7 by size, with least and greatest seed as the paper draws them, and the final slope."""
    found = np.array(
        [
            [variation(seeds.generator(seed, "glasses", "E7", index), size) for size in sizes]
            for index in range(count)
        ]
    )
    rows = []
    for column, size in enumerate(sizes):
        values = found[:, column]
        row = exact("E7", "variation_l1", values.mean(), count, length=size)
        rows.append(row | {"ci_low": values.min(), "ci_high": values.max()})
    slopes = numerics.tail_slopes(sizes, found, 8 * PREFIX)
    return [*rows, interval("E7", "variation_slope", seed_interval(slopes))]


def alternating(sizes: Sequence[int]) -> list[Row]:
    """G4: x = 1,0,1,0,... against 0,1,0,1,...: the distance does not move from its closed form."""
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
            rows.append(interval("G3", metric, seed_interval(values), length=size))
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
    """G7: largest difference between sequences of equal n0 : n1, attention both ways and causal."""
    worst = {"bidirectional": 0.0, "causal": 0.0}
    generator = torch.Generator().manual_seed(seeds.derive(seed, "glasses", "G7"))
    net = sensitivity.draw(generator, layers, width)
    zero, one = torch.randn(2, width, generator=generator, dtype=torch.float64)
    for direction in worst:
        for zeros, ones in RATIOS:
            found = []
            for times in MULTIPLES:
                tokens = torch.stack([one] * (ones * times) + [zero] * (zeros * times))
                found.append(_last(net, tokens, causal=direction == "causal"))
            apart = max(float((each - found[0]).abs().max()) for each in found)
            worst[direction] = max(worst[direction], apart)
    cases = len(RATIOS) * (len(MULTIPLES) - 1)
    return [
        exact("G7", "ratio_gap_linf", value, cases, encoding=direction)
        for direction, value in worst.items()
    ]


def _last(net: list[sensitivity.Layer], tokens: torch.Tensor, causal: bool) -> torch.Tensor:
    states = tokens
    for layer in net:
        hidden = sensitivity.norm(states)
        if causal:
            weights = sensitivity.lambda_of(layer, states, alibi=False)
        else:
            logits = (hidden @ layer.query) @ (hidden @ layer.key).T * states.shape[-1] ** -0.5
            weights = logits.softmax(-1)
        mixed = weights @ hidden + states
        states = (sensitivity.norm(mixed) @ layer.inner).relu() @ layer.outer + mixed
    return sensitivity.norm(states[-1])


def paths(layers: Sequence[int], tokens: int) -> list[Row]:
    """G5: causal paths from each token to the last, and the weight of token 1 in B.8."""
    rows = []
    for depth in layers:
        rows += [
            exact(
                "paths",
                "path_count",
                sensitivity.path_count(tokens - place, depth),
                1,
                depth=depth,
                position=place,
            )
            for place in range(1, tokens + 1)
        ]
        row = sensitivity.averaged(sensitivity.uniform_causal(tokens), depth)
        rows += [
            exact("B8", "averaged_weight", value, 1, depth=depth, position=place)
            for place, value in enumerate(row.tolist(), 1)
        ]
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
    least = min(found)
    return [exact("B8", "least_first_weight", least, cases, depth=depth)]


def bounds(seed: int, count: int, width: int, tokens: int, layers: Sequence[int]) -> list[Row]:
    """G5: autograd Jacobians of random decoders against the bound; G16: where they are large."""
    rows: list[Row] = []
    broken = {"fixed": 0, "varying": 0}
    for encoding in ("none", "alibi"):
        for depth in layers:
            norms: dict[str, list[NDArray]] = {"bound": [], "fixed": [], "varying": []}
            for index in range(count):
                name = seeds.derive(seed, "glasses", "G5", encoding, depth, index)
                generator = torch.Generator().manual_seed(name)
                net = sensitivity.draw(generator, depth, width)
                drawn = torch.randn(tokens, width, generator=generator, dtype=torch.float64)
                alibi = encoding == "alibi"
                limit = sensitivity.bound(net, sensitivity.run(net, drawn, alibi))
                norms["bound"].append(limit.numpy())
                for kind in broken:
                    found = sensitivity.jacobian_norms(net, drawn, alibi, kind == "fixed")
                    broken[kind] += int((found > limit * (1 + 1e-9)).sum())
                    norms[kind].append(found.numpy())
            where = {"encoding": encoding, "depth": depth}
            rows += profile("G5", {name: np.stack(each) for name, each in norms.items()}, where)
    cases = 2 * len(layers) * count * tokens
    rows += [
        exact("G5", f"bound_violations_{kind}", number, cases) for kind, number in broken.items()
    ]
    return rows


def profile(experiment: str, norms: dict[str, NDArray], where: dict[str, Any]) -> list[Row]:
    """Norms (samples, n) by position, each sample divided by its mean; tightness; rank agreement.

    `u_shape` is the lesser of the first and the last position over the middle third's mean: above
    1 both ends count for more than the middle.
    """
    rows = []
    for kind, values in norms.items():
        relative = values / values.mean(1, keepdims=True)
        for place in range(values.shape[1]):
            found = positive(relative[:, place])
            rows.append(
                interval(experiment, f"sensitivity_{kind}", found, position=place + 1, **where)
            )
        third = values.shape[1] // 3
        ends = np.minimum(values[:, 0], values[:, -1]) / values[:, third:-third].mean(1)
        rows.append(interval(experiment, f"u_shape_{kind}", seed_interval(ends), **where))
        if kind != "bound":
            ratio = np.log10(norms["bound"] / values).mean(1)
            rows.append(
                interval(experiment, f"slack_decades_{kind}", seed_interval(ratio), **where)
            )
            ranks = [
                float(spearmanr(limit, value).statistic)
                for limit, value in zip(norms["bound"], values, strict=True)
            ]
            rows.append(interval(experiment, f"rank_{kind}", seed_interval(ranks), **where))
    return rows


def main(table: str, settings: dict[str, Any], seed: int, provenance: dict[str, Any]) -> None:
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
    with job.running(snakemake):
        main(
            snakemake.output.table,
            snakemake.params.settings,
            snakemake.params.seed,
            provenance=provenance.of(snakemake),
        )
