"""The project's own git repository, if it has one."""

import os
import subprocess
from pathlib import Path

UNKNOWN = "unknown"  # the commit of a project without a repository of its own
# A user's settings that would change the form of a difference.
PLAIN = ("-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "-c", "color.ui=false")


def git(root: Path, *arguments: str) -> bytes | None:
    """Standard output of git in `root`; None unless `root` is the top of a repository.

    A project may lie inside another repository, whose files are not the project's. Variables such
    as GIT_DIR, which name another repository, have no effect. None, too, if git fails or is not
    installed.
    """
    top = _run(root, "rev-parse", "--show-toplevel")
    if top is None or not top.strip() or not os.path.samefile(os.fsdecode(top[:-1]), root):
        return None
    return _run(root, *arguments)


def commit(root: Path, *, dirty: bool = False) -> str:
    """The commit of the files in `root`, 40 hex digits, or `unknown`.

    With `dirty`, `-dirty` follows if tracked files differ from those of the commit.
    """
    state = ("--dirty",) if dirty else ()
    found = git(root, "describe", "--always", "--abbrev=40", "--exclude=*", *state)
    return found.decode().strip() if found else UNKNOWN


def difference(root: Path) -> bytes:
    """The difference of the tracked files from the commit, as a binary diff of git."""
    options = ("--binary", "--no-color", "--no-ext-diff", "--no-textconv")
    return git(root, *PLAIN, "diff", *options, "HEAD", "--", ".") or b""


def names(root: Path, *arguments: str) -> list[str]:
    """Files that `git ls-files` lists."""
    listed = git(root, "ls-files", "-z", *arguments) or b""
    return [os.fsdecode(name) for name in listed.split(b"\0") if name]


def _run(root: Path, *arguments: str) -> bytes | None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own["GIT_OPTIONAL_LOCKS"] = "0"  # the checkout may be read-only
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, env=own, capture_output=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
