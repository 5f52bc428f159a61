"""What only replies of llama.cpp's server have."""

import re
from typing import Any

from workflow_scripts.inference.openai_replies import WrongReply

BUILD = re.compile(r"b\d+-")  # its version, as in b6123-79c1160b
UNDERFLOW = -1.0e30  # reported for a probability that is 0 in single precision


def sent(reply: dict[str, Any]) -> bool:
    """Whether a reply comes from llama.cpp's server."""
    return "timings" in reply or bool(BUILD.match(str(reply.get("system_fingerprint"))))


def following(choice: dict[str, Any], wanted: int) -> dict[int, float]:
    """Log-probabilities of next tokens, by token: of `wanted` and of the likeliest.

    Nothing if `wanted` ends inside a character: the server then reports none. Raises `WrongReply`
    if the reply is another token.
    """
    told = choice["logprobs"]
    if not told:
        return {}
    [entry] = told["content"]
    if entry["id"] != wanted:
        raise WrongReply(f"expected token {wanted}, found {entry['id']}")
    found = {each["id"]: float(each["logprob"]) for each in [*entry["top_logprobs"], entry]}
    return {token: value for token, value in found.items() if value > UNDERFLOW}
