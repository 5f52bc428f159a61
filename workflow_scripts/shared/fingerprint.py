"""Code fingerprints, so that re-runs follow meaning.

A rule's fingerprint hashes the syntax trees of its script and of every project module that the
script imports, directly or not, at the top of a file or inside a function. Comments, docstrings
and formatting are not in the tree, so editing them re-runs nothing; a changed line of code
re-runs exactly the rules whose script reaches its module.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "workflow_scripts"


def fingerprint(*scripts: str) -> str:
    """Fingerprint scripts, given by path relative to the project: 16 hex digits.

    A path that is not a `.py` file (published numbers, the figure style) counts by its bytes.

    Raises `FileNotFoundError` for a script that is not there and `SyntaxError` for one that is
    not Python.
    """
    modules = reached(*scripts)
    digest = hashlib.sha256()
    for module in sorted(modules):
        digest.update(f"{module.relative_to(ROOT)} {_tree_hash(module)}\n".encode())
    return digest.hexdigest()[:16]


def reached(*scripts: str) -> set[Path]:
    """The scripts and all project modules that they import, directly or not."""
    found: set[Path] = set()
    waiting = [ROOT / script for script in scripts]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_imports(module))
    return found


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _tree_hash(path: Path) -> str:
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    tree = _WithoutDocstrings().visit(ast.parse(path.read_text(encoding="utf-8")))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@cache
def _imports(path: Path) -> frozenset[Path]:
    if path.suffix != ".py":
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise SyntaxError(f"{path}: relative import; write `from {PACKAGE}.… import …`")
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    files = (ROOT / (name.replace(".", "/") + ".py") for name in names if name.startswith(PACKAGE))
    return frozenset(file for file in files if file.is_file())


class _WithoutDocstrings(ast.NodeTransformer):
    def _strip(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = node.body  # type: ignore[attr-defined]
        match body:
            case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                node.body = rest or [ast.Pass()]  # type: ignore[attr-defined]
        return node

    visit_Module = visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _strip
