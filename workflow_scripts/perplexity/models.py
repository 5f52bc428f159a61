"""E2: the copy experiment on a language model (figure 2, bottom), and random strings for E4.

The model is asked to copy n zeros, and n zeros with the last one flipped. At each step its two
digit tokens compete, as in the small copiers. Probabilities are over the whole vocabulary, so
probability on other tokens (a newline, an end of turn) counts against the model and is reported.
Free greedy replies from the runner are recorded too. The paper's prompt, variant and precision are
not known.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from workflow_scripts.inference import engines, forms, numbers, requests, runner
from workflow_scripts.inference.engines import EngineError
from workflow_scripts.inference.replies import LOST
from workflow_scripts.perplexity import bounds, choosing, digits, metrics
from workflow_scripts.perplexity.digits import Spelling
from workflow_scripts.shared import job, progress, scores, seeds, tables
from workflow_scripts.shared.scores import Row

SPARE_TOKENS = 8  # room in a free reply beyond its bits, to see whether it ends


def strings(size: int) -> dict[str, list[int]]:
    """alpha and beta of `size` bits."""
    return {"alpha": [0] * size, "beta": [0] * (size - 1) + [1]}


def refuse_beyond_context(engine: Any, wording: str, way: str, sizes: list[int]) -> None:
    """Raise `EngineError` if a size does not fit the model's context, before any computation."""
    for size in sorted(sizes):
        spelt = digits.spelling(engine, wording, [0] * size, way)
        if spelt is None:
            raise EngineError(
                f"models.{engine.name}: expected one token per bit, but its tokenizer merges "
                f"digits at {size} bits; remove that size from perplexity.models"
            )
        needed = len(spelt.prompt) + len(spelt.answer) + SPARE_TOKENS
        if needed > engine.context:
            raise EngineError(
                f"perplexity.models: {size} bits need {needed} tokens, models.{engine.name} has "
                f"{engine.context}; remove sizes from {size} up"
            )


def checked(engine: Any, wording: str, bits: Sequence[int], way: str) -> Spelling:
    """Tokens of a question and its answer, of a size that `refuse_beyond_context` let pass."""
    spelt = digits.spelling(engine, wording, bits, way)
    assert spelt is not None
    return spelt


def distributions(
    engine: Any, spelt: Sequence[Spelling], bits: Sequence[Sequence[int]]
) -> Iterator[torch.Tensor]:
    """Log-probabilities at each bit of answers after the bits before it, (n, vocabulary) each.

    All answers have n bits, and their prompts equally many tokens.
    """
    rows, places = list(map(choosing.row_of, spelt, bits)), choosing.steps_of(spelt[0])
    size = choosing.together(engine, spelt[0], len(places))
    for start in range(0, len(rows), size):
        yield from engine.rewriting(rows[start : start + size]).written(places)


