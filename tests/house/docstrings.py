"""Find docstrings that lack required information; `make lint` runs it.

    python -m tests.house.docstrings

ruff's pydocstyle rules check the form. This module checks two more things: a public function that
takes arrays states their shapes, and every script's `main` has a docstring.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from workflow_scripts.shared.fingerprint import PACKAGE, ROOT

ARRAYS = re.compile(r"\b(Tensor|NDArray|ndarray|ArrayLike|Floats|Ints|Array|Arrays)\b")
# "shape", or axes in brackets as in (n,), (seeds, lengths), (..., n).
SHAPE = re.compile(r"\bshapes?\b|\((?:[\w.…*/+ -]+, ?)+[\w.…*/+ -]*\)|\bscalars?\b", re.IGNORECASE)
LEAST = 0.95  # required share of functions

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    """The public functions and methods of a module, those inside functions left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
    for node in (node for body in bodies for node in body):
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def takes_arrays(function: Function) -> bool:
    """Whether the annotation of a parameter names an array type."""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return any(a.annotation and ARRAYS.search(ast.unparse(a.annotation)) for a in every)


def lacking(paths: list[Path]) -> tuple[list[str], int, list[str], int]:
    """Functions without shapes and how many take arrays; `main`s without docstring and how many."""
    silent, arrays, bare, mains = [], 0, [], 0
    for path in paths:
        for function in functions(path):
            text = ast.get_docstring(function) or ""
            place = f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
            if takes_arrays(function):
                arrays += 1
                if not SHAPE.search(text):
                    silent.append(place)
            if function.name == "main":
                mains += 1
                if not text:
                    bare.append(place)
    return silent, arrays, bare, mains


def main() -> int:
    """Print both shares and what is missing; return 1 if a share is too small."""
    paths = sorted((ROOT / PACKAGE).rglob("*.py"))
    silent, arrays, bare, mains = lacking(paths)
    short = False
    for missing, count, what in (
        (silent, arrays, "functions that take arrays say their shapes"),
        (bare, mains, "`main` functions have a docstring"),
    ):
        share = 1 - len(missing) / count
        short |= share < LEAST
        print(f"{share:.1%} of {count} {what} (expected at least {LEAST:.0%})")
        if share < LEAST:
            print("\n".join(f"  {place}" for place in missing))
    return int(short)


if __name__ == "__main__":
    sys.exit(main())
