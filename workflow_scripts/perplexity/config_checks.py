"""Settings of the study that the schema cannot check."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.models.registry import inside_problems


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per impossible setting of `perplexity`: key, what was found, what to do."""
    yield from inside_problems(config, "perplexity", "logits at every position")
    section = config["perplexity"]
    for part in ("copying", "parity"):
        settings = section[part]
        per_head = 2 * settings["heads"]
        if settings["width"] % per_head:
            yield (
                f"perplexity.{part}.width: found {settings['width']}, allowed: a multiple of "
                f"2 x heads = {per_head} (rotary positions rotate pairs)"
            )
    parity, copying = section["parity"], section["copying"]
    longest, most = parity["longest"], parity["steps"] // 3
    if longest not in parity["sizes"]:
        yield f"perplexity.parity.sizes: lacks {longest}, the trained size (parity.longest); add it"
    if max(parity["sizes"]) <= longest:
        yield f"perplexity.parity.sizes: no size above {longest}, the trained one; add one"
    if parity["steps"] // parity["keep_every"] < 3:
        yield (
            f"perplexity.parity.keep_every: found {parity['keep_every']}, allowed: at most {most} "
            "(a correlation needs 3 checkpoints)"
        )
    longest, sizes = copying["longest"], copying["random_sizes"]
    if longest not in sizes or max(sizes) <= longest:
        yield (
            f"perplexity.copying.random_sizes: found {sizes}, allowed: sizes that include "
            f"{longest} (copying.longest) and a longer one"
        )
    for key in ("sizes", "gradient_sizes"):
        if sum(size > longest for size in copying[key]) < 2:
            yield (
                f"perplexity.copying.{key}: found {copying[key]}, allowed: at least two sizes "
                f"above {longest} (a slope needs two)"
            )
    yield from _contexts(config)


def _contexts(config: dict[str, Any]) -> Iterator[str]:
    """Lengths that exceed a model's context: a bit takes a token in question and in answer."""
    settings = config["perplexity"]["models"]
    groups = {
        "sizes": settings["sizes"],
        "random_sizes.trained": settings["random_sizes"]["trained"],
        "random_sizes.longer": settings["random_sizes"]["longer"],
    }
    for name in config["studies"]["perplexity"]:
        context = config["models"].get(name, {}).get("max_context")
        for key, sizes in groups.items():
            if context and 2 * max(sizes) > context:
                yield (
                    f"perplexity.models.{key}: {max(sizes)} bits need over {2 * max(sizes)} "
                    f"tokens, models.{name}.max_context is {context}; remove the longer sizes"
                )
