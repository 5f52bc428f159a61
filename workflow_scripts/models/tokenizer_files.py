"""Loads a model's tokenizer as its files describe it, the same in every engine and in training.

transformers 5 differs from the files in three ways. It keeps the truncation and the padding that a
call of the tokenizer once left in `tokenizer.json`. It does not read `add_bos_token` and
`add_eos_token`, which its 4.57 read for the classes in `ADDS_BOS`. It rebuilds some classes from
their vocabulary alone, with the class's own way to split text instead of the file's.

Imports nothing of the project's other libraries at the top: vLLM's environment lacks them.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Classes whose fast form in transformers 4.57 wrote its own post-processor, and their default of
# `add_bos_token`; `add_eos_token` is off by default. For others that of `tokenizer.json` counts.
ADDS_BOS = {
    "LlamaTokenizer": True,
    "CodeLlamaTokenizer": True,
    "GemmaTokenizer": True,
    "CohereTokenizer": True,
    "GPTNeoXTokenizer": False,
}
# Their model types, for files that name no class.
OF_TYPE = {
    "LlamaTokenizer": "arcee deepseek_v2 deepseek_v3 diffllama ernie4_5 ernie4_5_moe jamba jetmoe "
    "llama llama4 llama4_text mistral mixtral persimmon phi3 phimoe zamba zamba2",
    "CodeLlamaTokenizer": "code_llama",
    "GemmaTokenizer": "gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma",
    "CohereTokenizer": "cohere cohere2",
    "GPTNeoXTokenizer": "falcon_mamba gpt_neox mamba mamba2 mpt olmo olmo2 olmoe rwkv stablelm",
}
FILE, CONFIG, MODEL = "tokenizer.json", "tokenizer_config.json", "config.json"
TEKKEN = "tekken.json"  # Mistral's own form of a tokenizer
SAVED_BY_5 = "backend"  # a key that transformers 5 writes; it writes no `add_bos_token`


@dataclass(frozen=True)
class Described:
    """What the files say. `bos` and `eos` are None where `tokenizer.json` decides.

    `before` and `after` are the special tokens that it puts around a text. `differs` names what
    plain `from_pretrained` of transformers 5 does otherwise than `load`.
    """

    bos: bool | None
    eos: bool | None
    before: list[str]
    after: list[str]
    differs: list[str]


def load(checkpoint: str | Path, closed: bool = False, **at: Any) -> Any:
    """The tokenizer of a folder or hub id; `at` (revision, local_files_only) is for a hub id.

    Its attribute `resplit` says whether the file splits text otherwise than transformers 5 would,
    and `described` what the files say.
    It never cuts or pads, and adds an end token after a text only if `closed`: a prompt that a
    model continues has none. Raises `OSError`, `ValueError` or `ImportError` if it does not load.
    """
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    source = str(checkpoint)
    file = _path(source, FILE, at)
    described = describe(source, **at)
    tekken = None if file else _path(source, TEKKEN, at)
    if tekken:
        return _of_tekken(tekken, described)
    found: Any = AutoTokenizer.from_pretrained(
        source, mistral_format=False, trust_remote_code=False, **at
    )
    found.resplit, found.described = False, described
    if not found.is_fast:
        return found
    if file and type(found) is not PreTrainedTokenizerFast:
        core = Tokenizer.from_file(file)
        found.resplit = _steps(core) != _steps(found.backend_tokenizer)
        tokens = found.added_tokens_decoder.values()
        core.add_tokens([token for token in tokens if core.token_to_id(token.content) is None])
        found._tokenizer = core
    found.backend_tokenizer.no_truncation()
    found.backend_tokenizer.no_padding()
    if described.bos is not None:
        before = [_named(found, source, "bos")] if described.bos else []
        after = [_named(found, source, "eos")] if described.eos and closed else []
        _surround(found, before, after)
    elif described.after and not closed:
        _surround(found, described.before, [])
    return found


def describe(checkpoint: str | Path, **at: Any) -> Described:
    """What a checkpoint's files say of its special tokens; arguments as those of `load`."""
    paths = [_path(str(checkpoint), name, at) for name in (CONFIG, MODEL, FILE)]
    config, model, file = map(_json, paths)
    stored = [name for name in ("truncation", "padding") if file.get(name)]
    before, after = _around(file.get("post_processor"))
    name = config.get("tokenizer_class") or model.get("tokenizer_class")
    name = name.removesuffix("Fast") if name else _of_type(model.get("model_type"))
    decides = name in ADDS_BOS and not (file and SAVED_BY_5 in config)
    bos = bool(config.get("add_bos_token", ADDS_BOS[name])) if decides else None
    eos = bool(config.get("add_eos_token", False)) if decides else None
    given = bool(before) and name != "GPTNeoXTokenizer"  # which transformers 5 rebuilds without
    special = bool(after) or (decides and bool(file) and bos != given)
    return Described(bos, eos, before, after, stored + ["special tokens"] * special)


