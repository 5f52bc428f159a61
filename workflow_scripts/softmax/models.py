"""E4 and E5: attention entropy against list length, and logit spread, in a language model.

E4: prompts ask for the largest of a list of numbers; entropy of every head at the last token (the
paper's figure uses first-block heads of Gemma 2B; prompt and counts are not known). E5: max - min
attention logit of causal rows on a long text, pooled over heads (footnote 3: a source file of
about 4,000 tokens).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.inference import agreement, chat, engines
from workflow_scripts.shared import (
    adaptive_temperature,
    job,
    progress,
    scores,
    seeds,
    tables,
    user_files,
)
from workflow_scripts.shared.scores import Row
from workflow_scripts.softmax import normalisers, probe


def number_prompt(numbers: list[int]) -> str:
    """The question for the largest of `numbers`."""
    return "Which of these numbers is the largest? " + ", ".join(map(str, numbers))


def token_ids(engine: Any, text: str) -> list[int]:
    """Tokens of the prompt: a chat turn where the model has a chat template, else the bare text."""
    if chat.templated(engine.spec):
        return engine.encode(messages=[{"role": "user", "content": text}])
    return engine.encode(prompt=text)


def by_layer(
    model: Any, ids: list[int], rows: Sequence[int], measure: Callable[[Tensor, Tensor], Tensor]
) -> dict[int, np.ndarray]:
    """Run the model on one prompt; layer -> `measure` of its attention logits and their mask.

    Both have shape (heads, rows, keys); `rows` are positions of queries.
    """
    found: dict[int, np.ndarray] = {}

    def watch(layer: int, logits: Tensor, visible: Tensor) -> None:
        found[layer] = measure(logits, visible).cpu().numpy()

    with torch.inference_mode(), probe.watching(model, rows, watch):
        tokens = torch.tensor([ids], device=model.device)
        model(input_ids=tokens, use_cache=False, logits_to_keep=1)  # no logits are read
    return found


def last_entropies(model: Any, ids: list[int]) -> dict[int, np.ndarray]:
    """Entropy in nats of the attention weights at the last token: layer -> (heads,)."""

    def entropy(logits: Tensor, visible: Tensor) -> Tensor:
        weights = normalisers.masked(logits[:, 0], visible[:, 0]).softmax(-1)
        return adaptive_temperature.entropy_nats(weights)

    return by_layer(model, ids, [len(ids) - 1], entropy)


def entropies(engine: Any, settings: dict[str, Any], rng: np.random.Generator) -> list[Row]:
    """Rows per layer and list length that fits the context: mean over heads, over prompts.

    `settings` holds the list lengths `numbers`, the `prompts` per length, the `largest` number.
    """
    prompts, largest = settings["prompts"], settings["largest"]
    rows = []
    for items in progress.track(settings["numbers"], description="lists of numbers", unit="length"):
        drawn = rng.integers(0, largest + 1, (prompts, items)).tolist()
        ids = [token_ids(engine, number_prompt(numbers)) for numbers in drawn]
        if max(map(len, ids)) > engine.context:
            continue
        seen = [last_entropies(engine.model, prompt) for prompt in ids]
        over_prompts: Row = {"units": "prompts", "items": items}
        for layer in sorted(seen[0]):
            means = [float(each[layer].mean()) for each in seen]
            rows.append(scores.mean("E4", "entropy_nats", means, layer=layer, **over_prompts))
        rows.append(scores.mean("E4", "tokens", [len(prompt) for prompt in ids], **over_prompts))
    return rows


def query_rows(tokens: int, rows: int) -> np.ndarray:
    """Distinct query positions with at least two keys, log-spaced, shape (at most `rows`,)."""
    return np.unique(np.geomspace(1, tokens - 1, rows).round().astype(int))


def spreads(model: Any, ids: list[int], rows: int) -> np.ndarray:
    """Logit spread of the model on one text, shape (layers x heads, query rows)."""
    places = query_rows(len(ids), rows).tolist()
    found = by_layer(model, ids, places, probe.row_spread)
    return np.concatenate([found[layer] for layer in sorted(found)])


def spread_rows(found: np.ndarray, tokens: int) -> list[Row]:
    """Score rows of the spreads `found`, shape (heads, query rows), on a text of `tokens` tokens.

    The mean has Student's interval over heads; sd, minimum and maximum are over heads and rows.
    """
    pooled = {"sd": found.std(), "min": found.min(), "max": found.max()}
    return [
        scores.mean("E5", "logit_spread_mean", found.mean(1), units="heads"),
        *(
            scores.number("E5", f"logit_spread_{name}", value, found.size, units="rows")
            for name, value in pooled.items()
        ),
        scores.exact("E5", "text_tokens", tokens, 1, units="texts"),
    ]


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    text: str,
    table: str,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the score rows of E4, and of E5 on the file `text`, of one model."""
    engine: Any = engines.load(model, spec, checkpoint)
    agreement.reproduces(engine, "softmax", probe.watching(engine.model, [0], lambda *_: None))
    rng = seeds.generator(seed, "softmax", "numbers")
    found = entropies(engine, settings, rng)
    ids = engine.encode(prompt=user_files.text(text))
    ids = ids[: min(engine.context, settings["text_tokens"])]
    found += spread_rows(spreads(engine.model, ids, settings["rows"]), len(ids))
    tables.write(pd.DataFrame(found).assign(model=model), table, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
