"""The requests of all single-turn experiments: S1 to S3, S7 to S10, S12 and S14.

Columns beside the shared ones: `experiment`; `target`, the distribution of true draws; `style`, the
wording, map or generator; `batch`, draws requested in one reply; `given`, the number or case in the
prompt. Items differ between experiments, so no draw is used in two of them.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, schemas, seeds, tables
from workflow_scripts.stochasticity import maps

Request = dict[str, Any]

UNFILTERED: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "top_k": 0}  # the model as it is


def direct(experiment: str, target: str, style: str, prompt: str, **fields: Any) -> Request:
    """One request for a draw of `target`, in the words of `prompt`.

    `fields` go to `inference.request`. `messages` replaces the prompt in later turns; `key`
    distinguishes requests with the same words.
    """
    settings = UNFILTERED | {"batch": 1, "given": ""} | fields
    parts = (experiment, target, style, settings.pop("key", settings["given"]))
    return inference.request(
        "/".join(map(str, parts)),
        messages=settings.pop("messages", [{"role": "user", "content": prompt}]),
        experiment=experiment,
        target=target,
        style=style,
        **settings,
    )


def styles(draws: int, tokens: int, seed: int) -> Iterator[Request]:
    """S1, the plain prompt, and S2, other wordings."""
    for target, prompts in words.PROMPTS.items():
        for style, prompt in prompts.items():
            experiment = "S1" if style == "plain" else "S2"
            # A reply that states the distribution first is one or two sentences longer.
            room = tokens + 48 * (style == "state_first")
            yield direct(experiment, target, style, prompt, n=draws, max_tokens=room, seed=seed)


def decoding(settings: dict[str, Any], draws: int, tokens: int, seed: int) -> Iterator[Request]:
    """S3: the plain prompt over a grid of temperature and top-p, and at a vendor's setting."""
    grid = [
        {"temperature": t, "top_p": p} for t in settings["temperatures"] for p in settings["top_ps"]
    ]
    grid += [settings["recommended"]] if settings["recommended"] else []
    fields = {"n": draws, "max_tokens": tokens, "seed": seed}
    for target in settings["targets"]:
        prompt = words.PROMPTS[target]["plain"]
        for sampling in grid:
            yield direct("S3", target, "plain", prompt, **sampling, **fields)


def batched(settings: dict[str, Any], draws: int, seed: int) -> Iterator[Request]:
    """S7: several draws per reply, `draws` in total."""
    for target in settings["targets"]:
        for size in settings["sizes"]:
            prompt = words.batched(target, size)
            room = 32 + (2 + 6 * (target != "digit")) * size
            fields = {"key": size, "batch": size, "n": max(1, draws // size), "max_tokens": room}
            yield direct("S7", target, "plain", prompt, seed=seed, **fields)


def generators(settings: dict[str, Any], seed: int) -> Iterator[Request]:
    """S8: small generators to run in text, from starts outside the embedded models' training."""
    steps = settings["steps"]
    for modulus in settings["moduli"]:
        rng = seeds.generator(seed, "lcg", modulus)
        cases: set[tuple[int, int, int, int]] = set()
        while len(cases) < settings["starts"]:
            cases.add(words.lcg_case(rng, modulus, "held_out"))
        for case in sorted(cases):
            yield _generator(f"lcg-{modulus}", words.lcg(*case, steps), [*case], steps, seed)
    for bits in settings["xorshift_bits"]:
        rng = seeds.generator(seed, "xorshift", bits)
        starts = rng.choice(np.arange(1, 2**bits), settings["starts"], replace=False)
        for start in map(int, starts):
            prompt = maps.xorshift_prompt(bits, start, steps)
            yield _generator(f"xorshift-{bits}", prompt, [bits, start], steps, seed)


def _generator(style: str, prompt: str, case: list[int], steps: int, seed: int) -> Request:
    fields = {"batch": steps, "n": 1, "max_tokens": 32 + 32 * steps, "seed": seed}
    return direct("S8", "steps", style, prompt, given=json.dumps(case), **fields)


def external(names: list[str], draws: int, tokens: int, seed: int) -> Iterator[Request]:
    """S9: a different uniform number in each prompt, to be mapped to the target."""
    for name in names:
        rng = seeds.generator(seed, "external", name)
        seen: set[str] = set()
        while len(seen) < draws:
            given = maps.given(rng, name)
            if given in seen:  # requests must differ
                continue
            seen.add(given)
            fields = {"given": given, "n": 1, "max_tokens": tokens, "seed": seed}
            yield direct("S9", maps.TARGETS[name], name, maps.prompt(name, given), **fields)


def self_made(names: list[str], draws: int, tokens: int, seed: int) -> Iterator[Request]:
    """S10: the model first writes the number itself, then maps it."""
    for name in names:
        room = 2 * tokens + 16
        prompt = words.SELF_MADE[name]
        target = maps.TARGETS[name]
        yield direct("S10", target, name, prompt, n=draws, max_tokens=room, seed=seed)


def quiz(draws: int, seed: int) -> Iterator[Request]:
    """S12: multiple-choice questions, equally many per topic."""
    for topic in words.TOPICS:
        n = max(1, draws // len(words.TOPICS))
        prompt = words.quiz(topic)
        yield direct("S12", "letter", "plain", prompt, given=topic, n=n, max_tokens=128, seed=seed)


def discrete(settings: dict[str, Any], draws: int, tokens: int, seed: int) -> Iterator[Request]:
    """S14: coins and letters with stated weights."""
    fields: dict[str, Any] = {"n": draws, "max_tokens": tokens, "seed": seed}
    for percent in settings["bernoulli_percent"]:
        yield direct("S14", f"bernoulli-{percent}", "plain", words.bernoulli(percent), **fields)
    for weights in settings["categorical_percent"]:
        name = "categorical-" + "-".join(map(str, weights))
        yield direct("S14", name, "plain", words.categorical(tuple(weights)), **fields)


def main(
    requests: str,
    draws: int,
    reply_tokens: int,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the request table; `settings` maps names of config sections to their contents."""
    frame = inference.table(
        [
            *styles(draws, reply_tokens, seed),
            *decoding(settings["decoding"], draws, reply_tokens, seed),
            *batched(settings["batched"], draws, seed),
            *generators(settings["generators"], seed),
            *external(settings["external_maps"], draws, reply_tokens, seed),
            *self_made(settings["self_made_maps"], draws, reply_tokens, seed),
            *quiz(draws, seed),
            *discrete(settings["discrete"], draws, reply_tokens, seed),
        ]
    )
    tables.write(frame, requests, schemas.REQUESTS, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
