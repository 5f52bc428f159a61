"""Tokens per second of the runner and of two baselines, on one model and the same requests.

    python benchmarks/runner.py [--model FOLDER] [--rounds 5] [--batch 64]

The baselines are a plain loop of `model.generate` (batches in arrival order, left-padded, replies
cut at their stop strings afterwards) and the `hf` backend of lm-evaluation-harness (dependency
group `bench`). Every round runs all three. Only useful tokens count: those of a reply up to its
stop. Replies and option scores are compared before anything is timed. One thread, wall time.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import comparison
import numpy as np
import torch

from tests.inference import tiny
from workflow_scripts.inference import engines, requests, runner
from workflow_scripts.shared import job

SPEC = {"source": "a folder", "engine": "transformers", "dtype": "float32"}


def prompts(count: int, longest: int, seed: int) -> list[str]:
    """Texts of 1 to `longest` words, with uniform lengths."""
    random = np.random.default_rng(seed)
    words = tiny.WORDS.split()
    return [
        " ".join(random.choice(words, size=random.integers(1, longest + 1))) for _ in range(count)
    ]


def ours(engine: Any, table: Any) -> Any:
    """Responses through the runner, store included."""
    with tempfile.TemporaryDirectory() as folder:
        return runner.generate(table, engine, folder)


def plain_loop(
    engine: Any, texts: list[str], batch: int, max_tokens: int, stop: str | None, sample: bool
) -> list[str]:
    """What a short script would do: padded batches in arrival order."""
    replies = []
    settings = {"do_sample": sample, "top_k": 0} if sample else {"do_sample": False}
    for start in range(0, len(texts), batch):
        part = texts[start : start + batch]
        inputs = engine.tokenizer(part, padding=True, return_tensors="pt").to(engine.model.device)
        with torch.inference_mode():
            output = engine.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=max_tokens,
                pad_token_id=engine.tokenizer.pad_token_id,
                **settings,
            )
        new = output[:, inputs["input_ids"].shape[1] :]
        for reply in engine.tokenizer.batch_decode(new, skip_special_tokens=True):
            replies.append(reply.split(stop)[0] if stop else reply)
    return replies


def plain_scores(
    engine: Any, texts: list[str], options: list[str], batch: int
) -> list[list[float]]:
    """One padded pass over prompt and option per option."""
    pairs = [(text, option) for text in texts for option in options]
    scores = []
    for start in range(0, len(pairs), batch):
        part = pairs[start : start + batch]
        whole = [engine.tokenizer(a + b)["input_ids"] for a, b in part]
        heads = [len(engine.tokenizer(a)["input_ids"]) for a, _ in part]
        width = max(map(len, whole))
        ids = torch.zeros((len(part), width), dtype=torch.int64)
        for row, tokens in enumerate(whole):
            ids[row, : len(tokens)] = torch.tensor(tokens)
        mask = torch.tensor([[i < len(tokens) for i in range(width)] for tokens in whole]).long()
        with torch.inference_mode():
            logp = engine.model(input_ids=ids, attention_mask=mask).logits.log_softmax(-1)
        for row, tokens in enumerate(whole):
            at = torch.arange(heads[row], len(tokens))
            scores.append(float(logp[row, at - 1, ids[row, at]].sum()))
    return [scores[i : i + len(options)] for i in range(0, len(scores), len(options))]


def harness(engine: Any, batch: int) -> Any:
    """The wrapper of lm-evaluation-harness around the same weights."""
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError as error:
        raise SystemExit(
            "the comparison needs lm-evaluation-harness: pip install 'lm-eval[hf]'"
        ) from error
    return HFLM(pretrained=engine.model, tokenizer=engine.tokenizer, batch_size=batch, device="cpu")


def harness_replies(
    peer: Any, texts: list[str], max_tokens: int, stop: str | None, sample: bool
) -> list[str]:
    from lm_eval.api.instance import Instance

    settings = {"until": [stop] if stop else [], "max_gen_toks": max_tokens, "do_sample": sample}
    if sample:
        settings |= {"temperature": 1.0, "top_k": 0}
    asked = [
        Instance("generate_until", {}, (text, dict(settings)), number)
        for number, text in enumerate(texts)
    ]
    return peer.generate_until(asked, disable_tqdm=True)


def harness_scores(peer: Any, texts: list[str], options: list[str]) -> list[list[float]]:
    from lm_eval.api.instance import Instance

    asked = [
        Instance("loglikelihood", {}, (text, option), number)
        for number, (text, option) in enumerate((t, o) for t in texts for o in options)
    ]
    found = [value for value, _ in peer.loglikelihood(asked, disable_tqdm=True)]
    return [found[i : i + len(options)] for i in range(0, len(found), len(options))]


def main(model: str | None, rounds: int, batch: int, batch_tokens: int) -> None:
    job.set_threads(1)
    if model is None:
        model = tempfile.mkdtemp()
        tiny.save(
            Path(model), hidden=128, layers=4, vocabulary=500, num_key_value_heads=4, head_dim=32
        )
    engine = engines.load("bench", SPEC, model, batch_tokens=batch_tokens)
    peer = harness(engine, batch)
    size = sum(weight.numel() for weight in engine.model.parameters())
    print(f"{size / 1e6:.2f} M parameters, vocabulary {engine.vocabulary}, peers' batch {batch}")

    texts = prompts(384, 60, seed=1)
    stop, longest = "e", 64
    ragged = requests.table(
        requests.request(
            str(i), prompt=text, temperature=0, max_tokens=longest, stop=[stop], seed=0
        )
        for i, text in enumerate(texts)
    )
    one = prompts(1, 60, seed=2)[0]
    draws = requests.table(
        [requests.request("one", prompt=one, n=1024, temperature=1, max_tokens=16, seed=0)]
    )
    letters, phrases = [" A", " B", " C", " D"], [" north of it", " south of the town", " under"]
    choice = {
        name: requests.table(
            requests.request(
                str(i), prompt=text, temperature=0, max_tokens=0, choices=options, seed=0
            )
            for i, text in enumerate(texts)
        )
        for name, options in (("letters", letters), ("phrases", phrases))
    }
    header = prompts(1, 100, seed=3)[0] + "\n"
    choice["letters, one header"] = requests.table(
        requests.request(
            str(i), prompt=header + text, temperature=0, max_tokens=0, choices=letters, seed=0
        )
        for i, text in enumerate(texts)
    )
    kinds = {
        "letters": (texts, letters),
        "phrases": (texts, phrases),
        "letters, one header": ([header + text for text in texts], letters),
    }
    cases: dict[str, tuple[int, dict[str, Callable[[], Any]]]] = {}
    replies = ours(engine, ragged)
    print(f"ragged replies: {replies.completion_tokens.describe().round(1).to_dict()}")
    same = list(replies["text"])
    for name, other in (
        ("model.generate", plain_loop(engine, texts, batch, longest, stop, False)),
        ("lm-eval", harness_replies(peer, texts, longest, stop, False)),
    ):
        equal = sum(a == b for a, b in zip(same, other, strict=True))
        print(f"greedy replies equal to {name}'s: {equal} of {len(same)}")
    useful = int(replies.completion_tokens.sum())
    cases["generate, ragged, stop"] = (
        useful,
        {
            "ours": lambda: ours(engine, ragged),
            "model.generate": lambda: plain_loop(engine, texts, batch, longest, stop, False),
            "lm-eval": lambda: harness_replies(peer, texts, longest, stop, False),
        },
    )
    drawn = int(ours(engine, draws).completion_tokens.sum())
    cases["1,024 draws of one prompt"] = (
        drawn,
        {
            "ours": lambda: ours(engine, draws),
            "model.generate": lambda: plain_loop(engine, [one] * 1024, batch, 16, None, True),
            "lm-eval": lambda: harness_replies(peer, [one] * 1024, 16, None, True),
        },
    )
    for name, (asked, options) in kinds.items():
        mine = [json.loads(row) for row in ours(engine, choice[name]).choice_logprobs]
        for other, theirs in (
            ("a plain loop", plain_scores(engine, asked, options, batch)),
            ("lm-eval", harness_scores(peer, asked, options)),
        ):
            worst = np.abs(np.array(mine) - np.array(theirs)).max()
            print(f"options ({name}): largest difference from {other} {worst:.1e} nats")
        counted = sum(len(engine.tokenizer(text)["input_ids"]) for text in asked)
        cases[f"options, {name}"] = (
            counted,
            {
                "ours": partial(ours, engine, choice[name]),
                "model.generate": partial(plain_scores, engine, asked, options, batch),
                "lm-eval": partial(harness_scores, peer, asked, options),
            },
        )

    found: list[dict[str, Any]] = []
    notes = {"peers_batch": batch, "batch_tokens": batch_tokens, "parameters": size}
    for case, (tokens, runs) in cases.items():
        taken = comparison.in_turns(runs, rounds, warm_up=0, clock=time.perf_counter)
        for row in comparison.rows(case, taken, tokens=tokens, **notes):
            found.append(row | {"ours_tokens_per_s": round(1000 * tokens / row["ours_ms"])})
    comparison.report("runner", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model folder; without it, a model with random weights")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64, help="batch size of the peers")
    parser.add_argument("--batch-tokens", type=int, default=16384)
    given = parser.parse_args()
    main(given.model, given.rounds, given.batch, given.batch_tokens)
