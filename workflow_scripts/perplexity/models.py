"""E2: the copy experiment on a language model (figure 2, bottom), and random strings for E4.

The model is asked to copy n zeros, and n zeros with the last one flipped. At each step its two
digit tokens compete, as in the small copiers; probabilities are those over the whole vocabulary,
so what a model would rather write than a digit (a newline, an end of turn) counts against it and
is reported. Free greedy replies through the runner stand beside it. The paper's prompt, variant
and precision are not known.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.inference import engines, requests, runner
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.perplexity import bounds, criteria, digits
from workflow_scripts.perplexity.digits import Spelling
from workflow_scripts.shared import job, progress, provenance, seeds, tables

Row = dict[str, Any]
SPARE_TOKENS = 8  # room in a free reply beyond its bits, to see that it ends


def strings(size: int) -> dict[str, list[int]]:
    return {"alpha": [0] * size, "beta": [0] * (size - 1) + [1]}


def refuse_beyond_context(engine: Any, wording: str, way: str, sizes: list[int]) -> None:
    """Raise `EngineError` where the longest string does not fit, before anything is computed."""
    for size in sorted(sizes):
        spelt = digits.spelling(engine, wording, [0] * size, way)
        if spelt is None:
            raise EngineError(f"models.{engine.name}: its tokenizer merges digits at {size} bits")
        needed = len(spelt.prompt) + len(spelt.answer) + SPARE_TOKENS
        if needed > engine.context:
            raise EngineError(
                f"perplexity.models: {size} bits need {needed} tokens, models.{engine.name} has "
                f"{engine.context}; leave out sizes from {size} on"
            )


@torch.inference_mode()
def distributions(engine: Any, spelt: Spelling, bits: list[int]) -> torch.Tensor:
    """Log-probabilities (n, vocabulary) at each bit of the answer, after the bits before it."""
    tokens = spelt.prompt + spelt.written(bits)
    ids = torch.tensor([tokens], device=engine.device)
    keep = len(spelt.answer) + 1
    logits = engine.model(input_ids=ids, use_cache=False, logits_to_keep=keep).logits[0]
    # The first kept row is the prompt's last token: it predicts the answer's first.
    return logits[torch.tensor(spelt.slots, device=engine.device)].float().log_softmax(-1)


def greedy(engine: Any, spelt: Spelling, start: list[int]) -> tuple[list[int], torch.Tensor]:
    """The bits that the model writes when it may write digits only, and the distributions.

    Written in parallel, from `start`, until nothing changes (see `copying.greedy`).
    """
    rows = torch.arange(len(start), device=engine.device)
    zeros, ones = (torch.tensor(ids, device=engine.device) for ids in (spelt.zeros, spelt.ones))
    written = start
    for _ in range(len(start) + 1):
        logs = distributions(engine, spelt, written)
        new = (logs[rows, ones] > logs[rows, zeros]).long().tolist()
        if new == written:
            break
        written = new
    return written, logs


def both(logs: torch.Tensor, spelt: Spelling) -> np.ndarray:
    """(n, 2): the log-probabilities of the two digits."""
    rows = torch.arange(len(logs), device=logs.device)
    ids = torch.tensor([spelt.zeros, spelt.ones], device=logs.device)
    return torch.stack([logs[rows, ids[0]], logs[rows, ids[1]]], -1).double().cpu().numpy()


def pair_rows(engine: Any, wording: str, way: str, size: int, floor: float) -> list[Row]:
    """The quantities of figure 2 at one size."""
    ends = torch.from_numpy(np.flatnonzero(engine.ends)).to(engine.device)
    found: dict[str, Any] = {}
    rows: list[Row] = []
    for name, bits in strings(size).items():
        spelt = digits.spelling(engine, wording, bits, way)
        assert spelt is not None  # checked for every size before
        written, logs = greedy(engine, spelt, bits)
        pair = both(logs, spelt)
        right = np.exp(pair[np.arange(size), bits])
        best = logs.argmax(-1).tolist()
        digit = [token in ids for token, *ids in zip(best, spelt.zeros, spelt.ones, strict=True)]
        found[name] = (logs.exp(), right, pair)
        measured = {
            f"nats_{name}": float(bounds.log_perplexity(right, floor)),
            f"{name}_copied": float(written == bits),
            f"other_token_share_{name}": 1.0 - float(np.mean(digit)),
            f"first_other_token_{name}": float(digit.index(False)) if False in digit else np.nan,
            f"end_probability_{name}": float(logs[:, ends].exp().sum(-1).max()),
        }
        rows += [{"metric": metric, "value": value} for metric, value in measured.items()]
    (alpha, right_alpha, _), (beta, right_beta, pair_beta) = found["alpha"], found["beta"]
    nats = [float(bounds.log_perplexity(p, floor)) for p in (right_alpha, right_beta)]
    more = {
        "gap": float((alpha - beta).abs().max()),
        "alpha_least": float(right_alpha.min()),
        "beta_flip": float(right_beta[-1]),
        "most_one_on_beta": float(np.exp(pair_beta[:, 1]).max()),
        "nats_apart": abs(nats[0] - nats[1]),
    }
    rows += [{"metric": metric, "value": value} for metric, value in more.items()]
    return [row | {"size": size, "flip": "last", "n": 1} for row in rows]


def free_replies(engine: Any, wording: str, way: str, sizes: list[int], seed: int) -> list[Row]:
    """What the model writes when nothing holds it to digits: copied, and bits in the reply."""
    asked = []
    for size in sizes:
        for name, bits in strings(size).items():
            spelt = digits.spelling(engine, wording, bits, way)
            assert spelt is not None
            asked.append(
                requests.request(
                    f"{name} {size}",
                    messages=digits.question(wording, bits, way),
                    temperature=0.0,
                    max_tokens=len(spelt.answer) + SPARE_TOKENS,
                    seed=seed,
                    string=name,
                    size=size,
                )
            )
    table = requests.table(asked)
    replies = runner.generate(table, engine, runner.store_of(engine))
    joined = table.merge(replies, on="request_id")
    rows: list[Row] = []
    for reply in joined.to_dict("records"):
        size, name = int(reply["size"]), str(reply["string"])
        answer = str(reply["text"]).strip()
        written = sum(character in "01" for character in answer)
        measured = {
            f"free_copied_{name}": float(answer == digits.text(strings(size)[name], way)),
            f"free_bits_{name}": float(written),
            f"free_stopped_early_{name}": float(written < size),
        }
        rows += [
            {"metric": metric, "value": value, "size": size, "flip": "last", "n": 1}
            for metric, value in measured.items()
        ]
    return rows


def random_rows(
    engine: Any, wording: str, way: str, sizes: list[int], count: int, seed: int
) -> list[Row]:
    """`count` random strings of each size, each step after the right bits: one row a step."""
    rows = []
    for size in progress.track(sizes, description="random strings", unit="size"):
        rng = seeds.generator(seed, "perplexity", "models", "random", size)
        for item, bits in enumerate(rng.integers(0, 2, (count, size)).tolist()):
            spelt = digits.spelling(engine, wording, bits, way)
            assert spelt is not None
            pair = both(distributions(engine, spelt, bits), spelt)
            for step in range(size):
                rows.append(
                    {"size": size, "item": item, "step": step, "bit": bits[step]}
                    | {"log_zero": pair[step, 0], "log_one": pair[step, 1]}
                )
    return rows


def random_scores(steps: pd.DataFrame, floor: float) -> list[Row]:
    rows: list[Row] = []
    for size, own in steps.groupby("size"):
        logs = own[["log_zero", "log_one"]].to_numpy().reshape(-1, int(str(size)), 2)
        bits = own["bit"].to_numpy().reshape(-1, int(str(size)))
        rows += [
            {"metric": metric, "value": value, "size": size, "flip": "random", "n": bits.size}
            for metric, value in criteria.measure(logs, bits, floor).items()
        ]
    return rows


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    table: str,
    steps_table: str,
    wording: str,
    sizes: list[int],
    random_sizes: list[int],
    count: int,
    floor: float,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    engine: Any = engines.load(
        model, spec, checkpoint, batch_tokens=spec.get("batch_tokens", batch_tokens)
    )
    way = digits.way_of(engine, wording, min(max(sizes), 16))
    refuse_beyond_context(engine, wording, way, sorted({*sizes, *random_sizes}))
    if way != "plain":
        print(f"models.{model}: its tokenizer merges digits; bits are asked for {way}")
    merges = {"metric": "digits_merged", "value": float(way != "plain"), "n": 1}
    rows: list[Row] = [merges]
    for size in progress.track(sizes, description="pairs", unit="size"):
        rows += pair_rows(engine, wording, way, size, floor)
    rows += free_replies(engine, wording, way, sizes, seed)
    steps = pd.DataFrame(random_rows(engine, wording, way, random_sizes, count, seed))
    rows += random_scores(steps, floor)
    tables.write(pd.DataFrame(rows).assign(model=model), table, provenance=provenance)
    tables.write(steps.assign(model=model), steps_table, provenance=provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        params = snakemake.params
        main(
            snakemake.wildcards.model,
            params.spec,
            params.checkpoint,
            params.batch_tokens,
            snakemake.output.table,
            snakemake.output.steps,
            params.wording,
            params.sizes,
            [*params.random_sizes["trained"], *params.random_sizes["longer"]],
            params.strings,
            params.floor,
            params.seed,
            provenance=provenance.of(snakemake),
        )
