"""What the study asks of a model: copies, strings (E2, E4) and edits that pass through it."""

from types import SimpleNamespace
from typing import Any

from workflow_scripts.inference import forms, kinds, requests
from workflow_scripts.perplexity import digits
from workflow_scripts.shared import seeds
from workflow_scripts.shared.workload import Count, Part, asked

# Of an answer through the model: one if it is right, else one per change and one more. Its question
# passes once.
PASSES = 2


def workload(config: dict[str, Any], name: str, count: Count) -> list[Part]:
    """Free replies in the first wording, pairs in every wording, random strings."""
    from workflow_scripts.perplexity.models import SPARE_TOKENS, strings

    settings = config["perplexity"]["models"]
    wordings = kinds.asked(config, "perplexity", name)["wordings"]
    model = SimpleNamespace(spec=kinds.serving(config, "perplexity", name))
    longest = max(settings["sizes"])
    # Where the tokenizer merges digits, bits are written with spaces between them.
    way = "plain" if count.text(digits.text([0] * longest, "plain")) >= longest else "spaced"

    def read(wording: str, size: int, passes: int = 1) -> int:
        bits = [0] * size
        turns = digits.question(model, wording, bits, way)
        return count.turns(turns) + passes * count.text(digits.text(bits, way))

    free = [
        requests.request(
            f"{string} {size}",
            messages=digits.question(model, wordings[0], bits, way),
            temperature=0.0,
            max_tokens=count.text(digits.text(bits, way)) + SPARE_TOKENS,
            stop=forms.stop(model.spec.get("kind", "")),
            seed=config["seed"],
        )
        for size in settings["sizes"]
        for string, bits in strings(size).items()
    ]
    pairs = sum(2 * read(each, size, PASSES) for each in wordings for size in settings["sizes"])
    random_sizes = [size for sizes in settings["random_sizes"].values() for size in sizes]
    random = settings["strings"] * sum(read(wordings[0], size) for size in random_sizes)
    number = 2 * len(wordings) * len(settings["sizes"]) + settings["strings"] * len(random_sizes)
    part = asked("perplexity_models", free, count)
    return [
        part._replace(
            requests=part.requests + number,
            prompts=part.prompts + number,
            scored_tokens=pairs + random,
        ),
        edited(config, wordings[0], model, way, count),
    ]


def edited(config: dict[str, Any], wording: str, model: Any, way: str, count: Count) -> Part:
    """Prompts and their edits for blind spots, with their answers; all are taken to be right."""
    from workflow_scripts.perplexity import edits

    settings = config["perplexity"]["blind_spots"]
    rng = seeds.generator(config["seed"], "perplexity", "blind spots", "workload")
    number = tokens = 0
    for task in settings["tasks"]:
        for size in settings["sizes"]:
            most = edits.longest(task)
            if most is not None and size > most:
                continue
            prompts = edits.drawn(task, size, settings["prompts"], rng)
            first = prompts[0]
            turns = digits.asked(model, first.text(wording, way))
            reply = digits.answered(first.lead, first.answer, way)
            answer = count.text(reply)
            length = count.turns(turns) + answer
            if count.context is not None and length > count.context:
                continue
            changed = sum(
                len(edits.chosen(first, kind, settings["edits"], rng)) for kind in edits.KINDS
            )
            # Each kind of edits starts from a prompt of its own.
            number += len(prompts) * (len(edits.KINDS) + changed)
            tokens += len(prompts) * (len(edits.KINDS) + changed) * length
            tokens += len(prompts) * changed * (PASSES - 1) * answer
    return Part("perplexity_blind_spots", number, number, scored_tokens=tokens)
