"""Fenced code blocks of a reply, and the one that is its program."""

import ast
import builtins
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

# A line with a fence: what is before it on the line (a list's bullet, a quotation's mark, text),
# the fence, and its info string.
FENCE = re.compile(r"(?P<before>[^`~]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)")
MARGIN = re.compile(r"[ \t]*(?:>[ \t]*)*(?:(?:[-*+]|\d+[.)])[ \t]+)?")
# A line before a block that says that the block is no program.
OUTPUT = re.compile(
    r"[\W\d_]*(?:(?:an?|the|your|example|sample|expected|possible|typical)\s+)*"
    r"(?:run|input|output|usage|result)s?\b(?:\s+\d+|\s*\([^)]*\))?[\W_]*",
    re.IGNORECASE,
)
DOCUMENTS = ("markdown", "md", "text", "")  # blocks that may hold fences of their own
LOOKS_LIKE_PYTHON = re.compile(r"^(?:def|class|import|from|print)\b", re.MULTILINE)
READERS = ("input", "open", "stdin", "read", "readline", "readlines")


@dataclass(frozen=True)
class Block:
    """A code block: its info string in lower case, content, and whether it is called an output."""

    info: str
    content: str
    output: bool = False

    @property
    def python(self) -> bool:
        """Whether the info string names Python: python, py3, {.python}, python title=…"""
        return self.info.lstrip("{. ").startswith("py")


def blocks(text: str) -> list[Block]:
    """The code blocks of a text that are not blank.

    The last block may lack its end. A fence that names a language within a block opens the next
    one, because the end of that block is missing; a shorter fence belongs to the content.
    """
    found: list[Block] = []
    opened: re.Match[str] | None = None
    lines: list[str] = []
    label = ""
    for line in [*text.split("\n"), None]:
        fence = None if line is None else FENCE.fullmatch(line.rstrip())
        closes = opened is not None and (line is None or _closes(opened, fence))
        opens = fence is not None and _opens(opened, fence) and not closes
        if opened is not None and (closes or opens):
            if closes and fence is not None and not MARGIN.fullmatch(fence["before"]):
                lines.append(fence["before"])  # the last line of the program and its end
            found.append(
                Block(opened["info"].strip().lower(), _content(lines, opened), _output(label))
            )
            opened, lines, label = None, [], ""
        if opens:
            opened = fence
        elif line is not None and not closes:
            if opened is not None:
                lines.append(line)
            elif line.strip():
                label = line
    return [inner for block in found if block.content.strip() for inner in _inner(block)]


def _opens(opened: re.Match[str] | None, fence: re.Match[str]) -> bool:
    info = fence["info"].strip()
    if not MARGIN.fullmatch(fence["before"]):
        return opened is None and fence["fence"][0] == "`" and info.lower().startswith("py")
    if opened is None:
        return True
    same = fence["fence"][0] == opened["fence"][0] and len(fence["fence"]) >= len(opened["fence"])
    return same and bool(re.match(r"[\w{]", info))


def _closes(opened: re.Match[str], fence: re.Match[str] | None) -> bool:
    if fence is None or fence["info"].strip():
        return False
    same = fence["fence"][0] == opened["fence"][0] and len(fence["fence"]) >= len(opened["fence"])
    return same and (not fence["before"].strip(" \t>") or fence["fence"][0] == "`")


def _content(lines: list[str], opened: re.Match[str]) -> str:
    """The lines, without the margin of a list or quotation where that makes them Python."""
    if ">" in opened["before"]:
        lines = [re.sub(r"^[ \t]*(?:> ?)+", "", line) for line in lines]
    width = len(opened["before"])
    cut = [line[min(width, len(line) - len(line.lstrip(" \t"))) :] for line in lines]
    whole = "\n".join(lines).strip("\n")
    readings = (whole, textwrap.dedent(whole), "\n".join(cut).strip("\n"))
    return next((each for each in readings if parts(each)), whole)


def _output(label: str) -> bool:
    return OUTPUT.fullmatch(label) is not None


def _inner(block: Block) -> Iterator[Block]:
    """The blocks inside a block that is a document; otherwise the block itself."""
    fenced = any(FENCE.fullmatch(line) for line in block.content.split("\n"))
    yield from (fenced and block.info in DOCUMENTS and blocks(block.content)) or [block]


def program(text: str) -> str | None:
    """The program in a text: its last block that is Python, or the whole text if that is.

    Sample output and shell commands are no programs. A block that uses what an earlier one defines,
    or neither defines nor reads anything, only shows or tests the earlier one, which then counts.
    A program with an error of syntax is one if there is no other.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    known = blocks(text)
    known = [block for block in known if not block.output] or known
    known = _standalone(known)
    named = [block.content for block in known if block.python]
    plain = [block.content for block in known if not block.info]
    runs = [each for each in named if _runs(each)]
    other = [each for each in plain if _runs(each)]
    for found in (
        [each for each in runs if _does(each)],
        runs,
        [each for each in other if _does(each)] if named else [],
        named,
        [each for each in other if _does(each)],
        other,
        [each for each in plain if LOOKS_LIKE_PYTHON.search(each)],
    ):
        if found:
            return found[-1]
    return text if _runs(text) else None


def parts(source: str) -> list[ast.AST]:
    """The nodes of a program's syntax tree; none for what is not Python."""
    try:
        return list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _standalone(known: list[Block]) -> list[Block]:
    """The blocks but those that use a function or class of an earlier block."""
    defined: set[str] = set()
    found = []
    for block in known:
        names, bound, used = set(), set(dir(builtins)), set()
        for node in parts(block.content):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    names.add(name)
                case ast.ClassDef(name=name):
                    names.add(name)
                case ast.Name(id=name, ctx=ast.Load()):
                    used.add(name)
                case ast.Name(id=name) | ast.arg(arg=name):
                    bound.add(name)
                case ast.Import(names=modules):
                    bound |= {each.asname or each.name for each in modules}
                case ast.ImportFrom(module="solution" | "main" | "your_module", names=wanted):
                    used |= {each.name for each in wanted}
                case ast.ImportFrom(names=wanted):
                    bound |= {each.asname or each.name for each in wanted}
                    bound |= defined if wanted[0].name == "*" else set()
        if not (used - bound - names) & defined:
            found.append(block)
            defined |= names
    return found


def _runs(source: str) -> bool:
    """Whether a text is a Python program. "7" is valid Python, too, but not a program."""
    kinds = (ast.Call, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) for node in parts(source))


def _does(source: str) -> bool:
    """Whether a program defines, imports or reads something."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return any(
        isinstance(node, kinds)
        or (isinstance(node, ast.Call) and _name(node.func) in READERS)
        or (isinstance(node, ast.Attribute) and node.attr == "stdin")
        for node in parts(source)
    )


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
