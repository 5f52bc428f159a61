"""The calls that a server's dialect has."""

from workflow_scripts.inference.llamacpp_calls import LlamaCppCalls
from workflow_scripts.inference.openai_calls import Calls
from workflow_scripts.inference.vllm_calls import VllmCalls

OWN: dict[str, type[Calls]] = {"llamacpp": LlamaCppCalls, "vllm": VllmCalls}


def calls_of(dialect: str) -> type[Calls]:
    """The class of calls for servers of a dialect."""
    return OWN.get(dialect, Calls)
