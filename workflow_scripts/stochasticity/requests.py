"""The requests of S1 to S3, S9, S10, S12 and S14 to one model.

Columns beside the shared ones: `experiment`; `target`, the distribution of true draws; `style`, the
wording or map; `batch`, draws requested in one reply; `given`, the number or topic in the prompt.
Items differ between experiments, so no draw is used in two of them. Models of different kinds get
the same questions; what surrounds these, and the limits of tokens, follow from the kind (`asking`).
"""

import logging
from collections.abc import Iterator
from typing import Any

from workflow_scripts.inference import openai_payload
from workflow_scripts.inference import requests as inference
from workflow_scripts.models.corpora import sampling_words as words
from workflow_scripts.shared import job, schemas, seeds, tables
from workflow_scripts.stochasticity import asking, maps
from workflow_scripts.stochasticity.asking import Manner, Request, direct

log = logging.getLogger(__name__)


def styles(manner: Manner, draws: int, seed: int) -> Iterator[Request]:
    """S1, the plain prompt, and S2, other wordings."""
    for target, prompts in words.PROMPTS.items():
        for style, prompt in prompts.items():
            experiment = "S1" if style == "plain" else "S2"
            tokens = manner.stated if style == "state_first" else manner.short
            fields: Request = {"tokens": tokens, "n": draws, "seed": seed}
            yield direct(manner, experiment, target, style, prompt, **fields)


def decoding(
    manner: Manner, settings: dict[str, Any], spec: dict[str, Any], draws: int, seed: int
) -> Iterator[Request]:
    """S3: the plain prompt over a grid of temperature and top-p, and at a vendor's setting.

    A server that cannot be asked for a setting is not; the log says so.
    """
    grid = [
        {"temperature": t, "top_p": p} for t in settings["temperatures"] for p in settings["top_ps"]
    ]
    grid += [settings["recommended"]] if settings["recommended"] else []
    fields: Request = {"tokens": manner.short, "n": draws, "seed": seed}
    refused = set()
    for target in settings["targets"]:
        prompt = words.PROMPTS[target]["plain"]
        for sampling in grid:
            request = direct(manner, "S3", target, "plain", prompt, **sampling, **fields)
            if why := _refusal(spec, request):
                refused.add(why)
            else:
                yield request
    for why in sorted(refused):
        log.warning("S3: a setting is left out for this model: %s", why)


def _refusal(spec: dict[str, Any], request: Request) -> str | None:
    """Why the model's server cannot answer the request, or None."""
    return openai_payload.refusal(spec, request) if spec.get("engine") == "openai" else None


def external(manner: Manner, names: list[str], draws: int, seed: int) -> Iterator[Request]:
    """S9: a different uniform number in each prompt, to be mapped to the target."""
    for name in names:
        rng = seeds.generator(seed, "external", name)
        seen: set[str] = set()
        while len(seen) < draws:
            given = maps.given(rng, name)
            if given in seen:  # requests must differ
                continue
            seen.add(given)
            prompt = maps.prompt(name, given)
            fields: Request = {"tokens": manner.short, "given": given, "n": 1, "seed": seed}
            yield direct(manner, "S9", maps.TARGETS[name], name, prompt, **fields)


def self_made(manner: Manner, names: list[str], draws: int, seed: int) -> Iterator[Request]:
    """S10: the model first writes the number itself, then maps it."""
    for name in names:
        prompt = words.SELF_MADE[name]
        fields: Request = {"tokens": manner.made, "n": draws, "seed": seed}
        yield direct(manner, "S10", maps.TARGETS[name], name, prompt, **fields)


def quiz(manner: Manner, draws: int, seed: int) -> Iterator[Request]:
    """S12: multiple-choice questions, equally many per topic."""
    n = max(1, draws // len(words.TOPICS))
    for topic in words.TOPICS:
        prompt = words.quiz(topic)
        fields: Request = {
            "tokens": manner.quiz,
            "form": "quiz",
            "given": topic,
            "n": n,
            "seed": seed,
        }
        yield direct(manner, "S12", "letter", "plain", prompt, **fields)


def discrete(manner: Manner, settings: dict[str, Any], draws: int, seed: int) -> Iterator[Request]:
    """S14: coins and letters with stated weights."""
    asked = {f"bernoulli-{p}": words.bernoulli(p) for p in settings["bernoulli_percent"]}
    for weights in settings["categorical_percent"]:
        asked["categorical-" + "-".join(map(str, weights))] = words.categorical(tuple(weights))
    for target, prompt in asked.items():
        fields: Request = {"tokens": manner.short, "n": draws, "seed": seed}
        yield direct(manner, "S14", target, "plain", prompt, **fields)


def every(
    manner: Manner, settings: dict[str, Any], spec: dict[str, Any], draws: int, seed: int
) -> Iterator[Request]:
    """All requests; `settings` has sections of the study's config, without `decoding` no S3.

    With `stopping`, S1 is asked elsewhere (`stopping.py`).
    """
    for request in styles(manner, draws, seed):
        if request["experiment"] != "S1" or not settings.get("stopping"):
            yield request
    if "decoding" in settings:
        yield from decoding(manner, settings["decoding"], spec, draws, seed)
    yield from external(manner, settings["external_maps"], draws, seed)
    yield from self_made(manner, settings["self_made_maps"], draws, seed)
    yield from quiz(manner, draws, seed)
    yield from discrete(manner, settings["discrete"], draws, seed)


def main(
    requests: str,
    model: str,
    spec: dict[str, Any],
    checkpoint: str,
    asked: dict[str, Any],
    draws: int,
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the request table of one model; `settings` has sections of the study's config.

    `asked` is what the model's kind says (`kinds.asked`).
    """
    manner = asking.of(model, asked, spec, checkpoint)
    frame = inference.table(every(manner, settings, spec, draws, seed))
    tables.write(frame, requests, schemas.REQUESTS, provenance)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    job.run(snakemake, main)
