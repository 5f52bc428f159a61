"""Parts of a reply: the text after its thoughts, and a program.

Every study reads a reply through `spoken`, and puts it into a later prompt through `history`.
"""

import re

from workflow_scripts.inference import fences

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
# The quantifiers are possessive: a reply may be 100,000 blanks, which must not take minutes.
NEXT_TURN = re.compile(r"^(?:[#*]|[^\S\n])*+(?:User|Human|Assistant)\**:", re.MULTILINE)
OWN_TURN = re.compile(r"\A\s*+(?:<\|im_start\|>\s*+)?[*#]*+\s*+assistant\**:\**\s*", re.IGNORECASE)


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


def program(reply: str) -> str | None:
    """The program in a reply, after its thoughts (`fences.program`); None if there is none."""
    text = spoken(reply)
    return None if text is None else fences.program(text)
