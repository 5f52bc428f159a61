"""What a schema cannot say of the study's settings."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.models.registry import inside_problems


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line for each impossible setting of `perplexity`: key, what was found, the remedy."""
    yield from inside_problems(config, "perplexity", "logits at every position")
    section = config["perplexity"]
    for part in ("copying", "parity"):
        settings = section[part]
        per_head = 2 * settings["heads"]
        if settings["width"] % per_head:
            yield (
                f"perplexity.{part}.width: found {settings['width']}, allowed: a multiple of "
                f"2 x heads = {per_head} (rotary positions turn pairs)"
            )
    parity, longest = section["parity"], section["parity"]["longest"]
    if longest not in parity["sizes"]:
        yield f"perplexity.parity.sizes: lacks {longest}, the trained size (parity.longest)"
    if max(parity["sizes"]) <= longest:
        yield f"perplexity.parity.sizes: no size above {longest}, the trained one"
    kept = parity["steps"] // parity["keep_every"]
    if kept < 3:
        yield (
            f"perplexity.parity.keep_every: found {parity['keep_every']}, allowed: at most "
            f"{parity['steps'] // 3} (a correlation needs 3 checkpoints)"
        )
    copying = section["copying"]
    if (
        copying["longest"] not in copying["random_sizes"]
        or max(copying["random_sizes"]) <= (copying["longest"])
    ):
        yield (
            f"perplexity.copying.random_sizes: found {copying['random_sizes']}, allowed: sizes "
            f"with {copying['longest']} (copying.longest) and a longer one among them"
        )
    for key in ("sizes", "gradient_sizes"):
        if sum(size > copying["longest"] for size in copying[key]) < 2:
            yield (
                f"perplexity.copying.{key}: found {copying[key]}, allowed: at least two sizes "
                f"above {copying['longest']} (a slope needs two)"
            )
    yield from _contexts(config)


def _contexts(config: dict[str, Any]) -> Iterator[str]:
    """Lengths that a model's context cannot hold: a bit takes a token in question and answer."""
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
                    f"tokens, models.{name}.max_context is {context}"
                )
