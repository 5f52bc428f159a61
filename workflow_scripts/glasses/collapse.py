"""E6, E8 and what follows from them: representational collapse in random decoders.

E6 (figure 8): queries, keys and values N(0, 1/d), sinusoids on queries and keys. E8 (figure 10):
queries, keys and values of length 1, four encodings, ALiBi's slope subtracted before the division
by the root of d. Both read the output of one attention. E6 is repeated with sinusoids on the values
as well, which the paper's figure excludes. `layer`: random tokens through one whole layer with
projections, residual path and network, as in the theorems. `depth`: whole layers, stacked. `cures`:
digits through whole layers with separators, a window or a sink, and ones with a window. Each in
several precisions; float64 is the reference. Sizes that the paper does not give are in config.yaml.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.glasses import metrics, random_decoders
from workflow_scripts.glasses.gap_scores import gap_rows, limit_rows
from workflow_scripts.glasses.random_decoders import (
    ALIBI_SLOPE,
    CURES,
    ENCODINGS,
    Attention,
    Pair,
)
from workflow_scripts.shared import job, progress, seeds, tables
from workflow_scripts.shared.scores import Row

GROUP = 3  # digits between two separators (section 4)
DIGITS = 10
PREFIX = 3  # tokens before the constant sequence, for the words of a prompt
# Each family's cures. Of ones only the window is a question: they hold no other token to keep.
FAMILIES = {"ones": ("none", "window"), "digits": CURES}

Found = tuple[str, dict[str, Any], Pair]  # experiment, conditions, one seed's representations


def generators(seed: int, count: int, name: str) -> list[torch.Generator]:
    """One generator per seed."""
    return [
        torch.Generator().manual_seed(seeds.derive(seed, "glasses", name, index))
        for index in range(count)
    ]


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal draws of the given shape, float64."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def pooled_rows(found: Iterable[Found], lengths: Sequence[int]) -> list[Row]:
    """Scores over seeds for each experiment and set of conditions."""
    pairs: dict[tuple[Any, ...], list[Pair]] = {}
    for experiment, where, pair in found:
        pairs.setdefault((experiment, *where.items()), []).append(pair)
    rows = []
    for (experiment, *conditions), own in pairs.items():
        where = {"units": "seeds", **dict(conditions)}
        each = [random_decoders.gaps(pair, where["precision"]) for pair in own]
        gaps = {name: np.concatenate([one[name] for one in each]) for name in each[0]}
        rows += gap_rows(experiment, lengths, gaps, **where)
        if where["precision"] == "float64":
            rows += limit_rows(experiment, lengths, gaps, **where)
    return rows


def independent(
    lengths: list[int], count: int, width: int, precisions: list[str], seed: int
) -> list[Row]:
    """E8, and E6 in float64; the draws of a seed take 150 MB at 100,000 tokens."""
    found: list[Found] = []
    for generator in progress.track(generators(seed, count, "E8"), description="E8", unit="seed"):
        drawn = tuple(normal(generator, 1, max(lengths), width) for _ in range(3))
        for encoding, precision in product(ENCODINGS, precisions):
            how = Attention(encoding, slope=ALIBI_SLOPE * width**-0.5)
            pair = random_decoders.read_independent(drawn, lengths, precision, how, unit=True)
            where = {"encoding": encoding, "precision": precision, "part": "attention"}
            found.append(("E8", where, pair))
        small = tuple(each * width**-0.5 for each in drawn)
        for part, values_too in (("attention", False), ("values", True)):
            pair = random_decoders.read_independent(
                small, lengths, "float64", Attention("sinusoidal"), values_too=values_too
            )
            where = {"encoding": "sinusoidal", "precision": "float64", "part": part}
            found.append(("E6", where, pair))
    return pooled_rows(found, lengths)


def projected(
    lengths: list[int], count: int, width: int, depths: list[int], precisions: list[str], seed: int
) -> list[Row]:
    """`layer` if the greatest of `depths` is 1, else `depth`: random tokens, whole layers."""
    found: list[Found] = []
    name = "layer" if max(depths) == 1 else "depth"
    for stream in progress.track(generators(seed, count, name), description=name, unit="seed"):
        weights = random_decoders.draw([stream], max(depths), width)
        tokens = normal(stream, 1, max(lengths), width)
        for encoding, precision in product(ENCODINGS, precisions):
            how = Attention(encoding)
            where = {"encoding": encoding, "precision": precision}
            whole = random_decoders.read(weights, tokens, lengths, depths, precision, how)
            for depth, pair in whole.items():
                found.append((name, where | {"part": "layer", "depth": depth}, pair))
    return pooled_rows(found, lengths)


def separated(lengths: Sequence[int]) -> list[int]:
    """The nearest lengths whose last token is a digit that another digit may follow."""
    every = GROUP + 1
    return sorted({length - length % every + 1 for length in lengths if length >= every})


def digits(streams: Sequence[torch.Generator], length: int, width: int, separators: bool) -> Tensor:
    """Random digits as tokens (S, length, width), each digit one of the seed's ten vectors.

    With `separators`, every fourth token is an eleventh vector.
    """
    tokens = []
    for stream in streams:
        vectors = normal(stream, DIGITS + 1, width)
        drawn = torch.randint(DIGITS, (length,), generator=stream)
        if separators:
            drawn[GROUP :: GROUP + 1] = DIGITS
        tokens.append(vectors[drawn])
    return torch.stack(tokens)


def ones(streams: Sequence[torch.Generator], length: int, width: int) -> Tensor:
    """A prefix of random tokens and then one token repeated, (S, length, width).

    The paper's sequence of ones behind the words of a prompt.
    """
    tokens = []
    for stream in streams:
        vectors = normal(stream, 1 + PREFIX, width)
        kinds = torch.zeros(length, dtype=torch.int64)
        kinds[:PREFIX] = torch.arange(1, 1 + PREFIX)
        tokens.append(vectors[kinds])
    return torch.stack(tokens)


def cures(
    lengths: list[int],
    count: int,
    width: int,
    depth: int,
    precisions: list[str],
    window: int,
    seed: int,
) -> list[Row]:
    """Scores of the same tokens of each family through the same layers, each cure on its own."""
    cases = [
        (family, encoding, cure)
        for family, own in FAMILIES.items()
        for encoding, cure in product(ENCODINGS, own)
    ]
    rows = []
    for family, encoding, cure in progress.track(cases, description="cures", unit="case"):
        streams = generators(seed, count, "cures")
        weights = random_decoders.draw(streams, depth, width)
        if family == "ones":
            tokens = ones(streams, max(lengths), width)
        else:
            tokens = digits(streams, max(lengths) + GROUP, width, cure == "separators")
        at = separated(lengths) if cure == "separators" else lengths
        how = Attention(encoding, window if cure == "window" else None, cure == "sink")
        where = {"encoding": encoding, "cure": cure, "depth": depth, "part": "layer"}
        where["family"] = family
        for precision in precisions:
            pair = random_decoders.read(weights, tokens, at, [depth], precision, how)[depth]
            rows += pooled_rows([("cures", where | {"precision": precision}, pair)], at)
    return rows


def main(
    table: str,
    settings: dict[str, Any],
    precisions: list[str],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the scores of all random decoders; `settings` is `glasses.stack` of the config."""
    width, count, own = settings["width"], settings["seeds"], settings["cures"]
    grids = {
        name: metrics.log_grid(settings[name]["least"], settings[name]["most"], settings["points"])
        for name in ("projected", "depth", "cures")
    }
    rows = [
        *independent(sorted(settings["independent"]), count, width, precisions, seed),
        *projected(grids["projected"], count, width, [1], precisions, seed),
        *projected(grids["depth"], count, width, settings["depth"]["layers"], precisions, seed),
        *cures(grids["cures"], count, width, own["layers"], precisions, own["window"], seed),
    ]
    tables.write(pd.DataFrame(rows).assign(model="random stack"), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
