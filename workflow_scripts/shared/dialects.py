"""What servers of each dialect can do; request bodies are in `inference/openai_payload.py`.

`openai` is the vendor's own, with standard fields only. `plain` is any server that accepts the
older standard fields. `vllm` and `llamacpp` have extensions that state every sampling field.
"""

from typing import NamedTuple


class Dialect(NamedTuple):
    """What a server can do beyond the standard."""

    top_k: bool = False
    open_turns: bool = False  # continues a last turn of the assistant's
    switches: bool = False  # passes variables to the chat template, such as the one for thoughts
    options: bool = False  # scores options of any length
    prompts: bool = False  # gives the log-probability of each token of a prompt
    complete: bool = False  # its replies have unique ids, and count their tokens rightly


SCORING = Dialect(top_k=True, open_turns=True, switches=True, options=True, complete=True)
DIALECTS = {
    "openai": Dialect(),
    "plain": Dialect(),
    "vllm": SCORING._replace(prompts=True),
    "llamacpp": SCORING,
}


def dialects_that(ability: str) -> str:
    """The names of the dialects with one of the abilities, as in "vllm or llamacpp"."""
    return " or ".join(name for name, can in DIALECTS.items() if getattr(can, ability))
