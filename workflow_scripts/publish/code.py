"""The project's own files, their commit, and how they differ from it."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.shared import files, repository
from workflow_scripts.shared.fingerprint import ROOT

RESULTS = ("results/", "work/", "logs/")
NOT_CODE = (".git/", *RESULTS)
KEPT = ("results/README.md",)
# Names that programs give to passing files: NFS to deleted ones, editors to locks and backups.
PASSING = re.compile(r"\.nfs[0-9a-f]+|\.#.*|#.*#|.*~|\..*\.sw[a-p]")


@dataclass(frozen=True)
class Code:
    """The files of a project (bytes by path), its commit, and the difference from that commit."""

    files: dict[str, bytes]
    commit: str  # 40 hex digits, or `unknown` without a git repository of its own
    diff: bytes  # from the commit to the files, as a binary diff of git; empty for a clean tree
    untracked: list[str]  # files of the project that git does not track
    skipped: dict[str, str]  # why a path is not among the files

    @property
    def dirty(self) -> bool:
        """Whether the files differ from those of the commit."""
        return bool(self.diff or self.untracked)


def read(root: Path) -> Code:
    """The project in `root` as it is on disk: tracked files and new files next to them.

    A new file counts if git tracks files in its top-level folder, so a module that is not yet added
    is included and a stray note at the top is not. Without a repository of its own, every file
    counts that `.gitignore` does not exclude.
    """
    commit = repository.commit(root)
    if commit == repository.UNKNOWN:
        found, skipped = _read(root, _not_ignored(root))
        return Code(found, commit, b"", [], skipped)
    tracked = [name for name in repository.names(root) if _is_code(name)]
    folders = {name.split("/")[0] for name in tracked if "/" in name}
    new = repository.names(root, "--others", "--exclude-standard")
    new = [name for name in new if _is_code(name) and name.split("/")[0] in folders]
    present = [name for name in tracked if os.path.lexists(root / name)]
    found, skipped = _read(root, [*present, *new])
    untracked = [name for name in new if name in found]
    return Code(found, commit, repository.difference(root), untracked, skipped)


def identity(root: Path) -> str:
    """Short text that identifies the commit and any difference from it."""
    code = read(root)
    committed = code.commit != repository.UNKNOWN
    if committed and not code.dirty:
        return code.commit
    names = code.untracked if committed else code.files
    new = {name: code.files[name].decode(errors="replace") for name in names}
    state = files.content_hash([code.diff.decode(errors="replace"), new])
    return f"{code.commit}-dirty-{state}" if committed else f"{code.commit}-{state}"


def project_identity(wildcards: Any) -> str:
    """Identity of this project, as a rule's parameter: the archive contains exactly this code."""
    return identity(ROOT)


def _is_code(name: str) -> bool:
    return name in KEPT or not (name == ".git" or name.startswith(NOT_CODE))


def _not_ignored(root: Path) -> list[str]:
    """Files that the project's `.gitignore` does not exclude, without git."""
    import pathspec

    ignore = root / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    ignored = pathspec.GitIgnoreSpec.from_lines(lines)
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        at = Path(folder).relative_to(root)
        below = {name: (at / name).as_posix() for name in folders}
        linked = [path for path in below.values() if (root / path).is_symlink()]
        nested = [path for path in below.values() if (root / path / ".git").exists()]
        folders[:] = [
            name
            for name, path in sorted(below.items())
            if not ignored.match_file(f"{path}/") and path not in (*linked, *nested)
        ]
        paths = [(at / name).as_posix() for name in names]
        found += [path for path in (*paths, *linked, *nested) if not ignored.match_file(path)]
    return sorted(name for name in found if _is_code(name))


def _read(root: Path, names: Iterable[str]) -> tuple[dict[str, bytes], dict[str, str]]:
    """The bytes of the files, by name, and why other paths are skipped."""
    found: dict[str, bytes] = {}
    skipped: dict[str, str] = {}
    for name in sorted(names):
        path = root / name
        if PASSING.fullmatch(path.name):
            skipped[name] = "a passing file of an editor or of NFS"
        elif path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            skipped[name] = "a link to outside the project"
        elif path.is_dir():
            skipped[name] = "a linked folder" if path.is_symlink() else "another repository"
        elif not path.is_file():
            skipped[name] = "not a regular file"
        else:
            found[name] = path.read_bytes()
    return found, skipped
