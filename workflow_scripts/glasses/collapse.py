"""E6, E8 and what follows from them: representational collapse in random decoders.

E8 (figure 10): queries, keys and values drawn by themselves from N(0, 1), one attention, four
encodings. E6 (figure 8): the paper's N(0, 1/d) for queries, keys and values can be read as entries
of the projections or of the vectors. So tokens N(0, 1) go through random projections, one layer:
the attention alone, and the whole layer with its residual path; and vectors N(0, 1/d) are drawn by
themselves. `depth`: whole layers on top of each other. `cures`: digits through
whole layers, with separators, a window or a sink. Each in several precisions; float64 is the
reference. The sizes that the paper does not give are in config.yaml.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.glasses import numerics, stack
from workflow_scripts.glasses.rows import Row, gap_rows
from workflow_scripts.glasses.stack import Attention
from workflow_scripts.shared import job, progress, provenance, seeds, tables

GROUP = 3  # digits between two separators (section 4)
DIGITS = 10


def generators(seed: int, count: int, name: str) -> list[torch.Generator]:
    """One stream a seed."""
    return [
        torch.Generator().manual_seed(seeds.derive(seed, "glasses", name, index))
        for index in range(count)
    ]


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def stacked(found: Sequence[stack.Pair]) -> dict[str, np.ndarray]:
    """Gaps of pairs read one after another, seeds along the first axis."""
    each = [stack.gaps(pair) for pair in found]
    return {name: torch.cat([one[name] for one in each]).numpy() for name in each[0]}


def independent(
    lengths: Sequence[int], count: int, width: int, precisions: Sequence[str], seed: int
) -> list[Row]:
    """E8, and in float64 E6's vectors; the draws of a seed take 150 MB at 100,000 tokens."""
    found: dict[tuple[str, str, str, str], list[stack.Pair]] = {}
    for generator in progress.track(generators(seed, count, "E8"), description="E8", unit="seed"):
        drawn = tuple(normal(generator, 1, max(lengths), width) for _ in range(3))
        small = tuple(each * width**-0.5 for each in drawn)
        for encoding, precision in product(stack.ENCODINGS, precisions):
            how = Attention(encoding)
            both = stack.read_independent(drawn, lengths, precision, how)
            for part, pair in zip(("attention", "normalised"), both, strict=True):
                found.setdefault(("E8", part, encoding, precision), []).append(pair)
            if precision == "float64":
                pair, _ = stack.read_independent(small, lengths, precision, how)
                found.setdefault(("E6", "vectors", encoding, precision), []).append(pair)
    rows = []
    for (name, part, encoding, precision), pairs in found.items():
        gaps = stacked(pairs)
        rows += gap_rows(name, lengths, gaps, precision, encoding=encoding, part=part)
    return rows


def projected(
    lengths: Sequence[int],
    count: int,
    width: int,
    depths: Sequence[int],
    precisions: Sequence[str],
    seed: int,
) -> list[Row]:
    """E6 where `depths` is 1, else `depth`: random tokens through whole layers, seed by seed."""
    name = "E6" if max(depths) == 1 else "depth"
    found: dict[tuple[str, int, str, str], list[stack.Pair]] = {}
    for stream in progress.track(generators(seed, count, name), description=name, unit="seed"):
        weights = stack.draw([stream], max(depths), width)
        tokens = normal(stream, 1, max(lengths), width)
        for encoding, precision in product(stack.ENCODINGS, precisions):
            how = Attention(encoding)
            whole = stack.read(weights, tokens, lengths, depths, precision, how)
            for depth, pair in whole.items():
                found.setdefault(("layer", depth, encoding, precision), []).append(pair)
            if name == "E6":
                pair = stack.read_attention(weights, tokens, lengths, precision, how)
                found.setdefault(("attention", 1, encoding, precision), []).append(pair)
    rows = []
    for (part, depth, encoding, precision), pairs in found.items():
        where = {"encoding": encoding, "part": part, "depth": depth}
        rows += gap_rows(name, lengths, stacked(pairs), precision, **where)
    return rows


def separated(lengths: Sequence[int]) -> list[int]:
    """The nearest lengths whose last token is a digit that another digit may follow."""
    every = GROUP + 1
    return sorted({length - length % every + 1 for length in lengths if length >= every})


def digits(streams: Sequence[torch.Generator], length: int, width: int, separators: bool) -> Tensor:
    """Random digits as tokens (S, length, width), each digit one vector of a seed's own ten.

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


def cures(
    lengths: Sequence[int],
    count: int,
    width: int,
    depth: int,
    precisions: Sequence[str],
    window: int,
    seed: int,
) -> list[Row]:
    """The same random digits through the same layers, each cure by itself."""
    cases = [(encoding, cure) for encoding in stack.ENCODINGS for cure in stack.CURES]
    rows = []
    for encoding, cure in progress.track(cases, description="cures", unit="case"):
        streams = generators(seed, count, "cures")
        weights = stack.draw(streams, depth, width)
        tokens = digits(streams, max(lengths) + GROUP, width, cure == "separators")
        at = separated(lengths) if cure == "separators" else lengths
        how = Attention(encoding, window if cure == "window" else None, cure == "sink")
        for precision in precisions:
            found = stack.read(weights, tokens, at, [depth], precision, how)[depth]
            where = {"encoding": encoding, "cure": cure, "depth": depth, "part": "layer"}
            rows += gap_rows("cures", at, stacked([found]), precision, **where)
    return rows


def main(
    table: str, settings: dict[str, Any], precisions: list[str], seed: int, provenance: Any
) -> None:
    width, count = settings["width"], settings["seeds"]
    grids = {
        name: numerics.log_grid(settings[name]["least"], settings[name]["most"], settings["points"])
        for name in ("independent", "projected", "depth", "cures")
    }
    own = settings["cures"]
    rows = [
        *independent(grids["independent"], count, width, precisions, seed),
        *projected(grids["projected"], count, width, [1], precisions, seed),
        *projected(grids["depth"], count, width, settings["depth"]["layers"], precisions, seed),
        *cures(grids["cures"], count, width, own["layers"], precisions, own["window"], seed),
    ]
    tables.write(pd.DataFrame(rows).assign(model="random stack"), table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.output.table,
            snakemake.params.settings,
            snakemake.params.precisions,
            snakemake.params.seed,
            provenance=provenance.of(snakemake),
        )
