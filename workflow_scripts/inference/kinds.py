"""What a model is asked follows from its kind: embedded, base, chat or reasoning.

The kind is inferred from the model's entry and its chat template, or is the entry's `kind`. The
config's section `kinds` has the settings of each kind, one mapping per study; a model changes some
of them under `asked`. A study reads them through `asked` and never names a model.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import Any

from workflow_scripts.inference import chat, engines, forms
from workflow_scripts.models.registry import checkpoint
from workflow_scripts.shared.dialects import DIALECTS
from workflow_scripts.shared.sources import dialect, gguf_file, is_gguf

Config = dict[str, Any]

EMBEDDED, BASE, CHAT, REASONING = forms.KINDS
LOGPROBS, FIRST_TOKEN, SAMPLED = forms.CHOICES
GGUF_TEMPLATE = b"tokenizer.chat_template"
GGUF_STRING = 8  # the type of a value in a GGUF file
# Metadata comes before the weights; a vocabulary of 262,144 tokens takes about 20 MB of it.
GGUF_HEAD = 1 << 28


def kind(config: Config, name: str) -> str:
    """The kind of a model.

    A model whose template is not on this machine yet counts as `chat`; the engine refuses it if its
    template then turns out to open thoughts.
    """
    spec = config["models"][name]
    if "kind" in spec:
        return spec["kind"]
    if spec["source"] == "train":
        return EMBEDDED
    if not chat.templated(spec):
        return BASE
    if "thinking" in spec:
        return REASONING
    found = template(config, name)
    if found == "":
        return BASE
    return REASONING if found and chat.reasons(found) else CHAT


def template(config: Config, name: str) -> str | None:
    """The chat template of a model: "" if it has none, None if its files are not here."""
    spec = config["models"][name]
    if spec.get("engine") == "openai":
        return None
    if (file := is_gguf(spec) and gguf_file(spec)) and os.path.isfile(file):
        return _of_gguf(Path(file))
    folder = checkpoint(config["models"], name)
    if os.path.isdir(folder):
        return chat.of_folder(folder)
    return _of_cache(spec["source"], spec["revision"]) if "revision" in spec else None


def asked(config: Config, study: str, name: str) -> dict[str, Any]:
    """What a study asks of a model: the settings of its kind with the model's own changes.

    Two keys are added: `kind`, and `thinks`, whether replies begin with thoughts. Studies without
    `thought_tokens` never ask for thoughts, and `choices` other than sampled ones have none. If
    `choices` are null, the model's engine decides.
    """
    spec, own = config["models"][name], kind(config, name)
    settings = dict(config["kinds"][own].get(study, {})) | spec.get("asked", {}).get(study, {})
    wanted = spec.get("thinking", settings.pop("thinking", False))
    room = own == REASONING and "thought_tokens" in settings
    if "choices" in settings:
        settings["choices"] = settings["choices"] or _choices(config, name)
        room = room and settings["choices"] == SAMPLED
    thinks = room and (wanted or not switchable(config, name))
    return settings | {"kind": own, "thinks": thinks}


def switchable(config: Config, name: str) -> bool:
    """Whether the thoughts of a reasoning model can be switched off and on."""
    spec = config["models"][name]
    if kind(config, name) != REASONING:
        return False
    return spec.get("engine") != "openai" or DIALECTS[dialect(config, spec)].switches


def starts_replies(config: Config, name: str) -> bool:
    """Whether the model continues a reply that was begun; most servers refuse such a chat."""
    spec = config["models"][name]
    plain = kind(config, name) == BASE or not chat.templated(spec)
    return plain or spec.get("engine") != "openai" or DIALECTS[dialect(config, spec)].open_turns


def _choices(config: Config, name: str) -> str:
    """How options are taken from a model whose entry does not say so."""
    if starts_replies(config, name):
        return LOGPROBS
    # A reasoning model that always thinks has no first token of an answer.
    return SAMPLED if kind(config, name) == REASONING else FIRST_TOKEN


def serving(config: Config, study: str, name: str) -> dict[str, Any]:
    """A model's settings for loading and asking it in one study."""
    found = serving_alone(config, name)
    if switchable(config, name):
        found["thinking"] = asked(config, study, name)["thinks"]
    return found


def serving_alone(config: Config, name: str) -> dict[str, Any]:
    """A model's settings for loading and asking it outside the studies: without thoughts."""
    spec = config["models"][name]
    found = engines.serving(spec, config["inference"]["server"])
    own = kind(config, name)
    if own == EMBEDDED:
        return found
    found |= {"kind": own, "date": config["inference"]["date"]}
    if own == BASE:
        found["chat_template"] = False
    if switchable(config, name):
        found["thinking"] = False
    return found


def _of_cache(source: str, revision: str) -> str | None:
    """The template of a hub model that was downloaded before; None for another."""
    from huggingface_hub import try_to_load_from_cache

    paths = [try_to_load_from_cache(source, file, revision=revision) for file in chat.FILES]
    here = [Path(path) for path in paths if isinstance(path, str)]
    if not here:
        return None
    return next((found for path in here if (found := chat.of_file(path))), "")


def _of_gguf(path: Path) -> str | None:
    """The template in a GGUF file, read here because the format's library takes seconds.

    None for a torn file: the conversion says what is wrong with it.
    """
    if not path.stat().st_size:
        return None
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(GGUF_TEMPLATE + struct.pack("<I", GGUF_STRING), 0, GGUF_HEAD)
        if place < 0:
            return ""
        start = place + len(GGUF_TEMPLATE) + 4 + 8
        if start > len(data):
            return None
        (length,) = struct.unpack("<Q", data[start - 8 : start])
        return data[start : start + length].decode("utf-8", errors="replace")
