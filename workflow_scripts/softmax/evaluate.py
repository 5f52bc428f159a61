"""E1 and E7: what trained heads get right on sets of 16 to 16,384 items, and how they attend.

Heads with softmax are also read at the paper's adaptive temperature and at our two refits of it;
the weights stay as trained. All ways of reading see the same sets.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.shared import adaptive_temperature, files, job, progress, provenance, tables
from workflow_scripts.softmax import attention, dispersion, heads, reading, retrieval
from workflow_scripts.softmax.reading import Weighting
from workflow_scripts.softmax.retrieval import Parameters, Sampler

GRID = 256  # points of the priority, and of the query, where a head's logits are looked up


def weightings(
    head: Parameters,
    normaliser: str,
    top_k: int,
    published: list[float],
    refits: dict[str, dict[str, Any]],
) -> dict[str, Weighting]:
    """The ways in which a head is read: name -> function from logits to weights."""
    weigh = attention.NORMALISERS[normaliser]
    ways: dict[str, Weighting] = {"trained": lambda e: weigh(e, None, head["scale"], top_k)}
    if refits:
        ways["published"] = partial(adaptive_temperature.adaptive, coefficients=published)
    for criterion, fit in refits.items():
        low, high = fit["entropy_range_nats"]
        ways[f"refit_{criterion}"] = partial(
            adaptive_temperature.adaptive, coefficients=fit["coefficients"], domain=(low, high)
        )
    return ways


def set_count(items: int, most_sets: int, total_items: int) -> int:
    """Sets of one size for each seed: `most_sets`, less where they'd hold over `total_items`."""
    return max(1, min(most_sets, total_items // items))


@torch.inference_mode()
def domain_spread(head: Parameters) -> tuple[float, float]:
    """Largest possible max - min logit of a head, and its largest share of proposition 3.1's bound.

    Over every class, priority and query: the inputs are a compact set (theorem 2.2), looked up on
    a grid of `GRID` priorities and `GRID` queries. The bound takes Q's bias as one more input
    that is always 1; K's bias adds the same to every logit.
    """
    categories = head["item1.weight"].shape[1] - 1
    ramp = torch.linspace(0.0, 1.0, GRID)
    priority = ramp.repeat(categories)[None, None]
    category = torch.arange(categories).repeat_interleave(GRID)[None, None]
    hidden = retrieval.item_hidden(head, priority, category)
    query = ramp[None, :, None]
    direction, _ = retrieval.probe(head, query)
    every = (hidden[0, 0] @ direction[0].mT).double()  # (categories * GRID, GRID queries)
    spread = every.max(0).values - every.min(0).values
    items = retrieval.linear(head, "item2", hidden[0])[0]
    queries = retrieval.mlp(head, "query", query)[0]
    with_bias = torch.cat([queries, torch.ones(GRID, 1)], 1)
    query_map = torch.cat([head["q.weight"][0], head["q.bias"][0]])
    largest = items[items.norm(dim=-1).argmax()][None]
    share = max(
        float(spread[at])
        / dispersion.spread_bound(
            query_map, head["k.weight"][0], with_bias[at], largest, math.sqrt(items.shape[-1])
        )
        for at in range(0, GRID, GRID // 16)
    )
    return float(spread.max()), share


def measures(sets: retrieval.Sets, seen: reading.Reading, spread: float) -> dict[str, Tensor]:
    """Per way and set, shape (W, B) each: the quantities that are averaged, or counted."""
    items = seen.logits.shape[-1]
    largest = sets.priority[0].argmax(-1)
    total = seen.weights.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    shares = seen.weights / total
    delta = seen.logits.max(-1).values - seen.logits.min(-1).values
    # S1 in logarithms, with room for float32 rounding of weights near 1.
    room = spread - math.log(items) + 1.0e-4
    return {
        "accuracy": (seen.scores.argmax(-1) == sets.label).float(),
        "entropy_nats": adaptive_temperature.entropy_nats(shares),
        "largest_item_weight": shares[..., torch.arange(len(largest)), largest],
        "max_weight": shares.max(-1).values,
        "bound_violations": (shares.max(-1).values.log() > room).float(),
        "logit_spread": delta.expand(len(seen.weights), -1),
    }


def evaluate(
    stack: Parameters,
    sizes: list[int],
    counts: Callable[[int], int],
    ways_of: Callable[[Parameters], dict[str, Weighting]],
    seed: int,
    block: int,
) -> pd.DataFrame:
    """One row for each seed, size, way of reading and metric: `value` is a mean over `n` sets."""
    rows = []
    categories = stack["item1.weight"].shape[1] - 1
    tasks = [(index, items) for index in range(heads.count(stack)) for items in sizes]
    for index, items in progress.track(tasks, description="test sets", unit="size"):
        head = retrieval.head_of(stack, index)
        ways, (spread, share) = ways_of(head), domain_spread(head)
        # The same sets whatever the normaliser, so that heads are compared on equal sets.
        sampler = Sampler(seed, "softmax", "test", index, items)
        found: dict[str, list[Tensor]] = {}
        for sets in reading.chunks(sampler, counts(items), items, categories, block):
            seen = reading.read(head, sets, list(ways.values()), block)
            for metric, sample in measures(sets, seen, spread).items():
                found.setdefault(metric, []).append(sample)
        key = {"seed": index, "items": items}
        for metric, values in found.items():
            pooled = torch.cat(values, -1).double()
            for way, sample in zip(ways, pooled, strict=True):
                row = {"inference": way, "metric": metric, "n": len(sample)}
                rows.append(key | row | {"value": float(sample.mean())})
        for metric, value in (("domain_spread", spread), ("domain_spread_to_bound", share)):
            row = {"inference": "trained", "metric": metric, "n": GRID * GRID, "value": value}
            rows.append(key | row)
    return pd.DataFrame(rows)


def main(
    weights: str,
    fit: str | None,
    table: str,
    normaliser: str,
    top_k: int,
    sizes: list[int],
    most_sets: int,
    total_items: int,
    block: int,
    seed: int,
    published_csv: str | Path,
    provenance: dict[str, Any],
) -> None:
    published = adaptive_temperature.published(published_csv)
    refits = files.read_json(fit) if fit else {}
    frame = evaluate(
        heads.read(weights),
        sizes,
        lambda items: set_count(items, most_sets, total_items),
        lambda head: weightings(head, normaliser, top_k, published, refits),
        seed,
        block,
    )
    frame.insert(0, "normaliser", normaliser)
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.input.weights,
            snakemake.input.get("fit"),
            snakemake.output.table,
            snakemake.wildcards.normaliser,
            params.top_k,
            params.sizes,
            params.sets,
            params.total_items,
            params.block_items,
            params.seed,
            snakemake.input.published,
            provenance=provenance.of(snakemake),
        )
