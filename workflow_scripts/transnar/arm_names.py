"""Names of arms in tables: those that start from a pretrained model carry its name."""

from collections.abc import Iterable

MARK = ":"
PRETRAINED = ("text", "hybrid")  # the arms of a pretrained decoder


def named(arm: str, model: str) -> str:
    """The name of an arm that starts from a pretrained model."""
    return f"{arm}{MARK}{model}"


def kind_of(name: str) -> str:
    """The arm without its model."""
    return name.partition(MARK)[0]


def model_of(name: str) -> str | None:
    """The pretrained model that an arm starts from; None for random weights."""
    return name.partition(MARK)[2] or None


def models_of(names: Iterable[str]) -> list[str]:
    """The pretrained models that arms start from, each once, in the order of the names."""
    return list(dict.fromkeys(filter(None, map(model_of, names))))
