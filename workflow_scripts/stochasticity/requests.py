"""The requests of every experiment that needs one turn: S1 to S3, S7 to S10, S12 and S14.

Columns beside the shared ones: `experiment`; `target`, the distribution that true draws would
have; `style`, the wording, map or generator; `batch`, draws asked for in one reply; `given`, the
number or case that the prompt hands over. Each experiment has its own item, so that no draw
serves two of them.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, provenance, schemas, seeds, tables
from workflow_scripts.stochasticity import maps

Row = dict[str, Any]


def direct(experiment: str, target: str, style: str, prompt: str, **fields: Any) -> Row:
    """One request for a target's draw in the words of `prompt`.

    `fields` are those of `inference.request`; `messages` takes the place of the prompt where there
    is more than one turn, `key` tells requests of the same words apart.
    """
    settings: dict[str, Any] = {
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "batch": 1,
        "given": "",
    } | fields
    parts = (experiment, target, style, settings.pop("key", settings["given"]))
    return inference.request(
        "/".join(map(str, parts)),
        messages=settings.pop("messages", [{"role": "user", "content": prompt}]),
        experiment=experiment,
        target=target,
        style=style,
        **settings,
    )


def styles(draws: int, tokens: int, seed: int) -> Iterator[Row]:
    """S1, the plain prompt, and S2, the other wordings."""
    for target, prompts in words.PROMPTS.items():
        for style, prompt in prompts.items():
            experiment = "S1" if style == "plain" else "S2"
            # A reply that states the distribution first is a sentence or two longer.
            room = tokens + 48 * (style == "state_first")
            yield direct(experiment, target, style, prompt, n=draws, max_tokens=room, seed=seed)


def decoding(settings: dict[str, Any], draws: int, tokens: int, seed: int) -> Iterator[Row]:
    """S3: the plain prompt over a grid of temperature and top-p, and at a vendor's own setting."""
    grid = [(t, p, 0) for t in settings["temperatures"] for p in settings["top_ps"]]
    own = settings["recommended"]
    if own:
        grid.append((own["temperature"], own["top_p"], own["top_k"]))
    for target in settings["targets"]:
        for temperature, top_p, top_k in grid:
            yield direct(
                "S3",
                target,
                "plain",
                words.PROMPTS[target]["plain"],
                n=draws,
                temperature=temperature,
                top_p=top_p,
                top_k=top_k,
                max_tokens=tokens,
                seed=seed,
            )


def batched(settings: dict[str, Any], draws: int, seed: int) -> Iterator[Row]:
    """S7: replies of several draws each, as many replies as give `draws` in all."""
    for target in settings["targets"]:
        for size in settings["sizes"]:
            yield direct(
                "S7",
                target,
                "plain",
                words.batched(target, size),
                key=size,
                batch=size,
                n=max(1, draws // size),
                max_tokens=32 + (2 + 6 * (target != "digit")) * size,
                seed=seed,
            )


def generators(settings: dict[str, Any], seed: int) -> Iterator[Row]:
    """S8: small generators to run in text, from starts that the embedded models never saw."""
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


def _generator(style: str, prompt: str, case: list[int], steps: int, seed: int) -> Row:
    return direct(
        "S8",
        "steps",
        style,
        prompt,
        given=json.dumps(case),
        batch=steps,
        n=1,
        max_tokens=32 + 32 * steps,
        seed=seed,
    )


def external(names: list[str], draws: int, tokens: int, seed: int) -> Iterator[Row]:
    """S9: for each draw, a uniform number of its own, to be mapped to the target."""
    for name in names:
        rng = seeds.generator(seed, "external", name)
        seen: set[str] = set()
        while len(seen) < draws:
            given = maps.given(rng, name)
            if given in seen:  # the same request twice would be one
                continue
            seen.add(given)
            yield direct(
                "S9",
                maps.TARGETS[name],
                name,
                maps.prompt(name, given),
                given=given,
                n=1,
                max_tokens=tokens,
                seed=seed,
            )


def self_made(names: list[str], draws: int, tokens: int, seed: int) -> Iterator[Row]:
    """S10: the model writes the number itself, then maps it."""
    for name in names:
        room = 2 * tokens + 16
        prompt = words.SELF_MADE[name]
        target = maps.TARGETS[name]
        yield direct("S10", target, name, prompt, n=draws, max_tokens=room, seed=seed)


def quiz(draws: int, seed: int) -> Iterator[Row]:
    """S12: multiple-choice questions, the same number on each topic."""
    for topic in words.TOPICS:
        n = max(1, draws // len(words.TOPICS))
        prompt = words.quiz(topic)
        yield direct("S12", "letter", "plain", prompt, given=topic, n=n, max_tokens=128, seed=seed)


def discrete(settings: dict[str, Any], draws: int, tokens: int, seed: int) -> Iterator[Row]:
    """S14: coins and letters of stated weights."""
    fields: dict[str, Any] = {"n": draws, "max_tokens": tokens, "seed": seed}
    for percent in settings["bernoulli_percent"]:
        yield direct("S14", f"bernoulli-{percent}", "plain", words.bernoulli(percent), **fields)
    for weights in settings["categorical_percent"]:
        name = "categorical-" + "-".join(map(str, weights))
        yield direct("S14", name, "plain", words.categorical(tuple(weights)), **fields)


def main(
    path: str | Path,
    draws: int,
    reply_tokens: int,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the request table; `settings` are the sections of the config named as below."""
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
    tables.write(frame, path, schemas.REQUESTS, provenance)


if __name__ == "__main__":
    with job.running(snakemake):
        main(
            snakemake.output.requests,
            snakemake.params.draws,
            snakemake.params.reply_tokens,
            dict(snakemake.params.settings),
            snakemake.params.seed,
            provenance.of(snakemake),
        )
