"""Checks of the study's settings that a schema cannot express."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.inference import kinds


def problems(config: dict[str, Any]) -> Iterator[str]:
    """One line per invalid setting of `stochasticity`: key, what was found, what is allowed."""
    section, models = config["stochasticity"], config["studies"]["stochasticity"]
    for name in (name for family in section["stages"] for name in family):
        if name not in models:
            yield (
                f"stochasticity.stages: found {name!r}, allowed: a model listed under "
                "studies.stochasticity"
            )
    for name in models:
        asked = kinds.asked(config, "stochasticity", name)
        if asked["programs"] and "program_tokens" not in asked:
            yield (
                f"models.{name}.asked.stochasticity: found programs: true in a model of kind "
                f"{asked['kind']}, expected its program_tokens beside it"
            )
    chains, rounds = section["sequential"]["chains"], section["sequential"]["rounds"]
    if chains * rounds != section["draws"]:
        yield (
            f"stochasticity.sequential: found chains x rounds = {chains} x {rounds} = "
            f"{chains * rounds}, allowed: a product of {section['draws']}, the setting draws"
        )
    for weights in section["discrete"]["categorical_percent"]:
        if sum(weights) != 100:
            yield (
                f"stochasticity.discrete.categorical_percent: found {weights}, which add "
                f"to {sum(weights)}, allowed: weights that add to 100"
            )
    wanted = section["generators"]["starts"]
    for bits in section["generators"]["xorshift_bits"]:
        if 2**bits - 1 < wanted:
            yield (
                f"stochasticity.generators.starts: found {wanted}, allowed: at most {2**bits - 1}, "
                f"the number of starts with {bits} bits"
            )
