"""Tokens per second of the runner and of its peers, on one model and the same requests.

    python benchmarks/runner.py [--model FOLDER | --random] [--rounds 5] [--batch 64]
                                [--peers lm-eval model.generate vllm llama.cpp]

The model is SmolLM2-135M-Instruct in float32 and bfloat16, or a small one with random weights where
no package index has it. Peers are the `hf` backend of lm-evaluation-harness (dependency group
`bench`); a loop of `model.generate` (batches in arrival order, left-padded, replies cut at their
stop strings afterwards); vLLM's offline call (`make vllm`); and llama.cpp's server with the 4-bit
weights of the same model, over HTTP on loopback, prompts not cached between rounds. The last two do
not score options. Every round runs all of them. Only useful tokens count: those of a reply up to
its stop. Replies and option scores are compared before anything is timed. One thread each; CPU
time, that of the peers' own processes included.

`of_products` is the share of the machine's own rate of matrix products, measured in the same run.
It counts what a case needs: each different prompt's tokens and each reply's once through the linear
layers, and the output layer where its logits are used. Attention does not count.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import comparison
import numpy as np
import real_model
import torch
from other_processes import CONTEXT, LlamaCpp, Vllm, cpu_s
from runner_peers import harness, harness_replies, harness_scores, plain_loop, plain_scores

from tests.inference import tiny
from workflow_scripts.inference import engines, requests, runner, vllm_engine
from workflow_scripts.shared import job

SPEC = {"source": "a folder", "engine": "transformers", "dtype": "float32"}
LETTERS, PHRASES = [" A", " B", " C", " D"], [" north of it", " south of the town", " under"]
GREEDY = {"do_sample": False}
DRAW = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
NUCLEUS = DRAW | {"top_k": 20, "top_p": 0.95}
SIDE = 1024  # of the products that measure the machine
LM_EVAL, GENERATE, VLLM, LLAMA_CPP = "lm-eval", "model.generate", "vllm", "llama.cpp"
# Nothing but temperature: the server's own defaults cut the distribution.
NO_FILTERS = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "repeat_penalty": 1.0}


class Sizes(NamedTuple):
    """Prompts, tokens of a reply, draws, tokens of a draw, scored texts, and what ends a reply."""

    prompts: int
    reply: int
    draws: int
    draw: int
    scored: int
    stop: str | None


REAL = Sizes(48, 24, 192, 12, 96, None)
RANDOM = Sizes(384, 64, 1024, 16, 384, "e")


@dataclass
class Case:
    """A table of requests, our answers, their useful tokens and operations, and the peers."""

    asked: Any
    answers: Any
    tokens: int
    operations: int
    peers: dict[str, Callable[[Any], Any]]


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


def weights(engine: Any) -> tuple[int, int]:
    """Numbers of weights in the linear layers of the body, and in the output layer."""
    head = engine.model.get_output_embeddings()
    linear = (m for m in engine.model.modules() if isinstance(m, torch.nn.Linear))
    return sum(m.weight.numel() for m in linear if m is not head), head.weight.numel()


def generation(
    engine: Any, sizes: Sizes, asked: Any, texts: list[str], settings: dict[str, Any], batch: int
) -> Case:
    """A case that writes replies to `texts`; equal ones need one pass."""
    answers = ours(engine, asked)
    tokens = int(answers.completion_tokens.sum())
    prompt_tokens = int(answers.drop_duplicates("request_id").prompt_tokens.sum())
    body, head = weights(engine)
    needed = 2 * (body * (prompt_tokens + tokens - len(answers)) + head * tokens)
    most = sizes.reply if len(set(texts)) > 1 else sizes.draw
    # Without a stop, a reply of ours ends as theirs do, where the model ends it.
    stop = sizes.stop if settings is GREEDY else None
    heat = settings.get("temperature", 0.0)
    filters = {name: settings[name] for name in ("top_k", "top_p") if name in settings}
    ids = [engine.encode(prompt=text) for text in texts]
    ends = [int(token) for token in engine.ends.nonzero()[0]]
    common = {"temperature": heat, "max_tokens": most, "stop_token_ids": ends} | filters
    params = [common | {"seed": number} for number in range(len(texts))]
    served = NO_FILTERS | {"temperature": heat, "n_predict": most} | filters
    # Different prompts are computed anew in every round; equal ones share what one round keeps.
    served |= {"cache_prompt": len(set(texts)) == 1, "stop": [stop] if stop else []}
    peers = {
        LM_EVAL: lambda peer: harness_replies(peer, texts, most, stop, settings),
        GENERATE: lambda _: plain_loop(engine, texts, batch, most, stop, settings),
        VLLM: lambda peer: [
            engine.text([token for token in reply if token not in ends])
            for reply in peer.ask(ids, params)["tokens"]
        ],
        LLAMA_CPP: lambda peer: peer.ask(texts, served),
    }
    return Case(asked, answers, tokens, needed, peers)


def scores(engine: Any, texts: list[str], options: list[str], batch: int) -> Case:
    """A case that scores the same options after each text."""
    asked = requests.table(
        requests.request(str(i), prompt=text, temperature=0, max_tokens=0, choices=options, seed=0)
        for i, text in enumerate(texts)
    )
    answers = ours(engine, asked)
    tokens = int(answers.prompt_tokens.sum())
    more = sum(
        len(option) - 1 for row in asked.to_dict("records") for option in engine.continuations(row)
    )
    body, head = weights(engine)
    needed = 2 * (body * (tokens + more) + head * (len(texts) + more))
    peers = {
        LM_EVAL: lambda peer: harness_scores(peer, texts, options),
        GENERATE: lambda _: plain_scores(engine, texts, options, batch),
    }
    return Case(asked, answers, tokens, needed, peers)


def cases(engine: Any, sizes: Sizes, batch: int) -> dict[str, Callable[[], Case]]:
    texts = prompts(sizes.prompts, 60, seed=1)
    ragged = requests.table(
        requests.request(
            str(i),
            prompt=text,
            temperature=0,
            max_tokens=sizes.reply,
            stop=[sizes.stop] if sizes.stop else [],
            seed=0,
        )
        for i, text in enumerate(texts)
    )
    one = prompts(1, 60, seed=2)[0]
    how: dict[str, Any] = {
        "prompt": one,
        "n": sizes.draws,
        "temperature": 1,
        "max_tokens": sizes.draw,
        "seed": 0,
    }
    draws = requests.table([requests.request("one", **how)])
    likely = requests.table([requests.request("one", top_k=20, top_p=0.95, **how)])
    scored = prompts(sizes.scored, 60, seed=1)
    header = prompts(1, 100, seed=3)[0] + "\n"
    generate, score = partial(generation, engine, sizes), partial(scores, engine)
    ones = [one] * sizes.draws
    return {
        f"{sizes.prompts} ragged prompts, greedy": lambda: generate(ragged, texts, GREEDY, batch),
        f"{sizes.draws} draws of one prompt": lambda: generate(draws, ones, DRAW, batch),
        "draws, top_p 0.95 and top_k 20": lambda: generate(likely, ones, NUCLEUS, batch),
        "options, letters": lambda: score(scored, LETTERS, batch),
        "options, phrases": lambda: score(scored, PHRASES, batch),
        "letters after one header": lambda: score([header + x for x in scored], LETTERS, batch),
    }


def compare(name: str, case: Case, others: dict[str, Any]) -> dict[str, Any]:
    """Notes on greedy replies equal to a peer's, or on the largest difference of scores in nats."""
    answers = case.answers
    notes: dict[str, Any] = {}
    for peer, theirs in others.items():
        if "greedy" in name:
            equal = sum(a == b for a, b in zip(answers["text"], theirs(), strict=True))
            notes[peer] = f"{equal} of {len(answers)} replies equal"
        elif "draws" not in name:
            mine = np.array([json.loads(row) for row in answers.choice_logprobs])
            notes[peer] = f"at most {np.abs(mine - np.array(theirs())).max():.1e} nats apart"
    return notes


