"""What a draw is: the one definition behind all engines and all choices drawn from probabilities.

A sampled reply is a function of (model, request, sample). Its token number `step` is a function of
the model's distribution at that step and of one random number, `uniform(key(...), step)`. For top_p
a step may need further ones, `uniform(key(...), step + (number << 32))`. Batch, order of requests,
number of samples and progress of other replies do not enter. Engines with a sampler of their own
(vLLM, servers) get `key(...)` as the seed of each sample.

The model's part of the key (`model_of`) makes different models draw independently:

- hub model: its id and revision
- model trained by the workflow: its name, seed and training settings. Its weights are not part of
  the key, because another processor rounds them differently, which would replace all draws
- any other folder: a hash of its files without provenance, which names the commit
- server model: the name under which the server knows it, whatever its URL
- all of them: `chat_template` and `thinking`, which change what the model is asked

The name in the config, engine, dtype, device and limits are not part of it. So two entries of the
config that differ in these only are one model and share their random numbers; comparisons between
such entries are paired.
"""

from pathlib import Path
from typing import Any

from workflow_scripts.inference import chat
from workflow_scripts.inference.checkpoint import PROVENANCE
from workflow_scripts.shared import files, seeds

# Part of the name under which a sampled reply is stored. A new number asks for all sampled replies
# again; greedy replies and log-probabilities do not depend on it.
DEFINITION = 2

GOLDEN = 0x9E3779B97F4A7C15
MIX_1, MIX_2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
WORD = (1 << 64) - 1


def model_of(weights: Any, spec: dict[str, Any]) -> str:
    """The model's part of a key, 16 hex digits; `weights` says which weights (JSON values)."""
    asked = {"chat_template": chat.templated(spec), "thinking": spec.get("thinking")}
    return files.content_hash({"weights": weights, **asked})


def of_checkpoint(checkpoint: str, weights: str, spec: dict[str, Any]) -> str:
    """`model_of` a hub id or folder; `weights` is its content without provenance (`checkpoint`)."""
    origin = Path(checkpoint) / PROVENANCE
    if origin.is_file():
        told = files.read_json(origin)
        if told.get("rule") == "models_train":
            return model_of([told["wildcards"]["model"], told["seed"], told["settings"]], spec)
    return model_of(weights, spec)


def of_server(spec: dict[str, Any]) -> str:
    """`model_of` a model on a server."""
    return model_of(spec["source"], spec)


def key(model: str, seed: int, request_id: str, sample: int) -> int:
    """The key of a sample, 63 bits."""
    return seeds.derive(seed, model, request_id, sample)


def uniform(key: int, step: int) -> float:
    """The random number of a step, strictly between 0 and 1.

    It is output number `step` of the generator SplitMix64 (Steele, Lea and Flood 2014), whose seed
    is the mixed key. `sampling.uniform` computes the same for many keys and steps.
    """
    word = _mix((_mix(key) + (step + 1) * GOLDEN) & WORD)
    return ((word >> 12) + 0.5) * 2.0**-52


def _mix(word: int) -> int:
    """The finalizer of SplitMix64."""
    word = ((word ^ (word >> 30)) * MIX_1) & WORD
    word = ((word ^ (word >> 27)) * MIX_2) & WORD
    return word ^ (word >> 31)
