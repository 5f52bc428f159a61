"""E1 and E7: accuracy and attention of trained heads on sets of 16 to 16,384 items.

Softmax heads are also evaluated at the paper's adaptive temperature and at our two refits of it;
their weights stay as trained. Every inference sees the same sets.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.shared import adaptive_temperature, files, job, progress, tables, weights
from workflow_scripts.softmax import blockwise, dispersion, normalisers, retrieval
from workflow_scripts.softmax.blockwise import Weighting
from workflow_scripts.softmax.retrieval import Parameters, Sampler

GRID = 256  # grid points of the priority, and of the query, at which logits are computed


def weightings(
    head: Parameters,
    normaliser: str,
    top_k: int,
    published: list[float],
    refits: dict[str, dict[str, Any]],
) -> dict[str, Weighting]:
    """How logits become weights at inference: name -> function, (..., n) -> (..., n)."""
    weigh = normalisers.NORMALISERS[normaliser]
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
    """Number of sets per size and seed: `most_sets`, or as many as hold `total_items`."""
    return max(1, min(most_sets, total_items // items))


@torch.inference_mode()
def domain_spread(head: Parameters) -> tuple[float, float]:
    """Largest possible max - min logit of a head (S = 1), and its share of proposition 3.1's bound.

    Over every class, priority and query: the inputs form a compact set (theorem 2.2), sampled on a
    grid of `GRID` priorities and `GRID` queries. The bound treats Q's bias as an additional input
    that is always 1; K's bias adds the same to every logit.
    """
    categories = head["item1.weight"].shape[1] - 1
    ramp = torch.linspace(0.0, 1.0, GRID)
    priority = ramp.repeat(categories)[None, None]
    category = torch.arange(categories).repeat_interleave(GRID)[None, None]
    hidden = retrieval.item_hidden(head, priority, category)
    query = ramp[None, :, None]
    direction, _ = retrieval.query_direction(head, query)
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


def metrics(sets: retrieval.Sets, seen: blockwise.Output, spread: float) -> dict[str, Tensor]:
    """Metrics per weighting and set, shape (W, B) each; `spread` is the head's largest."""
    items = seen.logits.shape[-1]
    largest = sets.priority[0].argmax(-1)
    total = seen.weights.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    shares = seen.weights / total
    delta = seen.logits.max(-1).values - seen.logits.min(-1).values
    # Bound S1 in logarithms, with room for float32 rounding of weights near 1.
    room = spread - math.log(items) + 1.0e-4
    return {
        "accuracy": (seen.class_logits.argmax(-1) == sets.label).float(),
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
    """One row per seed, size, inference and metric; `value` is a mean over `n` sets.

    `counts` gives the number of sets of a size, `ways_of` the weightings of a head.
    """
    rows = []
    categories = stack["item1.weight"].shape[1] - 1
    tasks = [(index, items) for index in range(retrieval.count(stack)) for items in sizes]
    for index, items in progress.track(tasks, description="test sets", unit="size"):
        head = retrieval.head_of(stack, index)
        ways, (spread, share) = ways_of(head), domain_spread(head)
        # The seed does not name the normaliser, so that heads are compared on equal sets.
        sampler = Sampler(seed, "softmax", "test", index, items)
        found: dict[str, list[Tensor]] = {}
        for sets in blockwise.batches(sampler, counts(items), items, categories, block):
            seen = blockwise.run(head, sets, list(ways.values()), block)
            for metric, sample in metrics(sets, seen, spread).items():
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
    heads: str,
    fit: str | list[str],
    published: str,
    table: str,
    normaliser: str,
    top_k: int,
    sizes: list[int],
    sets: int,
    total_items: int,
    block_items: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the metrics of all `heads` to `table`.

    `fit` is the file of the refits, empty where there are none.
    """
    coefficients = adaptive_temperature.published(published)
    refits = files.read_json(fit) if isinstance(fit, str) else {}
    frame = evaluate(
        weights.read(heads, "heads")[0],
        sizes,
        lambda items: set_count(items, sets, total_items),
        lambda head: weightings(head, normaliser, top_k, coefficients, refits),
        seed,
        block_items,
    )
    frame.insert(0, "normaliser", normaliser)
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
