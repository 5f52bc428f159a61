"""Freeze the syntax trees of one version of Python, for test_syntax.py.

    python3.13 tests/shared/freeze_syntax.py

Writes `syntax/trees_<version>.json`: for each sample that this version can parse, its tree as
`ast.parse` gives it, every field included. A sample is named after the first version that can parse
it. To add a version, run this under it. Needs the standard library only, so any build of Python
does, one in a browser included (3.14.2 was run so).
"""

import ast
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).with_name("syntax")


def frozen(node):
    """A node or a value of a field as JSON."""
    if isinstance(node, ast.AST):
        fields = {name: frozen(getattr(node, name)) for name in node._fields if hasattr(node, name)}
        return {"node": type(node).__name__, **fields}
    if isinstance(node, list):
        return [frozen(each) for each in node]
    if isinstance(node, int) and not isinstance(node, bool):
        return {"int": hex(node)}
    if isinstance(node, str):
        return node
    return None if node is None else {"repr": repr(node)}


def trees(samples):
    """The trees of the samples, {version: source}, that this version can parse, as JSON."""
    here = {v: s for v, s in samples.items() if tuple(map(int, v.split("."))) <= sys.version_info}
    return json.dumps({v: frozen(ast.parse(s)) for v, s in here.items()}, separators=(",", ":"))


def main():
    """Write the trees of this version."""
    samples = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("3.??.txt"))}
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (FOLDER / f"trees_{version}.json").write_text(trees(samples) + "\n")


if __name__ == "__main__":
    main()
