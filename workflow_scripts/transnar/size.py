"""How much memory the activations of a decoder take, for jobs that compute on the CPU."""

import math
from typing import Any

BYTES = 4  # of a number in float32
# Numbers per token, block and unit of width that the backward pass keeps, measured with hidden
# layers of four times the width: 41 with the coupling, 38 without.
KEPT = 41
INPUTS = 2  # with `recompute`: the inputs of the block and of its coupling
# Numbers per token and unit of width that one block holds at once where nothing is kept, and of its
# hidden layer.
BLOCK, HIDDEN = 10, 3
LONGEST = 2048  # tokens; the longest text of up to 16 nodes is shorter


def pass_mb(decoder: dict[str, Any], train: dict[str, Any]) -> int:
    """MB of activations of one pass in training, by the sections `decoder` and `train`."""
    most = min(decoder["position_range"], LONGEST)
    tokens = min(train["pass_tokens"], train["batch"] * most)
    blocks = decoder["layers"]
    numbers = KEPT + INPUTS * blocks if train["recompute"] else KEPT * blocks
    return math.ceil(tokens * decoder["width"] * numbers * BYTES / 1e6)


def answers_mb(decoder: dict[str, Any], batch: int) -> int:
    """MB of the activations and the cache of `batch` prompts that are answered at once."""
    tokens = batch * min(decoder["position_range"], LONGEST)
    width, cache = decoder["width"], 2 * decoder["layers"] * decoder["width"]
    numbers = cache + BLOCK * width + HIDDEN * decoder["mlp"]
    return math.ceil(tokens * numbers * BYTES / 1e6)
