"""What a request needs of a server, compared with what its probe has found."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workflow_scripts.inference import openai_payload
from workflow_scripts.inference.probe_facts import NO, TITLES
from workflow_scripts.shared import files

Request = dict[str, Any]
Facts = Mapping[str, Mapping[str, str]]  # as in a probe's file


def _drawn(request: Request) -> bool:
    return bool(request["max_tokens"]) and request["temperature"] > 0


def _open(request: Request) -> bool:
    turns = openai_payload.turns_of(request)
    return bool(turns) and openai_payload.begun(turns or [])


# By fact: which requests need it, and what these have.
NEEDS: dict[str, tuple[Callable[[Request], bool], str]] = {
    "model": (lambda request: True, "it is to be answered by the model"),
    "dialect": (_drawn, "its temperature is {temperature:g}"),
    "vary": (_drawn, "its temperature is {temperature:g}"),
    "samplers": (
        lambda request: _drawn(request) and not request["top_k"],
        "its temperature is {temperature:g}",
    ),
    "top_p": (
        lambda request: _drawn(request) and request["top_p"] < 1,
        "its top_p is {top_p:g}",
    ),
    "top_k": (lambda request: _drawn(request) and request["top_k"] > 0, "its top_k is {top_k}"),
    "stop": (
        lambda request: bool(request["max_tokens"]) and json.loads(request["stop"]) != [],
        "it has stop strings",
    ),
    "options": (lambda request: json.loads(request["choices"]) != [], "it scores options"),
    "prompts": (lambda request: bool(request["echo_logprobs"]), "it scores its prompt"),
    "open": (_open, "its last turn is the assistant's"),
}
ADVICE = {
    "model": "; correct `source`, or name the model under `server.answers_as`",
    "dialect": "; correct `server.dialect`",
    "samplers": "; start it with top_k 0 and min_p 0, or name its dialect",
}


def stored(path: str) -> Facts:
    """The facts in a probe's file; none without a file."""
    return files.read_json(path)["facts"] if path and Path(path).is_file() else {}


def lacking(name: str, facts: Facts, request: Request) -> str | None:
    """Why the server of model `name` cannot answer a request as stated, or None."""
    for key, (needs, what) in NEEDS.items():
        known = facts.get(key) or (facts.get("logprobs") if key == "options" else None)
        if known and known["answer"] == NO and needs(request):
            return (
                f"{what.format(**request)}, but the probe of the server found no for "
                f'"{TITLES[key]}" ({known["seen"]}){ADVICE.get(key, "")}; after a change of the '
                f'server: make probe MODEL={name} ARGS="--configfile … --again"'
            )
    return None
