"""A syntax tree as text that is the same in every version of Python.

`ast.dump` is not: 3.12 added `type_params`, 3.13 leaves out empty fields and added `default_value`,
and versions split the text of f-strings differently. A fingerprint of such text would change with
the version, re-run everything and ask paid replies again.

Here a node is `Name(field=value, ...)`, with fields in alphabetical order. A field that is None, an
empty list or 0 is left out, so a field that a later version adds leaves older code unchanged. Left
out are also what has no effect (comments, formatting, docstrings, `u` before a string) and what
follows from the rest (`ctx`).
"""

import ast
import json
from typing import Any

NO_EFFECT = {"ctx", "kind", "type_comment", "type_ignores"}
DOCUMENTED = ("Module", "ClassDef", "FunctionDef", "AsyncFunctionDef")
FORMATTED = ("JoinedStr", "TemplateStr")


def text_of(source: str | bytes, filename: str = "<source>") -> str:
    """The tree of a module's source as text. Raises `SyntaxError` for invalid source."""
    return text(ast.parse(source, filename))


def text(node: Any) -> str:
    """A node, a list of nodes, or a value of a field, as text."""
    if isinstance(node, list):
        return f"[{', '.join(map(text, node))}]"
    if not isinstance(node, ast.AST):
        return _value(node)
    # Names, not classes: a version lacks the classes that later versions add.
    kind = type(node).__name__
    if kind in ("Constant", "MatchSingleton"):  # whose value may be None or 0
        return f"{kind}({_value(node.value)})"  # type: ignore[attr-defined]
    fields: dict[str, Any] = {name: getattr(node, name, None) for name in node._fields}
    if kind in DOCUMENTED:
        fields["body"] = _without_docstring(kind, fields["body"])
    if kind in FORMATTED:
        fields["values"] = _joined(fields["values"])
    if _is_empty_format(fields.get("format_spec")):
        fields["format_spec"] = None
    parts = [
        f"{name}={text(value)}"
        for name, value in sorted(fields.items())
        if value and name not in NO_EFFECT
    ]
    return f"{kind}({', '.join(parts)})"


def _value(value: Any) -> str:
    """A constant. `repr` would not do: which characters it escapes depends on the version."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    if isinstance(value, int) and not isinstance(value, bool):
        return hex(value)  # without the limit on decimal digits
    return repr(value)  # None, True, False, ..., float, complex


def _without_docstring(kind: str, body: list[Any]) -> list[Any]:
    if not body or type(body[0]).__name__ != "Expr" or not _is_text(body[0].value):
        return body
    return body[1:] or ([] if kind == "Module" else [ast.Pass()])


def _is_text(node: Any) -> bool:
    return type(node).__name__ == "Constant" and isinstance(node.value, str)


def _joined(values: list[Any]) -> list[Any]:
    """The parts of an f-string, neighbouring text joined and empty text left out."""
    joined: list[Any] = []
    for value in values:
        if not _is_text(value):
            joined.append(value)
        elif joined and _is_text(joined[-1]):
            joined[-1] = ast.Constant(joined[-1].value + value.value)
        elif value.value:
            joined.append(value)
    return joined


def _is_empty_format(spec: Any) -> bool:
    return spec is not None and not _joined(spec.values)