def greedy(
    engine: Any, spelt: Sequence[Spelling], right: Sequence[Sequence[int]]
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """The bits that the model writes if restricted to digits, and the distributions there.

    Of answers as for `distributions`.
    """
    places = choosing.steps_of(spelt[0])
    size = choosing.together(engine, spelt[0], len(places))
    for start in range(0, len(spelt), size):
        part = slice(start, start + size)
        rewriting = engine.rewriting(list(map(choosing.row_of, spelt[part], right[part])))
        steps = rewriting.written(places)
        yield from zip(
            choosing.greedy(rewriting, spelt[part], right[part], steps), steps, strict=True
        )


def both(logs: torch.Tensor, spelt: Spelling) -> np.ndarray:
    """Log-probabilities of the two digits, (n, vocabulary) -> (n, 2)."""
    rows = torch.arange(len(logs), device=logs.device)
    ids = torch.tensor([spelt.zeros, spelt.ones], device=logs.device)
    return torch.stack([logs[rows, ids[0]], logs[rows, ids[1]]], -1).double().cpu().numpy()


def rows_of(found: Mapping[str, float], size: int, units: str, wording: str = "") -> list[Row]:
    """Score rows of one pair or reply at one size: metric -> value."""
    key: Row = {"n": 1, "units": units, "size": size, "flip": "last", "wording": wording}
    return [scores.number("E2", name, value, **key) for name, value in found.items()]


def pair_rows(engine: Any, wording: str, way: str, size: int, floor: float) -> list[Row]:
    """The quantities of figure 2 at one size, asked in one wording."""
    ends = torch.from_numpy(np.flatnonzero(engine.ends)).to(engine.device)
    found: dict[str, Any] = {}
    measured: dict[str, float] = {}
    shown = strings(size)
    asked = [checked(engine, wording, bits, way) for bits in shown.values()]
    answers = greedy(engine, asked, list(shown.values()))
    for (name, bits), spelt, (written, logs) in zip(shown.items(), asked, answers, strict=True):
        pair = both(logs, spelt)
        right = np.exp(pair[np.arange(size), bits])
        best = logs.argmax(-1).tolist()
        digit = [token in ids for token, *ids in zip(best, spelt.zeros, spelt.ones, strict=True)]
        found[name] = (logs.exp(), right, pair)
        measured |= {
            f"nats_{name}": float(bounds.log_perplexity(right, floor)),
            f"{name}_copied": float(written == bits),
            f"other_token_share_{name}": 1.0 - float(np.mean(digit)),
            f"first_other_token_{name}": float(digit.index(False)) if False in digit else np.nan,
            f"end_probability_{name}": float(logs[:, ends].exp().sum(-1).max()),
        }
    (alpha, right_alpha, _), (beta, right_beta, pair_beta) = found["alpha"], found["beta"]
    measured |= {
        "gap": float((alpha - beta).abs().max()),
        "alpha_least": float(right_alpha.min()),
        "beta_flip": float(right_beta[-1]),
        "most_one_on_beta": float(np.exp(pair_beta[:, 1]).max()),
        "nats_apart": abs(measured["nats_alpha"] - measured["nats_beta"]),
    }
    return rows_of(measured, size, "pairs", wording)


def free_replies(engine: Any, wording: str, way: str, sizes: list[int], seed: int) -> list[Row]:
    """Scores of greedy replies that are not restricted to digits: copied, and bits in the reply.

    A reply without one string of bits was not read, and no wrong copy; so was one that was cut off
    before it gave as many bits as asked.
    """
    asked = []
    for size in sizes:
        for name, bits in strings(size).items():
            spelt = checked(engine, wording, bits, way)
            asked.append(
                requests.request(
                    f"{name} {size}",
                    messages=digits.question(engine, wording, bits, way),
                    temperature=0.0,
                    max_tokens=len(spelt.answer) + SPARE_TOKENS,
                    stop=forms.stop(engine.spec.get("kind", "")),
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
        answer = numbers.bits(str(reply["text"]))
        written = len(answer or "")
        cut = reply["finish_reason"] in LOST and written < size
        read = answer is not None and not cut
        asked_for = digits.text(strings(size)[name], "plain")
        measured = {
            f"free_copied_{name}": float(answer == asked_for) if read else np.nan,
            f"free_bits_{name}": float(written) if read else np.nan,
            f"free_stopped_early_{name}": float(written < size) if read else np.nan,
            f"free_unread_{name}": float(not read),
        }
        rows += rows_of(measured, size, "replies")
    return rows


def random_steps(
    engine: Any, wording: str, way: str, sizes: list[int], count: int, seed: int
) -> list[Row]:
    """One row per step of `count` random strings per size, each step after the right bits."""
    rows = []
    for size in progress.track(sizes, description="random strings", unit="size"):
        rng = seeds.generator(seed, "perplexity", "models", "random", size)
        drawn = rng.integers(0, 2, (count, size)).tolist()
        spelt = [checked(engine, wording, bits, way) for bits in drawn]
        found = distributions(engine, spelt, drawn)
        for item, (bits, one, logs) in enumerate(zip(drawn, spelt, found, strict=True)):
            pair = both(logs, one)
            for step in range(size):
                rows.append(
                    {"size": size, "item": item, "step": step, "bit": bits[step]}
                    | {"log_zero": pair[step, 0], "log_one": pair[step, 1]}
                )
    return rows


def random_scores(steps: pd.DataFrame, floor: float) -> list[Row]:
    """Metrics of the random strings, per size."""
    rows: list[Row] = []
    for size, (logs, bits) in metrics.strings_of(steps).items():
        key: Row = {"n": bits.size, "units": "bits", "size": size, "flip": "random"}
        found = metrics.of_predictions(logs, bits, floor)
        rows += [scores.number("E2", name, value, **key) for name, value in found.items()]
    return rows


def main(
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    batch_tokens: int,
    asked: dict[str, Any],
    table: str,
    steps: str,
    settings: dict[str, Any],
    floor: float,
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Write the scores of one model to `table`, the steps of its random strings to `steps`.

    Pairs are asked in every wording of `asked`, free replies and random strings in the first.
    """
    sizes, random_sizes = settings["sizes"], settings["random_sizes"]
    wordings = asked["wordings"]
    batch_tokens = spec.get("batch_tokens", batch_tokens)
    engine: Any = engines.load(model, spec, checkpoint, batch_tokens=batch_tokens)
    # One way for all wordings, the spaced one if any needs it, so that curves can be compared.
    ways = [digits.way_of(engine, wording, min(max(sizes), 16)) for wording in wordings]
    way = next((way for way in ways if way != "plain"), "plain")
    every_random_size = [*random_sizes["trained"], *random_sizes["longer"]]
    for wording in wordings:
        refuse_beyond_context(engine, wording, way, sorted({*sizes, *every_random_size}))
    if merged := way != "plain":
        print(f"models.{model}: the tokenizer merges digits; bits are written {way}")
    rows = [scores.exact("E2", "digits_merged", merged, 1, units="models")]
    for size in progress.track(sizes, description="pairs", unit="size"):
        for wording in wordings:
            rows += pair_rows(engine, wording, way, size, floor)
    rows += free_replies(engine, wordings[0], way, sizes, seed)
    of_random = (every_random_size, settings["strings"], seed)
    each_step = pd.DataFrame(random_steps(engine, wordings[0], way, *of_random))
    rows += random_scores(each_step, floor)
    found = pd.DataFrame(rows)
    found["wording"] = found["wording"].fillna("")
    for frame, path in ((found, table), (each_step, steps)):
        tables.write(frame.assign(model=model), path, provenance=provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
