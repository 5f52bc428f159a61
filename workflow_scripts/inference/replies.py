"""Parts of a reply: the text after its thoughts, and a program.

Every study reads a reply through `spoken`, and puts it into a later prompt through `history`.
"""

import ast
import re

# Failures of replies that did not end by themselves, by their `finish_reason`.
LOST = {"length": "cut off", "context": "cut off", "filtered": "filtered by the server"}
# Thoughts between tags, as reasoning models write them.
TAGS = ("think", "thinking", "thought", "reasoning", "seed:think")
CLOSED = [(f"<{tag}>", f"</{tag}>") for tag in TAGS]
CLOSED += [("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷")]
MARKS = re.compile("|".join(re.escape(mark) for pair in CLOSED for mark in pair))
# The channels of gpt-oss; a server or tokenizer that drops special tokens leaves the bare names.
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)(?:(?!<\|message\|>).)*?<\|message\|>", re.DOTALL)
FINAL = "final"
BARE_CHANNEL = re.compile(r"\A\s*(?:analysis|commentary)(?=[A-Z\"])")
BARE_FINAL = re.compile(r"assistant(?:final|\s*<\|channel\|>final)")
# Marks after which the model's turn is over.
ENDS = re.compile(
    r"<\|(?:im_end|im_start|end|return|call|start|endoftext|eot_id|eom_id|end_of_text|user|system)\|>"
    r"|<end_of_turn>|<start_of_turn>|</s>|\[INST\]|<｜(?:end▁of▁sentence|User)｜>"
)
# A base model goes on with the next turn.
NEXT_TURN = re.compile(r"^[#*\s]*(?:User|Human|Assistant)\**:", re.MULTILINE)
OWN_TURN = re.compile(r"\A\s*(?:<\|im_start\|>\s*)?[*#]*\s*assistant\**:\**\s*", re.IGNORECASE)
FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n`]*$", re.MULTILINE)
PYTHON = ("python", "py", "python3")
LOOKS_LIKE_PYTHON = re.compile(r"^(?:def|class|import|from|print)\b", re.MULTILINE)


def spoken(reply: str, thinks: bool = False) -> str | None:
    """The text after the thoughts, without a next turn; None if the thoughts did not finish.

    Some chat templates open the thoughts in the prompt, so a reply may contain only their end.
    With `thinks`, a reply without any mark of thoughts is taken for such thoughts, unfinished.
    """
    text, thought = _after_channels(reply)
    if text is None:
        return None
    for start, end in CLOSED:
        # A quoted tag within a program or a sentence is no thought.
        if ended := [each.end() for each in re.finditer(f"(?<!`){re.escape(end)}", text)]:
            text, thought = text[ended[-1] :], True
        if start in text:
            outside, _, _ = text.partition(start)
            if outside.count("`") % 2 == 0:
                return None
    if thinks and not thought:
        return None
    return _own_turn(text).strip()


def history(reply: str) -> str:
    """The reply as a turn of a later prompt: without thoughts; "" if these did not finish.

    Tags of thoughts that it quotes are removed, because some chat templates cut an earlier reply
    there.
    """
    text = MARKS.sub("", spoken(reply) or "")
    return reply if text == reply.strip() else text.strip()


def _after_channels(reply: str) -> tuple[str | None, bool]:
    """The last final channel of gpt-oss, or the whole reply; and whether there were channels."""
    marks = list(CHANNEL.finditer(reply))
    if marks:
        last = marks[-1]
        return (reply[last.end() :] if last[1] == FINAL else None), True
    if "<|channel|>" in reply:
        return None, True
    if BARE_CHANNEL.match(reply):
        found = list(BARE_FINAL.finditer(reply))
        return (reply[found[-1].end() :] if found else None), True
    return reply, False


def _own_turn(text: str) -> str:
    """The text up to the end of the model's turn; marks within code blocks do not count."""
    text = OWN_TURN.sub("", text, count=1)
    ended = ENDS.search(text)
    text = text[: ended.start()] if ended else text
    for found in NEXT_TURN.finditer(text):
        if text.count("```", 0, found.start()) % 2 == 0:
            return text[: found.start()]
    return text


def blocks(text: str) -> list[tuple[str, str]]:
    """The code blocks of a text: language in lower case ("" if not named) and content."""
    found, opened = [], None
    for fence in FENCE.finditer(text):
        if opened is None:
            opened = fence
        else:
            found.append((opened[1].lower(), text[opened.end() : fence.start()].strip("\n")))
            # A fence that names a language opens a block: the one before was not closed.
            opened = fence if fence[1] else None
    if opened is not None:
        found.append((opened[1].lower(), text[opened.end() :].strip("\n")))
    return [(language, content) for language, content in found if content.strip()]


def program(reply: str) -> str | None:
    """The program in a reply: its last code block, or the whole reply if that is Python.

    Sample output and shell commands are no programs. A last block that only calls what an earlier
    block defines is its usage, so the earlier one counts.
    """
    text = spoken(reply)
    if text is None:
        return None
    named = [content for language, content in blocks(text) if language in PYTHON]
    other = [content for language, content in blocks(text) if not language and _runs(content)]
    other = other or [
        content
        for language, content in blocks(text)
        if not language and LOOKS_LIKE_PYTHON.search(content)
    ]
    if found := named or other:
        return next((each for each in reversed(found) if _defines(each)), found[-1])
    return text if _runs(text) else None


def _parts(source: str) -> list[ast.AST]:
    try:
        return list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _runs(source: str) -> bool:
    """Whether a text is a Python program. "7" is valid Python, too, but not a program."""
    return any(isinstance(node, ast.Call | ast.FunctionDef) for node in _parts(source))


def _defines(source: str) -> bool:
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return any(isinstance(node, kinds) for node in _parts(source))
