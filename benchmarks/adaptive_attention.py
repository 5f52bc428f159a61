"""Attention at the adaptive temperature, block by block, compared with torch's attention.

    python benchmarks/adaptive_attention.py [--rounds 5]

Our code computes the entropy of each row in one pass over the keys and the output in a second. The
baseline, `scaled_dot_product_attention`, runs at temperature 1 and needs no entropy. The third way
is the paper's listing, all logits at once. 256 queries, heads of 64, float32, one thread; process
time, and the peak memory of a call.
"""

import argparse

import comparison
import numpy as np
import torch

from workflow_scripts.shared import adaptive_temperature, job
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.softmax import streaming

QUERIES, WIDTH, BLOCK = 256, 64, 1024
SIZES = (1024, 2048, 4096, 8192, 16384, 32768)
COEFFICIENTS = adaptive_temperature.published(
    ROOT / "resources/published/softmax_adaptive_temperature_polynomial.csv"
)


def inputs(keys: int) -> list[np.ndarray]:
    random = np.random.default_rng(keys)
    shapes = [(QUERIES, WIDTH), (keys, WIDTH), (keys, WIDTH)]
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def ways(keys: int) -> comparison.Ways:
    query, key, value = inputs(keys)
    q, k, v = (torch.from_numpy(array)[None] for array in (query, key, value))
    sdpa = torch.nn.functional.scaled_dot_product_attention
    return {
        "streamed": lambda: streaming.streamed(query, key, value, COEFFICIENTS, BLOCK),
        "sdpa": lambda: sdpa(q, k, v, scale=1.0),
        "all at once": lambda: streaming.direct(query, key, value, COEFFICIENTS),
    }


def main(rounds: int) -> None:
    job.set_threads(1)
    found = []
    for keys in SIZES:
        made = ways(keys)
        exact = made["all at once"]()
        error = float(np.abs(made["streamed"]() - exact).max())
        memory = {name: comparison.peak_mb(way) for name, way in made.items()}
        for row in comparison.rows(f"{keys:,} keys", comparison.in_turns(made, rounds)):
            mine, theirs = memory["streamed"], memory[row["peer"]]
            found.append(row | {"ours_mb": mine, "peer_mb": theirs, "error": f"{error:.1e}"})
    comparison.report("adaptive_attention", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args().rounds)
