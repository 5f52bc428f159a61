"""Checks of this study's settings that the schema cannot express: one line per problem."""

from collections.abc import Iterator
from typing import Any

from workflow_scripts.models.registry import INSIDE, shown_inside


def problems(config: dict[str, Any]) -> Iterator[str]:
    """Problems with the reasoner, and sizes for which no data are drawn."""
    settings, known = config["transnar"], config["clrs"]["reasoners"]
    name = settings["reasoner"]
    if name not in known:
        yield f"transnar.reasoner: found {name!r}, allowed: one of clrs.reasoners = {list(known)}"
        return
    if not known[name]["steps"]:
        yield f"clrs.reasoners.{name}.steps: found 0, allowed: at least 1 (transnar.reasoner)"
    lacking = sorted(set(settings["algorithms"]) - set(known[name]["algorithms"]))
    if lacking:
        yield (
            f"transnar.algorithms: reasoner {name!r} does not learn {', '.join(lacking)}; add to "
            f"clrs.reasoners.{name}.algorithms"
        )
    drawn = settings["data"]["text_test"]["sizes"]
    for role, size in settings["sizes"].items():
        if size not in drawn:
            yield f"transnar.sizes.{role}: found {size}, allowed: one of text_test.sizes = {drawn}"
    size, trained = settings["sizes"]["trained"], settings["data"]["text_train"]["sizes"]
    if size not in trained:
        yield f"transnar.sizes.trained: found {size}, allowed: one of text_train.sizes = {trained}"
    yield from _pretrained(settings["pretrained"], config["models"])
    for split in set(config["clrs"]["data"]) & set(settings["data"]):
        yield f"transnar.data.{split}: clrs.data has a split of this name; rename one"


def _pretrained(own: dict[str, Any], models: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Problems with the pretrained decoders: unknown models, and engines that cannot train."""
    for name in own["models"]:
        if name not in models:
            yield f"transnar.pretrained.models: no entry {name!r} in models"
        elif not shown_inside(models, [name]):
            yield (
                f"transnar.pretrained.models: {name!r} runs on engine {models[name]['engine']}; "
                f"only engine {INSIDE} trains a model further"
            )
        elif models[name].get("devices", 1) > 1:
            yield (
                f"transnar.pretrained.models: {name!r} has devices: {models[name]['devices']}; a "
                "decoder is trained on one"
            )