def products(dtype: str) -> float:
    """Operations per second of the machine's fastest product of this type, torch's or oneDNN's."""
    a, b = (torch.randn(SIDE, SIDE).to(getattr(torch, dtype)) for _ in range(2))
    packed = torch.ops.mkldnn._reorder_linear_weight(b, SIDE)
    taken = comparison.in_turns(
        {
            "torch": lambda: a @ b,
            "oneDNN": lambda: torch.ops.mkldnn._linear_pointwise(a, packed, None, "none", [], ""),
        },
        rounds=20,
    )
    return 2 * SIDE**3 / min(map(min, taken.values()))


def opened(names: list[str], engine: Any, folder: str, batch: int) -> dict[str, Any]:
    """The peers by name, ready to be asked."""
    ways: dict[str, Callable[[], Any]] = {
        LM_EVAL: lambda: harness(engine, batch),
        GENERATE: lambda: None,
        VLLM: lambda: Vllm(vllm_engine.interpreter("bench", {}), folder, engine.dtype, CONTEXT),
        LLAMA_CPP: lambda: LlamaCpp(real_model.SOURCE),
    }
    return {name: ways[name]() for name in names}


def measured(
    engine: Any, sizes: Sizes, rounds: int, batch: int, peers: dict[str, Any], only: list[str]
) -> None:
    """Every case of one engine, each reported as soon as it has ended."""
    outside = [peer.process.pid for peer in peers.values() if hasattr(peer, "process")]

    def clock() -> float:
        return time.process_time() + sum(map(cpu_s, outside))

    size = sum(weight.numel() for weight in engine.model.parameters())
    print(f"{size / 1e6:.2f} M parameters, vocabulary {engine.vocabulary}, {engine.dtype}")
    for name, prepared in cases(engine, sizes, batch).items():
        if only and not any(part in name for part in only):
            continue
        case = prepared()
        others = {
            other: partial(case.peers[other], peer)
            for other, peer in peers.items()
            if other in case.peers
        }
        notes = compare(name, case, others)
        own = products(engine.dtype)
        runs: dict[str, Callable[[], Any]] = {"ours": partial(ours, engine, case.asked), **others}
        taken = comparison.in_turns(runs, rounds, warm_up=0, clock=clock)
        own = max(own, products(engine.dtype))
        found = []
        for row in comparison.rows(f"{name}, {engine.dtype}", taken):
            seconds = row["ours_ms"] / 1000
            found.append(
                row
                | {
                    "ours_tokens_per_s": round(case.tokens / seconds),
                    "of_products": round(case.operations / seconds / own, 3),
                    "product_gflops": round(own / 1e9),
                    "compared": notes.get(row["peer"]),
                    "peers_batch": batch,
                    "parameters": size,
                }
            )
        comparison.report("runner", found)


