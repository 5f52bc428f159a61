"""E6, E8 and what follows from them: representational collapse in random decoders.

E8 (figure 10): queries, keys and values drawn by themselves, one attention, four encodings. E6
(figure 8): tokens N(0, 1) through random projections, one layer; the attention alone, and the whole
layer with its residual path. `depth`: whole layers on top of each other. `cures`: digits through
whole layers, with separators, a window or a sink. Each in several precisions; float64 is the
reference. The sizes that the paper does not give are in config.yaml.
"""

from collections.abc import Sequence
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
    """E8. One seed at a time: at 100,000 tokens a seed's draws take 150 MB."""
    cases = [(encoding, name) for encoding in stack.ENCODINGS for name in precisions]
    raw: dict[tuple[str, str], list[stack.Pair]] = {case: [] for case in cases}
    normed: dict[tuple[str, str], list[stack.Pair]] = {case: [] for case in cases}
    for generator in progress.track(generators(seed, count, "E8"), description="E8", unit="seed"):
        query, key, value = (normal(generator, 1, max(lengths), width) for _ in range(3))
        for encoding, precision in cases:
            found = stack.read_independent(
                (query, key, value), lengths, precision, Attention(encoding)
            )
            raw[encoding, precision].append(found[0])
            normed[encoding, precision].append(found[1])
    rows = []
    for encoding, precision in cases:
        for part, pairs in (("attention", raw), ("normalised", normed)):
            gaps = stacked(pairs[encoding, precision])
            rows += gap_rows("E8", lengths, gaps, precision, encoding=encoding, part=part)
    return rows


def projected(
    lengths: Sequence[int],
    count: int,
    width: int,
    depths: Sequence[int],
    precisions: Sequence[str],
    seed: int,
) -> list[Row]:
    """E6 where `depths` is 1, else `depth`: random tokens through whole layers."""
    name = "E6" if max(depths) == 1 else "depth"
    streams = generators(seed, count, name)
    weights = stack.draw(streams, max(depths), width)
    tokens = torch.cat([normal(stream, 1, max(lengths), width) for stream in streams])
    cases = [(encoding, precision) for encoding in stack.ENCODINGS for precision in precisions]
    rows = []
    for encoding, precision in progress.track(cases, description=name, unit="case"):
        how = Attention(encoding)
        found = stack.read(weights, tokens, lengths, depths, precision, how)
        where = {"encoding": encoding, "part": "layer"}
        for depth, pair in found.items():
            rows += gap_rows(name, lengths, stacked([pair]), precision, depth=depth, **where)
        if name == "E6":
            pair = stack.read_attention(weights, tokens, lengths, precision, how)
            where["part"] = "attention"
            rows += gap_rows(name, lengths, stacked([pair]), precision, depth=1, **where)
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
