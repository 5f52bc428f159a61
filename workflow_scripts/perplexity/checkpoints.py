"""E4: every kept checkpoint on strings of the trained sizes and on longer ones (figure 4).

At the trained sizes the strings are held-out strings of the longest, evaluated after every bit, so
that all sizes from 1 count equally. At a longer size, target `prefix` is evaluated after every bit
beyond the trained length, since the first bits are in distribution wherever they stand, and target
`final` after the last; the entropy is that of all bits beyond the trained length for both. The
rows `WHOLE` are target `prefix` over all bits, as figure 4 may have it.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.perplexity import decoder, metrics, parity
from workflow_scripts.perplexity.correlation import WHOLE
from workflow_scripts.shared import devices, job, progress, scores, seeds, tables
from workflow_scripts.shared.scores import Row


def test_strings(seed: int, size: int, longest: int, count: int) -> torch.Tensor:
    """Bits, (count, size): held out of training at the longest trained size, else random."""
    rng = seeds.generator(seed, "perplexity", "parity", "test", size)
    if size == longest:
        _, held_out = parity.split(seed, longest)
        chosen = rng.permutation(len(held_out))[:count]
        return parity.bits_of(held_out[torch.from_numpy(chosen)], size)
    return torch.from_numpy(rng.integers(0, parity.BITS, (count, size)))


def scored(
    logits: np.ndarray, right: np.ndarray, floor: float, asked: slice, key: Row
) -> list[Row]:
    """Score rows of predictions at the positions `asked`.

    `logits` are log-probabilities (strings, size, 2), `right` the labels (strings, size). The
    accuracy has an interval over strings: labels within one are not independent.
    """
    logs, labels = logits[:, asked], right[:, asked]
    found = metrics.of_predictions(logs, labels, floor)
    del found["accuracy"]
    hits = (logs.argmax(-1) == labels).mean(1)
    labelled: Row = {"n": labels.size, "units": "labels"} | key
    rows = [scores.number("E4", name, value, **labelled) for name, value in found.items()]
    of_strings: Row = {"units": "strings", "bounds": (0.0, 1.0)} | key
    return [*rows, scores.mean("E4", "accuracy", hits, **of_strings)]


@torch.inference_mode()
def evaluate(
    stack: decoder.Parameters,
    shape: decoder.Shape,
    tested: list[torch.Tensor],
    longest: int,
    seed_count: int,
    keep_every: int,
    floor: float,
) -> pd.DataFrame:
    """One score row per checkpoint, model, size and metric, of both targets and of `WHOLE`.

    `tested` holds the test strings, shape (strings, size) per size; `longest` was trained.
    """
    rows: list[Row] = []
    members = parity.members(seed_count)
    total, device = decoder.count(stack), decoder.device_of(stack)
    for number in progress.track(range(total), description="checkpoints", unit="model"):
        at, member = divmod(number, len(members))
        target, index = members[member]
        own = {name: tensor[number : number + 1] for name, tensor in stack.items()}
        for bits in tested:
            size = bits.shape[1]
            logits = decoder.forward(own, bits[None].to(device), shape)[0]
            logs = logits.double().log_softmax(-1).cpu().numpy()
            right = parity.prefix_parity(bits).numpy()
            key: Row = {"size": size, "seed": index, "step": (at + 1) * keep_every}
            every = slice(None)
            beyond = every if size == longest else slice(longest, None)
            if target == "prefix":
                rows += scored(logs, right, floor, beyond, key | {"target": target})
                if size != longest:
                    rows += scored(logs, right, floor, every, key | {"target": WHOLE})
                continue
            entropy = float(metrics.entropy_nats(logs[:, beyond]).mean())
            asked = every if size == longest else slice(-1, None)
            for row in scored(logs, right, floor, asked, key | {"target": target}):
                at_last = row["metric"] == "entropy_nats"
                rows.append(row | {"value": entropy} if at_last else row)
    return pd.DataFrame(rows)


def main(
    weights: str,
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
    """Write the scores of every checkpoint in `weights` at all `sizes`, `strings` each."""
    stack, shape = decoder.read(weights)
    stack = decoder.to(stack, devices.for_tensors())
    tested = [test_strings(seed, size, longest, strings) for size in sizes]
    frame = evaluate(stack, shape, tested, longest, seed_count, keep_every, floor)
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
