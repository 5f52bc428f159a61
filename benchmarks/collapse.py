"""Last-token representations of random decoders: one pass for all lengths, or one per length.

    python benchmarks/collapse.py [--rounds 3]

Our code reads the sequences of all lengths, each with and without its last token repeated, from one
pass over the longest, and keeps only rows of the attention. The baseline computes the full
quadratic attention of every sequence. The results of both are compared before anything is timed.
Two layers, width 64, no encoding, float64, one thread; process time, and the peak memory of a call.
"""

import argparse
from functools import partial

import comparison
import torch

from workflow_scripts.glasses import random_decoders
from workflow_scripts.glasses.random_decoders import Attention
from workflow_scripts.shared import job

WIDTH, LAYERS = 64, 2
LONGEST = (256, 512, 1024, 2048)
HOW = Attention("none")


def drawn(longest: int) -> tuple[random_decoders.Weights, torch.Tensor, list[int]]:
    generator = torch.Generator().manual_seed(longest)
    weights = random_decoders.draw([generator], LAYERS, WIDTH)
    tokens = torch.randn(1, longest, WIDTH, generator=generator, dtype=torch.float64)
    return weights, tokens, [longest // 8 * part for part in range(1, 9)]


def at_once(longest: int) -> random_decoders.Pair:
    weights, tokens, lengths = drawn(longest)
    return random_decoders.read(weights, tokens, lengths, [LAYERS], "float64", HOW)[LAYERS]


def direct(longest: int) -> random_decoders.Pair:
    weights, tokens, lengths = drawn(longest)
    found = []
    for repeat in (0, 1):
        last = []
        for length in lengths:
            states = torch.cat([tokens[:, :length], tokens[:, length - repeat : length]], 1)
            hidden = torch.full((states.shape[1],) * 2, -torch.inf, dtype=states.dtype).triu(1)
            for layer in range(LAYERS):
                normed = random_decoders.norm(states)
                query, key, value = (normed @ matrix[layer] for matrix in weights[:3])
                attention = (query @ key.mT * WIDTH**-0.5 + hidden).softmax(-1)
                states = states + attention @ value
                inner = (random_decoders.norm(states) @ weights.inner[layer]).relu()
                states = states + inner @ weights.outer[layer]
            last.append(random_decoders.norm(states[:, -1]))
        found.append(torch.stack(last, 1))
    return random_decoders.Pair(*found)


WAYS = {"one pass": at_once, "each by itself": direct}


def main(rounds: int) -> None:
    job.set_threads(1)
    found = []
    for longest in LONGEST:
        for ours, theirs in zip(at_once(longest), direct(longest), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
        made = {name: partial(way, longest) for name, way in WAYS.items()}
        taken = comparison.in_turns(made, rounds)
        memory = {
            f"{who}_mb": comparison.peak_mb(way)
            for who, way in zip(("ours", "peer"), made.values(), strict=True)
        }
        found += comparison.rows(f"8 lengths to {longest:,}", taken, **memory)
    comparison.report("collapse", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    main(parser.parse_args().rounds)
