"""What the schema cannot say about this study's settings: one line a mistake."""

from collections.abc import Iterator
from typing import Any


def problems(config: dict[str, Any]) -> Iterator[str]:
    """A reasoner that does not fit the study, and sizes that are not drawn."""
    settings, known = config["transnar"], config["clrs"]["reasoners"]
    name = settings["reasoner"]
    if name not in known:
        yield f"transnar.reasoner: {name!r} is not under clrs.reasoners ({', '.join(known)})"
        return
    if not known[name]["steps"]:
        yield f"clrs.reasoners.{name}.steps: found 0, but study transnar needs this reasoner"
    lacking = sorted(set(settings["algorithms"]) - set(known[name]["algorithms"]))
    if lacking:
        yield (
            f"transnar.algorithms: {', '.join(lacking)} not learnt by reasoner {name!r}; add to "
            f"clrs.reasoners.{name}.algorithms"
        )
    drawn = settings["data"]["text_test"]["sizes"]
    for role, size in settings["sizes"].items():
        if size not in drawn:
            yield f"transnar.sizes.{role}: found {size}, allowed: one of text_test.sizes = {drawn}"
    if settings["sizes"]["trained"] not in settings["data"]["text_train"]["sizes"]:
        yield "transnar.sizes.trained: not among transnar.data.text_train.sizes"
    for split in set(config["clrs"]["data"]) & set(settings["data"]):
        yield f"transnar.data.{split}: a split of clrs.data has this name"