def _steps(core: Any) -> list[str]:
    """How a text becomes pieces, before the vocabulary is used; offsets do not matter."""
    steps = (core.normalizer, core.pre_tokenizer)
    return [re.sub(r"trim_offsets=\w+", "", repr(step)) for step in steps]


def _around(processor: Mapping[str, Any] | None) -> tuple[list[str], list[str]]:
    """The special tokens that a post-processor of `tokenizer.json` puts before and after a text."""
    if not processor:
        return [], []
    if processor["type"] == "Sequence":
        parts = [_around(each) for each in processor["processors"]]
        return [t for part in parts for t in part[0]], [t for part in parts for t in part[1]]
    if processor["type"] in ("BertProcessing", "RobertaProcessing"):
        return [processor["cls"][0]], [processor["sep"][0]]
    pieces = processor["single"] if processor["type"] == "TemplateProcessing" else []
    place = next((i for i, piece in enumerate(pieces) if "Sequence" in piece), 0)
    named = [piece["SpecialToken"]["id"] if "SpecialToken" in piece else "" for piece in pieces]
    return named[:place], named[place + 1 :]


def _named(tokenizer: Any, source: str, name: str) -> str:
    token = getattr(tokenizer, f"{name}_token")
    if token is None:
        raise ValueError(
            f"{source}/{CONFIG}: expected a {name}_token, which its tokenizer adds, found none"
        )
    return token


def _surround(tokenizer: Any, before: list[str], after: list[str]) -> None:
    from tokenizers.processors import TemplateProcessing

    used = {*before, *after}
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=[*before, "$A", *after],
        special_tokens=[(token, tokenizer.convert_tokens_to_ids(token)) for token in used],
    )


def _of_tekken(path: str, described: Described) -> Any:
    """The tokenizer of Mistral's own file, which transformers converts; every text gets its BOS."""
    from transformers.integrations.mistral.tokenizer import convert_tekken_tokenizer

    if "special_tokens" not in _json(path):
        raise ValueError(
            f"{path}: expected a list of special tokens, found none, as in files of 2024; put the "
            f"model's {FILE} beside it"
        )
    template = Path(path).with_name("chat_template.jinja")
    # Given as text, so that a library that is installed by chance does not write one.
    text = template.read_text(encoding="utf-8") if template.is_file() else ""
    found = convert_tekken_tokenizer(path, text)
    found.resplit, found.described = False, described
    _surround(found, [found.bos_token], [])
    return found


def _path(source: str, name: str, at: Mapping[str, Any]) -> str | None:
    if os.path.isdir(source):
        path = os.path.join(source, name)
        return path if os.path.isfile(path) else None
    from transformers.utils import cached_file

    return cached_file(source, name, _raise_exceptions_for_missing_entries=False, **at)


def _json(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file ({error})") from error


def _of_type(model_type: str | None) -> str:
    return next((name for name, types in OF_TYPE.items() if model_type in types.split()), "")
