"""Code fingerprints, so that only changes of meaning re-run a rule.

A rule's fingerprint hashes the syntax trees of its script and of every project module that the
script imports, directly or not, at the top of a file or inside a function. `syntax` writes the
trees as text without comments, docstrings and formatting, so editing these re-runs nothing; a
changed line of code re-runs exactly the rules whose script reaches its module. Fingerprints do not
depend on the version of Python.
"""

import ast
import contextlib
import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from workflow_scripts.shared import syntax

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "workflow_scripts"


class Meaning(NamedTuple):
    """The hash of a module's syntax tree and the dotted names of what it imports."""

    tree: str
    imports: list[str]


def fingerprint(*scripts: str) -> str:
    """Fingerprint of scripts, given by path relative to the project: 16 hex digits.

    A file that is not Python (published numbers, a template) counts with its bytes.

    Raises `FileNotFoundError` for a missing script and `SyntaxError` for one that is not valid
    Python.
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
def _tree_hash(path: Path) -> str:
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return _meaning(path).tree


@cache
def _imports(path: Path) -> frozenset[Path]:
    if path.suffix != ".py":
        return frozenset()
    names = _meaning(path).imports
    files = (ROOT / (name.replace(".", "/") + ".py") for name in names)
    return frozenset(file for file in files if file.is_file())


@cache
def _meaning(path: Path) -> Meaning:
    source = path.read_bytes()
    key = hashlib.sha256(source).hexdigest()
    if key not in (known := _known()):
        known[key] = _parse(path, source)
        _keep(known)
    return known[key]


def _parse(path: Path, source: bytes) -> Meaning:
    tree = ast.parse(source, filename=str(path))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise SyntaxError(f"{path}: relative import; write `from {PACKAGE}.… import …`")
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    ours = sorted(name for name in names if name.startswith(PACKAGE))
    return Meaning(hashlib.sha256(syntax.text(tree).encode()).hexdigest(), ours)


# Parsing every module takes longer than the rest of planning, and every cluster job plans again.
# Parsed modules are kept under the hash of their bytes, in one file per version of this module and
# of `syntax`.
@cache
def _store() -> Path:
    own = hashlib.sha256(Path(__file__).read_bytes() + Path(syntax.__file__).read_bytes())
    return Path("work") / f"fingerprints-{own.hexdigest()[:16]}.json"


@cache
def _known() -> dict[str, Meaning]:
    try:
        return {key: Meaning(*entry) for key, entry in json.loads(_store().read_text()).items()}
    except (OSError, ValueError, TypeError):
        return {}


def _keep(known: dict[str, Meaning]) -> None:
    with contextlib.suppress(OSError):  # without a writable folder, planning is slower, not wrong
        _store().parent.mkdir(exist_ok=True)
        part = _store().with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(known))
        part.replace(_store())
