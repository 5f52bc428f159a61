"""Checks of the study's settings that the schema cannot express."""

from collections.abc import Iterator
from typing import Any


def problems(config: dict[str, Any]) -> Iterator[str]:
    """A line if SGD is restricted, and for each range of rates whose ends are swapped or equal."""
    settings = config["optimizers"]
    if only := settings["optimizers"]["sgd"].get("only"):
        yield (
            f"optimizers.optimizers.sgd.only: found {only}, allowed: no such key; every optimiser "
            "is compared with SGD"
        )
    chosen = settings["optimizers"].items()
    ranges = {f"optimizers.{name}": entry for name, entry in chosen if entry}
    ranges |= {name: settings[name] for name in ("landscape", "linear")}
    for name, entry in ranges.items():
        least, most = entry["rates"]["least"], entry["rates"]["most"]
        if least >= most:
            yield (
                f"optimizers.{name}.rates.most: found {most}, allowed: more than "
                f"rates.least = {least}"
            )
