"""From a claim to what decides it: rows of scores, figures, lines of code.

`claims.json` keeps the trace of every measurement; the report and `make why` show it.
"""

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from string import ascii_lowercase
from types import MethodType
from typing import TYPE_CHECKING, Any

from workflow_scripts.shared import rows_read
from workflow_scripts.shared.fingerprint import ROOT

if TYPE_CHECKING:
    import pandas as pd

# Folders of the project with code that is not its own: libraries, copies of scripts.
HIDDEN = {".venv", ".venv-vllm", ".venv-envs", ".snakemake"}
Place = dict[str, Any]  # file in the project, function ("" for none), first and last line


def of(
    table: "pd.DataFrame | None",
    rows: Iterable[int],
    read: Iterable[int],
    model: str | None,
    others: Iterable[str | None],
) -> dict[str, Any]:
    """What one measurement read of the scores: `metrics`, `rows`, `also_read`.

    `rows` are those that the value was taken from as it is; `read` all that the claim's test
    selected. Rows of the `others`, the further models that the claim was measured on, are left out
    of `also_read`.
    """
    own, every = set(rows), set(read)
    apart = {name for name in others if name and name != model}
    if table is not None and apart:
        every = {row for row in every if table.at[row, "model"] not in apart}
    named = sorted(own or every)
    metrics = [] if table is None or not named else list(table.loc[named, "metric"].unique())
    return {
        "metrics": metrics,
        "rows": rows_read.ranges(own),
        "also_read": rows_read.ranges(every - own),
    }


def showing(figures: Mapping[str, Sequence[str]], claim: str) -> list[str]:
    """The figures that show what the claim is about; `figures` maps each to ids of claims.

    An id stands for those that add a hyphen and a suffix, too: one per model of the paper.
    """
    names = {claim, claim.partition("-")[0]}
    return [name for name, claims in figures.items() if names & set(claims)]


def code(study: str, claim: str, test: Callable[..., Any]) -> list[Place]:
    """Where the claim is written down, then the functions that measure it."""
    declared = _declaration(study, claim)
    return [*([declared] if declared else []), *functions(test)]


def functions(test: Callable[..., Any]) -> list[Place]:
    """The functions of the project that `test` consists of, outermost first.

    A test is a function, a function within another one, or a `partial` of either; functions among
    the arguments of a `partial`, or in the closure of an inner function, belong to it. Functions of
    `shared`, which know no claim, are named only where there is no other.
    """
    found = [place for each in dict.fromkeys(_functions(test)) if (place := _place(each))]
    own = [place for place in found if not place["file"].startswith("workflow_scripts/shared/")]
    return own or found


def _functions(value: Any, depth: int = 4) -> Iterator[Callable[..., Any]]:
    if depth == 0:
        return
    if isinstance(value, partial):
        yield from _functions(value.func, depth)
        for argument in (*value.args, *value.keywords.values()):
            yield from _functions(argument, depth - 1)
    elif isinstance(value, MethodType):
        yield from _functions(value.__func__, depth)
    elif inspect.isfunction(value):
        yield value
        for cell in value.__closure__ or ():
            yield from _functions(cell.cell_contents, depth - 1)


def _place(function: Callable[..., Any]) -> Place | None:
    """Where a function of the project is written down; None for any other function."""
    ran = Path(function.__code__.co_filename)
    # Snakemake runs a copy of a script, with more lines before it; `__file__` is the original.
    file = Path(function.__globals__.get("__file__") or ran)
    if not file.is_relative_to(ROOT) or HIDDEN & set(file.relative_to(ROOT).parts):
        return None
    lines, first = inspect.getsourcelines(function.__code__)
    if file != ran:
        written = file.read_text(encoding="utf-8").splitlines(keepends=True)
        first -= len(ran.read_text(encoding="utf-8").splitlines()) - len(written)
        if written[first - 1 : first - 1 + len(lines)] != lines:
            return None
    return {
        "file": file.relative_to(ROOT).as_posix(),
        "function": function.__qualname__.replace(".<locals>", ""),
        "first": first,
        "last": first + len(lines) - 1,
    }


def _declaration(study: str, claim: str) -> Place | None:
    """The line of the study's `claims*.py` with the claim's id; None where none spells it out.

    An id that is put together, such as "9a-27B", is looked for by its beginning.
    """
    whole = claim.partition("-")[0]
    paths = sorted((ROOT / "workflow_scripts" / study).glob("claims*.py"))
    for spelling in dict.fromkeys((claim, whole, whole.rstrip(ascii_lowercase))):
        for path in paths:
            if line := _texts(path).get(spelling):
                name = path.relative_to(ROOT).as_posix()
                return {"file": name, "function": "", "first": line, "last": line}
    return None


@cache
def _texts(path: Path) -> dict[str, int]:
    """The line of each text in a module: where it is the argument `id`, else where it is first.

    Texts in `FIGURES` do not count.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Assign(targets=[ast.Name(id="FIGURES")]):
                continue
        nodes.append(node)
        waiting.extend(ast.iter_child_nodes(node))
    found: dict[str, int] = {}
    for node in nodes:
        match node:
            case ast.Constant(value=str(name)):
                found[name] = min(node.lineno, found.get(name, node.lineno))
    for node in nodes:
        match node:
            case ast.keyword(arg="id", value=ast.Constant(value=str(name))):
                found[name] = node.value.lineno
            case ast.keyword(arg="id", value=ast.JoinedStr(values=[ast.Constant(value=start), *_])):
                found[str(start)] = node.value.lineno
    return found
