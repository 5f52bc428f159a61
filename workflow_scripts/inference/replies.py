"""What stands in a reply: its thoughts, what follows them, and a program."""

import ast
import re

THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
END_OF_THINKING = "</think>"
BLOCK = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


def spoken(reply: str, thinks: bool) -> str | None:
    """What follows the thoughts; None where a model that thinks did not come to their end.

    Some chat templates open the thoughts in the prompt, so the reply may hold their end only.
    """
    _, end, rest = reply.rpartition(END_OF_THINKING)
    if end:
        return rest.strip()
    return None if thinks or "<think>" in reply else reply.strip()


def program(reply: str) -> str | None:
    """The program of a reply: its last code block, or the whole reply where that is Python."""
    text = THINKING.sub("", reply)
    blocks = BLOCK.findall(text)
    if blocks:
        return blocks[-1]
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    # "7" is Python too, but no program.
    parts = (ast.Call, ast.FunctionDef)
    return text if any(isinstance(node, parts) for node in ast.walk(tree)) else None
