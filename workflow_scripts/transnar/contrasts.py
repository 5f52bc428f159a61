"""Pairs of arms that claims compare: the first minus the second."""

from collections.abc import Iterable

from workflow_scripts.transnar.arm_names import models_of, named

Pairs = tuple[tuple[str, str], ...]

HYBRID: Pairs = (("hybrid", "text"),)
REASONER_TRAINED: Pairs = (("hybrid", "untrained"),)
ADAPTIVE: Pairs = (("text_adaptive", "text"), ("hybrid_adaptive", "hybrid"))
OTHER_MERGES: Pairs = tuple(
    (name, "hybrid") for name in ("hybrid_sum", "hybrid_mlp", "hybrid_gram_schmidt")
)
RANDOMISED: Pairs = tuple((name, f"{name}_plain_positions") for name in ("text", "hybrid"))
NOT_RANDOMISED: Pairs = (("hybrid_plain_positions", "text_plain_positions"),)


def pretrained(arms: Iterable[str]) -> Pairs:
    """The hybrid and the text arm of each pretrained model among the arms."""
    return tuple((named("hybrid", name), named("text", name)) for name in models_of(sorted(arms)))