def main(arguments: argparse.Namespace) -> None:
    job.set_threads(1)
    folder = arguments.model or (None if arguments.random else real_model.folder())
    sizes = REAL if folder else RANDOM
    if folder is None:
        folder = tempfile.mkdtemp()
        shape: dict[str, Any] = {"hidden": 128, "layers": 4, "vocabulary": 500}
        tiny.save(Path(folder), num_key_value_heads=4, head_dim=32, **shape)
    for dtype in arguments.dtypes:
        spec = SPEC | {"dtype": dtype}
        engine = engines.load("bench", spec, folder, batch_tokens=arguments.batch_tokens)
        peers = opened(arguments.peers, engine, folder, arguments.batch)
        try:
            measured(engine, sizes, arguments.rounds, arguments.batch, peers, arguments.cases)
        finally:
            for peer in peers.values():
                if hasattr(peer, "close"):
                    peer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model folder")
    parser.add_argument("--random", action="store_true", help="a small model with random weights")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64, help="batch size of the peers")
    parser.add_argument("--batch-tokens", type=int, default=16384)
    known = [LM_EVAL, GENERATE, VLLM, LLAMA_CPP]
    parser.add_argument("--peers", nargs="+", default=[LM_EVAL], choices=known)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--cases", nargs="+", default=[], help="parts of their names")
    main(parser.parse_args())
