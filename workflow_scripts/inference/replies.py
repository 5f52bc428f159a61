"""Parts of a reply: its reasoning, the text after it, and a program."""

import ast
import re

THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
END_OF_THINKING = "</think>"
BLOCK = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


def spoken(reply: str, thinks: bool) -> str | None:
    """The text after the reasoning; None if a reasoning model did not finish reasoning.

    Some chat templates open the reasoning in the prompt, so a reply may contain only its end.
    """
    _, end, rest = reply.rpartition(END_OF_THINKING)
    if end:
        return rest.strip()
    return None if thinks or "<think>" in reply else reply.strip()


def program(reply: str) -> str | None:
    """The program in a reply: its last code block, or the whole reply if that is Python."""
    text = THINKING.sub("", reply)
    blocks = BLOCK.findall(text)
    if blocks:
        return blocks[-1]
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    # "7" is valid Python, too, but not a program.
    parts = (ast.Call, ast.FunctionDef)
    return text if any(isinstance(node, parts) for node in ast.walk(tree)) else None
