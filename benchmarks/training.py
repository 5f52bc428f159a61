"""Training tokens per second of the embedded models, compared with a plain PyTorch loop.

    python benchmarks/training.py [--model embedded-s] [--steps 40]

The baseline is the loop that one would write first: the same conversations in each step, padded to
the longest, through transformers' own forward pass with labels, with torch's optimisers, under the
same bfloat16 autocast and again in float32. Ours runs once with torch's Muon, too, whose products
are in bfloat16 on every processor. All start from the same weights, and their first losses
are compared before anything is timed. They alternate step by step, so that a busy machine slows all
of them equally. Tokens are those of the conversations; padding does not count. One thread, process
time.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import comparison
import numpy as np
import torch
import yaml

from workflow_scripts.models import architecture, batches, chat, corpus, tokenizer, training
from workflow_scripts.shared import devices
from workflow_scripts.shared.fingerprint import ROOT

NOT_LEARNT = -100  # transformers' label for a token without a loss
WARM_UP = 3  # steps that are not timed


def data(config: dict[str, Any]) -> tuple[Any, batches.Encoded]:
    """The tokenizer, and a corpus of the config's mixture at a tenth of its size."""
    settings, seed = config["embedded"]["corpus"], config["seed"]
    lands = corpus.world_of(seed, settings["places"], settings["zipf_exponent"])
    counts = {skill: count // 10 for skill, count in settings["conversations"].items()}
    frame = corpus.table(corpus.skills(settings, lands), counts, "train", seed)
    turns = [json.loads(messages) for messages in frame["messages"]]
    texts = (message["content"] for messages in turns for message in messages)
    tokens = tokenizer.train(texts, config["embedded"]["tokenizer"]["vocab_size"])
    return tokens, batches.flatten(chat.encode(tokens, turns), 512)


def padded_loss(model: Any, encoded: batches.Encoded, chosen: np.ndarray) -> torch.Tensor:
    """The loss of the conversations `chosen`, padded on the right to the longest of them."""
    spans = [slice(*encoded.starts[i : i + 2]) for i in chosen]
    rows = [torch.from_numpy(encoded.ids[span]) for span in spans]
    labels = [
        torch.from_numpy(np.where(encoded.learnt[span], encoded.ids[span], NOT_LEARNT))
        for span in spans
    ]
    pad = torch.nn.utils.rnn.pad_sequence
    ids = pad(rows, batch_first=True, padding_value=batches.FILLER)
    seen = pad([torch.ones_like(row) for row in rows], batch_first=True)
    wanted = pad(labels, batch_first=True, padding_value=NOT_LEARNT)
    return model(input_ids=ids, attention_mask=seen, labels=wanted).loss


def stepper(
    model: Any, settings: training.Settings, loss: Callable[[Any], torch.Tensor], mixed: bool
) -> Callable[[Any], float]:
    """One step on the given conversations; returns its loss. torch's Muon if `mixed`, else ours."""
    optimisers = training._optimisers(model, settings, mixed)

    def step(chosen: Any) -> float:
        value = loss(chosen)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        return float(value.detach())

    return step


def main(name: str, steps: int) -> None:
    torch.set_num_threads(1)
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    spec = config["models"][name]
    options = config["embedded"]["train"]
    fields = {k: v for k, v in options.items() if k in training.Settings.__annotations__}
    settings = training.Settings(steps=spec["steps"], **fields)
    tokens, encoded = data(config)
    ours, theirs, bf16, fp32 = (architecture.build(tokens, spec, 1).train() for _ in range(4))
    decoder, its_decoder = training._decoder(ours), training._decoder(theirs)
    mixed = devices.prefers_bfloat16()

    def padded_bf16(chosen: np.ndarray) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return padded_loss(bf16, encoded, chosen)

    loops = {
        "ours": stepper(
            ours,
            settings,
            lambda c: training._loss(decoder, ours, batches.gather(encoded, c), mixed),
            mixed,
        ),
        "ours with torch's Muon": stepper(
            theirs,
            settings,
            lambda c: training._loss(its_decoder, theirs, batches.gather(encoded, c), mixed),
            True,
        ),
        "plain loop, bfloat16": stepper(bf16, settings, padded_bf16, True),
        "plain loop, float32": stepper(
            fp32, settings, lambda c: padded_loss(fp32, encoded, c), True
        ),
    }
    schedule = batches.Schedule(encoded.lengths, settings.batch_tokens, 1)
    seconds: dict[str, list[float]] = {loop: [] for loop in loops}
    counted = []
    for number in range(WARM_UP + steps):
        chosen = schedule.step(number)
        losses = {}
        for loop, step in loops.items():
            started = time.process_time()
            losses[loop] = step(chosen)
            seconds[loop].append(time.process_time() - started)
        if number == 0:
            print("first losses:", {loop: round(value, 4) for loop, value in losses.items()})
        counted.append(int(encoded.lengths[chosen].sum()))
    kept = slice(WARM_UP, None)
    tokens = sum(counted[kept])
    taken = {loop: times[kept] for loop, times in seconds.items()}
    case = f"{name}, a step of about {settings.batch_tokens} tokens"
    notes = {"ours_tokens_per_s": round(tokens / sum(taken["ours"]))}
    comparison.report("training", comparison.rows(case, taken, **notes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="embedded-m", help="an embedded model of config.yaml")
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    main(arguments.model, arguments.steps)
