"""The modules that are certified: loaded from a Python file of the user's, and checked."""

import importlib.util
import inspect
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from workflow_scripts.cocycles import known_layers
from workflow_scripts.shared import seeds

METHODS = ("message", "aggregate", "update")


class SubjectError(ValueError):
    """A module that cannot be certified; the message names it, what was found, and what to do."""


def load(
    name: str, entry: dict[str, Any], path: str, seed: int, weights: str | None = None
) -> nn.Module:
    """The module `name`: class `entry["class"]` of the file `path`, with `entry["arguments"]`.

    Weights are read from the safetensors file `weights`; without one they are those that the class
    draws, on a seed of the module's name. Raises `SubjectError` for a file without the class, a
    class that is no module, one that lacks a method, and weights that do not fit.
    """
    spec = importlib.util.spec_from_file_location(f"certified_{Path(path).stem}", path)
    assert spec is not None  # a path that ends in .py has one
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    wanted = getattr(code, entry["class"], None)
    if not (inspect.isclass(wanted) and issubclass(wanted, nn.Module)):
        raise SubjectError(
            f"{name}: expected a torch.nn.Module named {entry['class']} in {path}, found "
            f"{'none' if wanted is None else type(wanted).__name__}; correct the class or the file"
        )
    if missing := [method for method in METHODS if not callable(getattr(wanted, method, None))]:
        raise SubjectError(
            f"{name}: expected methods {', '.join(METHODS)}, found no {missing[0]} in class "
            f"{entry['class']}; add it (docs/certificate.md)"
        )
    torch.manual_seed(seeds.derive(seed, "cocycles", "certificate", name))
    module: nn.Module = wanted(**entry.get("arguments", {}))
    if weights:
        try:
            module.load_state_dict(load_file(weights))
        except RuntimeError as error:
            raise SubjectError(f"{name}: {weights} does not fit the class: {error}") from None
    return module


def width(name: str, module: Any) -> int:
    """The width of a state. Raises `SubjectError` unless `width` is a positive integer."""
    found = getattr(module, "width", None)
    if not isinstance(found, int) or found < 1:
        raise SubjectError(
            f"{name}: expected an attribute `width`, the number of entries of a state, found "
            f"{found!r}; set it in __init__"
        )
    return found


@torch.inference_mode()
def widths(name: str, layer: Any, states: Tensor) -> tuple[int, int]:
    """Widths of a state and of a message, tried on `states` (P, W).

    Raises `SubjectError` for a method whose result has another shape than the interface says.
    """
    sent = layer.message(states, states)
    size = sent.shape[-1]
    _expect(name, "message", sent, (len(states), size))
    total = layer.aggregate(torch.stack([sent, sent], 1))
    _expect(name, "aggregate", total, (len(states), size))
    _expect(name, "update", layer.update(states, total), tuple(states.shape))
    return states.shape[-1], size


def _expect(name: str, method: str, found: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(found.shape) != shape:
        raise SubjectError(
            f"{name}: expected shape {shape} from {method}, found {tuple(found.shape)}; "
            "docs/certificate.md has the shapes"
        )


def known(path: str, name: str) -> tuple[int, int] | None:
    """Known levels of a class, to the last bit and up to rounding, if it is one of our layers."""
    own = Path(path).resolve() == Path(known_layers.__file__).resolve()
    return known_layers.LEVELS.get(name) if own else None
