"""The requests that are the same for every model: S1 to S3, S9, S10, S12 and S14.

Columns beside the shared ones: `experiment`; `target`, the distribution of true draws; `style`, the
wording or map; `batch`, draws requested in one reply; `given`, the number or topic in the prompt.
Items differ between experiments, so no draw is used in two of them.
"""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, schemas, seeds, tables
from workflow_scripts.stochasticity import maps

Request = dict[str, Any]

UNFILTERED: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "top_k": 0}  # the model as it is
# A question with four options and its key takes 40 to 80 tokens, twice that for a long one.
QUIZ_TOKENS = 256


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
        fields = {"n": n, "max_tokens": QUIZ_TOKENS, "seed": seed}
        yield direct("S12", "letter", "plain", prompt, given=topic, **fields)


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
    """Write the request table; `settings` has sections of the study's config, by name."""
    frame = inference.table(
        [
            *styles(draws, reply_tokens, seed),
            *decoding(settings["decoding"], draws, reply_tokens, seed),
            *external(settings["external_maps"], draws, reply_tokens, seed),
            *self_made(settings["self_made_maps"], draws, reply_tokens, seed),
            *quiz(draws, seed),
            *discrete(settings["discrete"], draws, reply_tokens, seed),
        ]
    )
    tables.write(frame, requests, schemas.REQUESTS, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
