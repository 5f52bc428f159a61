"""E2: attention maps. Weights of the largest items of a few sets of each size (figure 2)."""

from typing import Any

import pandas as pd

from workflow_scripts.shared import adaptive_temperature, job, tables, weights
from workflow_scripts.softmax import blockwise, retrieval
from workflow_scripts.softmax.retrieval import Parameters, Sampler


def maps(
    head: Parameters, published: list[float], settings: dict[str, Any], seed: int, block: int
) -> pd.DataFrame:
    """Weights of the largest items, rank 0 the largest: one row per inference, set and rank."""
    categories = head["item1.weight"].shape[1] - 1
    ways = {
        "trained": lambda e: e.softmax(-1),
        "published": lambda e: adaptive_temperature.adaptive(e, published),
    }
    frames = []
    for items in settings["sizes"]:
        sampler = Sampler(seed, "softmax", "maps", items)
        first = 0
        for drawn in blockwise.batches(sampler, settings["sets"], items, categories, block):
            seen = blockwise.run(head, drawn, list(ways.values()), block)
            order = drawn.priority[0].argsort(-1, descending=True)[:, : settings["shown"]]
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
    heads: str,
    published: str,
    table: str,
    settings: dict[str, Any],
    block_items: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the attention maps of the first of `heads` to `table`, at both temperatures."""
    head = retrieval.head_of(weights.read(heads, "heads")[0], 0)
    coefficients = adaptive_temperature.published(published)
    frame = maps(head, coefficients, settings, seed, block_items)
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
