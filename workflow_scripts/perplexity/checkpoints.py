"""E4: every kept checkpoint on strings of the trained sizes and on longer ones (figure 4).

At the trained sizes the strings are held out of the longest, read after every bit, so that all
sizes from 1 count alike. At a longer size, reading `prefix` is asked after every bit and reading
`final` after the last; the entropy is that of all positions in both.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.perplexity import criteria, decoder, parity, weights
from workflow_scripts.shared import job, progress, provenance, seeds, tables

Row = dict[str, Any]


def test_strings(seed: int, size: int, longest: int, count: int) -> torch.Tensor:
    """(count, size) bits: held out of training at the longest trained size, else random."""
    rng = seeds.generator(seed, "perplexity", "parity", "test", size)
    if size == longest:
        _, held_out = parity.split(seed, longest)
        chosen = rng.permutation(len(held_out))[:count]
        return parity.bits_of(held_out[torch.from_numpy(chosen)], size)
    return torch.from_numpy(rng.integers(0, parity.BITS, (count, size)))


@torch.inference_mode()
def evaluate(
    stack: decoder.Parameters,
    shape: decoder.Shape,
    sizes: list[int],
    longest: int,
    strings: int,
    seed_count: int,
    keep_every: int,
    floor: float,
    seed: int,
) -> pd.DataFrame:
    """One row for each checkpoint, model, size and criterion."""
    rows: list[Row] = []
    members = parity.members(seed_count)
    tested = {size: test_strings(seed, size, longest, strings) for size in sizes}
    total = decoder.count(stack)
    for number in progress.track(range(total), description="checkpoints", unit="model"):
        at, member = divmod(number, len(members))
        reading, index = members[member]
        own = {name: tensor[number : number + 1] for name, tensor in stack.items()}
        for size, bits in tested.items():
            logits = decoder.forward(own, bits[None], shape)[0]
            logs = logits.double().log_softmax(-1).numpy()
            right = parity.prefix_parity(bits).numpy()
            entropy = float(-(np.exp(logs) * logs).sum(-1).mean())
            if reading == "final" and size != longest:
                logs, right = logs[:, -1:], right[:, -1:]
            found = criteria.measure(logs, right, floor) | {"entropy_nats": entropy}
            key: Row = {"reading": reading, "seed": index, "step": (at + 1) * keep_every}
            rows += [
                key | {"size": size, "metric": name, "value": value, "n": right.size}
                for name, value in found.items()
            ]
    return pd.DataFrame(rows)


def main(
    weights_path: str,
    table: str,
    sizes: list[int],
    longest: int,
    strings: int,
    seed_count: int,
    keep_every: int,
    floor: float,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    stack, shape = weights.read(weights_path)
    frame = evaluate(stack, shape, sizes, longest, strings, seed_count, keep_every, floor, seed)
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.input.weights,
            snakemake.output.table,
            params.sizes,
            params.longest,
            params.strings,
            params.seeds,
            params.keep_every,
            params.floor,
            params.seed,
            provenance=provenance.of(snakemake),
        )
