"""What the documentation contains: pages, code blocks and the commands in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workflow_scripts.shared.fingerprint import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "workflow_scripts").glob("*/README.md")),
]
SHELL = {"", "bash", "sh", "shell", "console"}  # the language of a fenced block of commands
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:\A|\n\n)((?:    .*\n|\n(?=    ))+)")
INLINE = re.compile(r"`((?:snakemake|make) [^`]+)`")


class Block(NamedTuple):
    """A code block: its language, empty for indented ones and unnamed fences, and its text."""

    language: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    """The code blocks of a Markdown page, fenced and indented."""
    for language, content in FENCE.findall(text):
        yield Block(language, content)
    for content in INDENTED.findall(FENCE.sub("\n", text)):
        yield Block("", re.sub(r"^    ", "", content, flags=re.MULTILINE))


def commands(text: str) -> Iterator[str]:
    """The command lines of a page, without comments: in code blocks, then in running text.

    A line with `&&` is several commands. In running text, only `snakemake ...` and `make ...` with
    arguments count, and not where the text says "not" before them.
    """
    for block in blocks(text):
        if block.language in SHELL:
            for line in block.text.replace("\\\n", " ").splitlines():
                for part in re.sub(r"(^|\s+)#.*", "", line).split(" && "):
                    if part.strip():
                        yield part.strip()
    prose = FENCE.sub("\n", text)
    for found in INLINE.finditer(prose):
        if not prose[: found.start()].endswith(("not ", "not\n")):
            yield re.sub(r"\s+", " ", found[1])


def name(page: Path) -> str:
    """The page as named in messages: its path in the project."""
    return str(page.relative_to(ROOT))
