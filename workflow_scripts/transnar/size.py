"""How much memory the activations of a decoder take, for jobs that compute on the CPU."""

import math
from typing import Any

from workflow_scripts.models.size import billions, parameters, text_config

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


# Of a pretrained decoder in training: weights, gradients, and the optimiser's two averages.
TENSORS = 4
PACKED = 2  # copies of the weights while they are checked at loading
ANSWERED = 0.5  # most of a text that its answer is, whose logits are computed
LOGITS = 3  # copies of them: as computed, in float32, and their gradients
# Where the model's files are not here: a decoder of the paper's size.
UNKNOWN = {"num_hidden_layers": 6, "hidden_size": 640, "intermediate_size": 2560}
UNKNOWN |= {"vocab_size": 50_304}
SMALL = 0.07  # billions of parameters

Config = dict[str, Any]


def pretrained_train(config: Config) -> Config:
    """The settings for training the pretrained decoders."""
    own = config["transnar"]
    found: Config = own["train"] | own["pretrained"]["train"]
    return found


def pretrained_parameters(config: Config, name: str) -> int:
    """Parameters of a pretrained decoder with its cross-attentions; a guess for unknown models."""
    shape, source = _shape(config, name), config["clrs"]["train"]["width"]
    width, count = shape["width"], shape["layers"] // config["transnar"]["pretrained"]["every"]
    # Per stream maps of queries, keys and values; the merge of both, and the MLP.
    each = 2 * (width**2 + 2 * width * source) + 2 * width**2 + 4 * width**2
    own, source = parameters(config, name), config["models"][name]["source"]
    if own is None:
        said = billions(source) if isinstance(source, str) else None
        own = round(1e9 * (said or SMALL))
    return own + count * each


def pretrained_train_mb(config: Config, name: str) -> int:
    """MB of the weights, gradients and activations of a pretrained decoder in training.

    A GPU has all of them in its own memory, apart from the weights when they are loaded and stored.
    """
    train, shape = pretrained_train(config), _shape(config, name)
    if train["gpu"]:
        return math.ceil(PACKED * pretrained_parameters(config, name) * BYTES / 1e6)
    shape["position_range"] = longest(config, "text_train")
    tokens = min(train["pass_tokens"], train["batch"] * shape["position_range"])
    logits = LOGITS * ANSWERED * tokens * shape["vocabulary"]
    numbers = TENSORS * pretrained_parameters(config, name) + logits
    return math.ceil(numbers * BYTES / 1e6) + pass_mb(shape, train)


def pretrained_answers_mb(config: Config, name: str) -> int:
    """MB of the weights, activations and cache of a pretrained decoder that answers prompts.

    A GPU has all of them in its own memory, apart from the weights when they are loaded.
    """
    shape = _shape(config, name) | {"position_range": longest(config, "text_test")}
    weights = math.ceil(PACKED * pretrained_parameters(config, name) * BYTES / 1e6)
    if pretrained_train(config)["gpu"]:
        return weights
    return weights + answers_mb(shape, config["transnar"]["test_batch"])


def longest(config: Config, split: str) -> int:
    """Characters of the longest text of a split: its tokens, in any vocabulary, are fewer."""
    return max(_lengths(config, split))


def mean_length(config: Config, split: str) -> float:
    """Mean over algorithms and sizes of the characters of the longest text of each."""
    found = _lengths(config, split)
    return sum(found) / len(found)


def _lengths(config: Config, split: str) -> list[int]:
    from workflow_scripts.transnar.workload import characters

    own = config["transnar"]
    sizes = own["data"][split]["sizes"]
    return [characters(name, nodes) for name in own["algorithms"] for nodes in sizes]


def _shape(config: Config, name: str) -> dict[str, int]:
    """Layers, width and hidden units of a model; those of the paper's where they are unknown.

    The models that the run trains have their settings in the config.
    """
    spec = config["models"][name]
    known: Config = text_config(config, name) or {}
    if spec["source"] == "train":
        known = {"num_hidden_layers": spec["layers"], "hidden_size": spec["hidden_size"]}
        known["vocab_size"] = config["embedded"]["tokenizer"]["vocab_size"]
    found = {key: known.get(key) or value for key, value in UNKNOWN.items()}
    return {
        "layers": found["num_hidden_layers"],
        "width": found["hidden_size"],
        "mlp": found["intermediate_size"],
        "vocabulary": found["vocab_size"],
    }
