"""The project's own files, their commit, and how they differ from it."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.shared import files
from workflow_scripts.shared.fingerprint import ROOT

RESULTS = ("results/", "work/", "logs/")


@dataclass(frozen=True)
class Code:
    """The files of a project (bytes by path), its commit, and the difference from that commit."""

    files: dict[str, bytes]
    commit: str  # 40 hex digits, or `unknown` outside a git repository
    diff: bytes  # from the commit to the files, as a binary diff of git; empty for a clean tree
    untracked: list[str]  # files of the project that git does not track

    @property
    def dirty(self) -> bool:
        """Whether the files differ from those of the commit."""
        return bool(self.diff or self.untracked)


def read(root: Path) -> Code:
    """The project in `root` as it is on disk: tracked files and new files next to them.

    A new file counts if git tracks files in its top-level folder, so a module that is not yet added
    is included and a stray note at the top is not. Outside a repository, every file counts that
    `.gitignore` does not exclude.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD").decode().strip()
    if not commit:
        with tempfile.TemporaryDirectory() as empty:
            subprocess.run(["git", "init", "--quiet", "--bare", empty], check=True)
            names = _names(root, f"--git-dir={empty}", f"--work-tree={root}", "ls-files", *_NEW)
        return Code(_read(root, names), "unknown", b"", [])
    tracked = [name for name in _names(root, "ls-files", "-z") if (root / name).is_file()]
    folders = {name.split("/")[0] for name in tracked if "/" in name}
    new = [name for name in _names(root, "ls-files", *_NEW) if name.split("/")[0] in folders]
    diff = _git(root, "diff", "--binary", "HEAD")
    return Code(_read(root, [*tracked, *new]), commit, diff, new)


def identity(root: Path) -> str:
    """Short text that identifies the commit and any difference from it."""
    code = read(root)
    if not code.dirty:
        return code.commit
    new = {name: code.files[name].decode(errors="replace") for name in code.untracked}
    return f"{code.commit}-dirty-{files.content_hash([code.diff.decode(errors='replace'), new])}"


def project_identity(wildcards: Any) -> str:
    """Identity of this project, as a rule's parameter: the archive contains exactly this code."""
    return identity(ROOT)


_NEW = ("--others", "--exclude-standard", "-z")


def _names(root: Path, *arguments: str) -> list[str]:
    names = _git(root, *arguments).decode().split("\0")
    kept = ("results/README.md",)
    return sorted(name for name in names if name and (name in kept or not name.startswith(RESULTS)))


def _read(root: Path, names: list[str]) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in names}


def _git(root: Path, *arguments: str) -> bytes:
    """Standard output of git, or nothing if it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return b""
    return done.stdout
