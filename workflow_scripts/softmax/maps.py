"""E2: attention maps. Weights of the largest items of a few sets, size by size (figure 2)."""

from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.shared import adaptive_temperature, job, provenance, tables
from workflow_scripts.softmax import heads, reading, retrieval
from workflow_scripts.softmax.retrieval import Parameters, Sampler


def maps(
    head: Parameters,
    published: list[float],
    sizes: list[int],
    sets: int,
    shown: int,
    seed: int,
    block: int,
) -> pd.DataFrame:
    """Weights of the `shown` largest items, rank 0 the largest, of `sets` sets for each size."""
    categories = head["item1.weight"].shape[1] - 1
    ways = {
        "trained": lambda e: e.softmax(-1),
        "published": lambda e: adaptive_temperature.adaptive(e, published),
    }
    frames = []
    for items in sizes:
        sampler = Sampler(seed, "softmax", "maps", items)
        first = 0
        for drawn in reading.chunks(sampler, sets, items, categories, block):
            seen = reading.read(head, drawn, list(ways.values()), block)
            order = drawn.priority[0].argsort(-1, descending=True)[:, :shown]
            top = seen.weights.gather(-1, order.expand(len(ways), -1, -1))
            index = pd.MultiIndex.from_product(
                [ways, range(first, first + len(order)), range(order.shape[1])],
                names=["inference", "set", "rank"],
            )
            frame = pd.DataFrame({"weight": top.flatten().numpy()}, index=index).reset_index()
            frames.append(frame.assign(items=items))
            first += len(order)
    return pd.concat(frames, ignore_index=True)


def main(
    weights: str,
    table: str,
    head: int,
    sizes: list[int],
    sets: int,
    shown: int,
    block: int,
    seed: int,
    published_csv: str | Path,
    provenance: dict[str, Any],
) -> None:
    parameters = retrieval.head_of(heads.read(weights), head)
    published = adaptive_temperature.published(published_csv)
    frame = maps(parameters, published, sizes, sets, shown, seed, block)
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.input.weights,
            snakemake.output.table,
            0,
            params.sizes,
            params.sets,
            params.shown,
            params.block_items,
            params.seed,
            snakemake.input.published,
            provenance=provenance.of(snakemake),
        )
