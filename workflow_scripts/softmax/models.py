"""E4 and E5: attention entropy against size, and logit spread, in a language model.

E4: prompts that ask for the largest of a growing list of numbers; the entropy of every head at
the last token (the paper's figure uses first-block heads of Gemma 2B; prompt and counts are not
known). E5: max - min attention logit of causal rows on a long text, pooled over heads (footnote
3: a source file of about 4,000 tokens).
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workflow_scripts.inference import engines
from workflow_scripts.shared import adaptive_temperature, job, progress, provenance, seeds, tables
from workflow_scripts.shared.statistics import bootstrap_mean, seed_interval
from workflow_scripts.softmax import attention, probe


def number_prompt(numbers: list[int]) -> str:
    return "Which of these numbers is the largest? " + ", ".join(map(str, numbers))


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """The prompt as a chat turn where the model has a chat template, else as it is."""
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": text}]
        return tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=True, return_dict=True
        )["input_ids"]
    return tokenizer(text)["input_ids"]


def forward(model: Any, ids: list[int], watcher: probe.Watcher) -> None:
    with torch.inference_mode(), probe.watching(model, watcher):
        model(input_ids=torch.tensor([ids], device=model.device), use_cache=False)


def last_entropies(model: Any, ids: list[int]) -> dict[int, np.ndarray]:
    """Entropy in nats of every head's weights at the last token: layer -> (heads,)."""
    found: dict[int, np.ndarray] = {}

    def watch(layer: int, logits: Tensor, visible: Tensor) -> None:
        weights = attention.masked(logits[:, -1], visible[:, -1]).softmax(-1)
        found[layer] = adaptive_temperature.entropy_nats(weights).cpu().numpy()

    forward(model, ids, watch)
    return found


def entropies(
    model: Any,
    tokenizer: Any,
    lengths: list[int],
    prompts: int,
    largest: int,
    context: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """One row for each layer and list length that fits: mean over heads, interval over prompts."""
    rows = []
    for items in progress.track(lengths, description="lists of numbers", unit="length"):
        drawn = rng.integers(0, largest + 1, (prompts, items)).tolist()
        ids = [token_ids(tokenizer, number_prompt(numbers)) for numbers in drawn]
        if max(map(len, ids)) > context:
            continue
        seen = [last_entropies(model, prompt) for prompt in ids]
        for layer in sorted(seen[0]):
            mean = seed_interval([float(each[layer].mean()) for each in seen])
            row = {"layer": layer, "items": items, "metric": "entropy_nats"}
            rows.append(row | {"value": mean.value, "ci_low": mean.low, "ci_high": mean.high})
            rows[-1]["n"] = mean.n
        tokens = seed_interval([len(prompt) for prompt in ids])
        row = {"items": items, "metric": "tokens", "value": tokens.value, "n": tokens.n}
        rows.append(row | {"ci_low": tokens.low, "ci_high": tokens.high})
    return pd.DataFrame(rows).assign(experiment="E4")


def query_rows(tokens: int, rows: int) -> np.ndarray:
    """Distinct query positions with at least two keys, evenly spaced in the logarithm."""
    return np.unique(np.geomspace(1, tokens - 1, rows).round().astype(int))


def spreads(model: Any, ids: list[int], rows: int) -> np.ndarray:
    """Logit spread, shape (layers x heads, query rows)."""
    places = torch.as_tensor(query_rows(len(ids), rows))
    found: dict[int, np.ndarray] = {}

    def watch(layer: int, logits: Tensor, visible: Tensor) -> None:
        at = places.to(logits.device)
        spread = probe.row_spread(logits[:, at], visible[:, at])
        found[layer] = spread.cpu().numpy()

    forward(model, ids, watch)
    return np.concatenate([found[layer] for layer in sorted(found)])


def spread_scores(found: np.ndarray, seed: int, tokens: int) -> pd.DataFrame:
    """Mean over heads and rows with an interval over heads, and the pooled sd, least and most."""
    mean = bootstrap_mean(found.mean(1), seed)
    rows = [
        {"metric": "logit_spread_mean", "value": mean.value, "n": mean.n}
        | {"ci_low": mean.low, "ci_high": mean.high}
    ]
    for name, value in (("sd", found.std()), ("min", found.min()), ("max", found.max())):
        rows.append({"metric": f"logit_spread_{name}", "value": float(value), "n": found.size})
    rows.append({"metric": "text_tokens", "value": float(tokens), "n": 1})
    return pd.DataFrame(rows).assign(experiment="E5")


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    text: str | Path,
    table: str,
    numbers: list[int],
    prompts: int,
    largest: int,
    text_tokens: int,
    rows: int,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    engine: Any = engines.load(model, spec, checkpoint)
    net, tokenizer = engine.model, engine.tokenizer
    context = int(spec.get("max_context") or net.config.max_position_embeddings)
    rng = seeds.generator(seed, "softmax", "numbers")
    entropy = entropies(net, tokenizer, numbers, prompts, largest, context, rng)
    ids = tokenizer(Path(text).read_text(encoding="utf-8"))["input_ids"]
    ids = ids[: min(context, text_tokens)]
    spread = spread_scores(spreads(net, ids, rows), seeds.derive(seed, "softmax", model), len(ids))
    frame = pd.concat([entropy, spread], ignore_index=True).assign(model=model)
    tables.write(frame, table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.wildcards.model,
            params.spec,
            params.checkpoint,
            snakemake.input.text,
            snakemake.output.table,
            params.numbers,
            params.prompts,
            params.largest,
            params.text_tokens,
            params.rows,
            params.seed,
            provenance=provenance.of(snakemake),
        )
