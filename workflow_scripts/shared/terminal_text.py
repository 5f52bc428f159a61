"""Text on terminals that lack some of its characters, such as those of a Latin-1 locale."""

import sys


def tolerate(encoding: str | None = None) -> None:
    """Let standard output and error show `?` for a character that they cannot encode.

    With `encoding`, write in it from now on.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding=encoding or stream.encoding, errors="replace")
