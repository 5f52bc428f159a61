"""The parts of dm-clrs that draw trajectories, imported without its networks and data sets.

Those need TensorFlow and Keras, which take most of the import's time and memory. What is left names
TensorFlow once, to tell its tensors from others.
"""

import importlib
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple


class Parts(NamedTuple):
    """Modules of dm-clrs."""

    samplers: Any
    specs: Any
    probing: Any
    text: Any  # CLRS-Text


@cache
def parts() -> Parts:
    """The modules. Raises `ModuleNotFoundError` without dm-clrs."""
    found = find_spec("clrs")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'clrs'", name="clrs")
    root = Path(next(iter(found.submodule_search_locations)))
    names = ("samplers", "specs", "probing", "clrs_text.clrs_utils")
    with _without_the_rest(root), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Parts(*(importlib.import_module(f"clrs._src.{name}") for name in names))


@contextmanager
def _without_the_rest(root: Path) -> Iterator[None]:
    """Packages of dm-clrs at `root` whose own code does not run, and TensorFlow's one class.

    Those that are imported already stay; the others can be imported in full afterwards.
    """
    tensorflow: Any = ModuleType("tensorflow")
    tensorflow.Tensor = type("Tensor", (), {})
    stand_ins = {"tensorflow": tensorflow}
    for name in ("clrs", "clrs._src.clrs_text"):
        stand_ins[name] = ModuleType(name)
        stand_ins[name].__path__ = [str(root.joinpath(*name.split(".")[1:]))]
    new = {name: module for name, module in stand_ins.items() if name not in sys.modules}
    sys.modules.update(new)
    try:
        yield
    finally:
        for name in new:
            del sys.modules[name]
