"""The config, checked before anything runs: one line per mistake, with its remedy.

    python -m workflow_scripts.shared.config my.yaml     # checks config.yaml changed by my.yaml

Snakemake reports only that a file after --configfile is not valid; this command names file and
line.
"""

import difflib
import importlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from workflow_scripts.shared import terminal_text
from workflow_scripts.shared.dialects import DIALECTS, dialects_that
from workflow_scripts.shared.fingerprint import PACKAGE, ROOT
from workflow_scripts.shared.sources import dialect, gguf_file, is_gguf

SCHEMAS = ROOT / "schemas"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# Sections that another section's checks read.
NEEDED = {"transnar": {"clrs"}, "change_of_mind": {"embedded"}}
# The key `x-models` of a study's schema -> the definition of its entry under `studies`.
MODELS_OF = {True: "study_models", "optional": "optional_models", False: "no_models"}
MOST_KEYS = 20  # of a section, shown for an unknown key
NUMBER_AS_TEXT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


class ConfigError(ValueError):
    """Everything that is wrong with a config, one line each."""


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A config file. Raises `ConfigError` naming file and line if it is not a YAML mapping."""
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected keys with values, found {_show(content)}")
    return content


Checks = Mapping[str, Callable[[dict[str, Any]], Iterable[str]]]


def config_checks() -> Checks:
    """For each section of the config, the function `problems` of its `config_checks.py`."""
    modules = sorted((ROOT / PACKAGE).glob("*/config_checks.py"))
    return {
        path.parent.name: importlib.import_module(
            f"{PACKAGE}.{path.parent.name}.config_checks"
        ).problems
        for path in modules
    }


def paper_models(study: str) -> list[str]:
    """The models of a study's paper by the paper's names: `x-paper-models` of its schema."""
    schema = yaml.load((SCHEMAS / f"{study}.schema.yaml").read_text(), yaml.CSafeLoader)
    return schema.get("x-paper-models", [])


def check(config: dict[str, Any], checks: Checks = MappingProxyType({})) -> None:
    """Check a whole config against `schemas/`, against itself, and against the studies' `checks`.

    All problems are reported at once. A check is skipped while a section that it needs violates its
    schema, while its study lists a model that is not under `models`, and for a study that is left
    out of the run.

    Raises `ConfigError` whose text has, for each mistake, the key's path, what was found and what
    is allowed, with the nearest known key for a misspelt one.
    """
    refused: set[str] = set()
    problems = []
    for section, problem in _against_schema(config):
        refused.add(section)
        problems.append(problem)
    if not refused & {"", "models", "studies", "inference", "kinds"}:
        problems += _against_itself(config)
        for section, own in checks.items():
            names = config["studies"].get(section, [])
            if names is None:  # the study is not part of this run
                continue
            known = set(names) <= set(config["models"])
            if known and section not in refused and not refused & NEEDED.get(section, set()):
                problems += own(config)
    if problems:
        # jsonschema reports a missing key once for each key that is missing beside it.
        raise ConfigError("the config cannot be used:\n  " + "\n  ".join(dict.fromkeys(problems)))


def _against_schema(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The section and the problem of each value that violates its schema."""
    from jsonschema import Draft202012Validator
    from referencing import Registry, Resource

    schemas = {
        path.name.removesuffix(".schema.yaml"): yaml.load(path.read_text(), yaml.CSafeLoader)
        for path in sorted(SCHEMAS.glob("*.schema.yaml"))
    }
    registry: Registry = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema))
        for schema in schemas.values()
        if "$id" in schema
    )
    validator = Draft202012Validator(_with_studies(schemas), registry=registry)
    for error in sorted(validator.iter_errors(config), key=lambda e: list(map(str, e.path))):
        section = str(error.absolute_path[0]) if error.absolute_path else ""
        for problem in _explain(error):
            yield section, problem


def _with_studies(schemas: dict[str, Any]) -> dict[str, Any]:
    """The config's schema with each study's section, and the study's list of models.

    The schema of a study has the key `x-models`: whether the study queries language models, or
    `optional` if it can do without.
    """
    config = schemas["config"]
    studies = config["properties"]["studies"]
    for name, schema in schemas.items():
        if "x-models" in schema:
            config["properties"][name] = {"$ref": schema["$id"]}
            config["required"].append(name)
            kind = MODELS_OF[schema["x-models"]]
            studies["properties"][name] = config["$defs"][kind]
            studies["required"].append(name)
    return config


def _explain(error: Any) -> Iterator[str]:
    path = ".".join(map(str, error.absolute_path)) or "(top level)"
    found, allowed, schema = error.instance, error.validator_value, error.schema
    match error.validator:
        case "additionalProperties":
            known = list(schema.get("properties", {}))
            for key in found:
                if key not in known:
                    here = ", ".join(known[:MOST_KEYS]) + (", …" if len(known) > MOST_KEYS else "")
                    hint = _nearest(key, known) or (f"; keys here: {here}" if known else "")
                    yield f"{_join(error, key)}: unknown key{hint}"
        case "required":
            for key in allowed:
                if key not in found:
                    yield f"{_join(error, key)}: missing"
        case "type" if "propertyNames" in error.schema_path:
            yield f"{path}: name {_show(found)} must be text; put it in quotes"
        case "type":
            expected = _types(allowed, found)
            yield f"{path}: found {_show(found)}, allowed: {expected}{_yaml_trap(found)}"
        case "enum":
            options = ", ".join(map(str, allowed))
            yield f"{path}: found {_show(found)}, allowed: {options}{_nearest(found, allowed)}"
        case "pattern":
            if "propertyNames" in error.schema_path:
                yield f"{path}: name {_show(found)} may hold letters, digits, '.', '_', '-' only"
            else:
                yield f"{path}: found {_show(found)}, allowed: text that matches {allowed}"
        case "minimum":
            yield f"{path}: found {found}, allowed: at least {allowed}"
        case "maximum":
            yield f"{path}: found {found}, allowed: at most {allowed}"
        case "exclusiveMinimum":
            yield f"{path}: found {found}, allowed: more than {allowed}"
        case "exclusiveMaximum":
            yield f"{path}: found {found}, allowed: less than {allowed}"
        case "multipleOf":
            yield f"{path}: found {found}, allowed: a multiple of {allowed}"
        case "minItems" | "minProperties":
            yield f"{path}: found {len(found)} entries, allowed: at least {allowed}"
        case "maxItems":
            yield f"{path}: found {len(found)} entries, allowed: at most {allowed}"
        case "uniqueItems":
            yield f"{path}: has an entry twice"
        case _:
            yield f"{path}: {error.message}"


def _against_itself(config: dict[str, Any]) -> Iterator[str]:
    models = config["models"]
    if all(names is None for names in config["studies"].values()):
        yield "studies: each is null, which leaves it out; expected at least one study"
    for study, names in config["studies"].items():
        for name in names or []:
            if name not in models:
                yield f"studies.{study}: no model {name!r} under models{_nearest(name, models)}"
    for name, spec in models.items():
        yield from _model_problems(f"models.{name}", spec, config)


def _model_problems(path: str, spec: dict[str, Any], config: dict[str, Any]) -> Iterator[str]:
    source = spec["source"]
    engine = spec.get("engine", "transformers")
    yield from _engine_problems(path, spec, engine, config)
    if engine == "openai":
        pass  # the source is the name that the server knows
    elif source == "train":
        if spec["hidden_size"] % (2 * spec["heads"]):
            yield (
                f"{path}.hidden_size: found {spec['hidden_size']}, allowed: a multiple of "
                f"2 x heads = {2 * spec['heads']} (rotary positions turn pairs)"
            )
    elif is_gguf(spec):
        yield from _gguf_problems(path, spec)
    elif os.path.isabs(source) or source.startswith("."):
        if not os.path.isfile(os.path.join(source, "config.json")):
            yield f"{path}.source: no model in folder {source} (it has no config.json)"
    elif os.path.isdir(source):
        pass
    elif HUB_ID.fullmatch(source):
        if "revision" not in spec:
            yield (
                f"{path}.revision: missing; a hub model needs its 40-hex commit to be repeatable, "
                "or `latest`, which `snakemake models_fetch` locks to one"
            )
    else:
        yield (
            f"{path}.source: found {source!r}, allowed: train, an existing folder, a GGUF file, "
            "or a hub id owner/name"
        )
    for study, model in spec.get("paper_model_of", {}).items():
        if study not in config["studies"]:
            yield f"{path}.paper_model_of: no study {study!r}{_nearest(study, config['studies'])}"
        elif model not in (known := paper_models(study)):
            names = ", ".join(known) or "none"
            yield (
                f"{path}.paper_model_of.{study}: found {model!r}, allowed: the paper's models, "
                f"{names}{_nearest(model, known)}"
            )


def _gguf_problems(path: str, spec: dict[str, Any]) -> Iterator[str]:
    file = gguf_file(spec)
    if file and not os.path.isfile(file):
        yield f"{path}.source: no file {file}"
    if "revision" in spec:
        yield f"{path}.revision: only a hub model has one; a GGUF file is known by its content"
    if not isinstance(spec["source"], dict):
        return
    folder = spec["source"].get("tokenizer")
    if folder and not os.path.isfile(os.path.join(folder, "tokenizer.json")):
        yield f"{path}.source.tokenizer: no tokenizer in folder {folder} (it has no tokenizer.json)"


# Keys that only some engines read, and dtypes that an engine does not have.
ENGINE_KEYS = {
    "server": {"openai"},
    "tensor_parallel": {"vllm"},
    "memory_share": {"vllm"},
    "batch_invariant": {"vllm"},
    "python": {"vllm"},
    "batch_tokens": {"transformers"},
    "devices": {"transformers"},
    "revision": {"transformers", "vllm"},
    "max_context": {"transformers", "vllm"},
    "dtype": {"transformers", "vllm"},
}


def _engine_problems(
    path: str, spec: dict[str, Any], engine: str, config: dict[str, Any]
) -> Iterator[str]:
    for key, engines in ENGINE_KEYS.items():
        if key in spec and engine not in engines:
            users = " and ".join(sorted(engines))
            yield f"{path}.{key}: engine {engine} does not read this key, only {users}"
    if engine == "vllm" and spec.get("dtype") == "float64":
        yield f"{path}.dtype: engine vllm has float32, bfloat16 and float16, found 'float64'"
    if engine != "openai":
        return
    if not isinstance(spec["source"], str):
        yield f"{path}.source: for engine openai, the name that the server uses"
    if spec["source"] == "train":
        yield f"{path}.engine: a model that is trained here runs on transformers or vllm"
    if "server" not in spec:
        yield f"{path}.server: missing; a server model needs at least its url"
        return
    server = spec["server"]
    if "thinking" in spec and not DIALECTS[dialect(config, spec)].switches:
        able = dialects_that("switches")
        yield f"{path}.thinking: only a server of dialect {able} can switch thinking on or off"
    if (server.get("limits") or {}).get("cost") is not None and "prices" not in server:
        yield f"{path}.server.prices: missing; without them limits.cost cannot be enforced"


def _join(error: Any, key: Any) -> str:
    return ".".join(map(str, [*error.absolute_path, key]))


def _nearest(word: Any, known: Any) -> str:
    close = difflib.get_close_matches(str(word), list(map(str, known)), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _show(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(yaml.safe_dump(value)).split()[0]
    return f"{value!r} (text)" if isinstance(value, str) else repr(value)


TYPES = {
    "object": "a mapping, as {{key: value}}",
    "array": "a list, as [{}]",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _types(allowed: str | list[str], found: Any) -> str:
    """The allowed types in plain words; an example of a list contains the value that was found."""
    entry = found if isinstance(found, (str, int, float)) else "…"
    names = [allowed] if isinstance(allowed, str) else allowed
    return " or ".join(TYPES[name].format(entry) for name in names)


def _yaml_trap(value: Any) -> str:
    if isinstance(value, str) and NUMBER_AS_TEXT.fullmatch(value):
        mantissa, exponent = re.split("[eE]", value)
        decimal = mantissa if "." in mantissa else f"{mantissa}.0"
        sign = "" if exponent[0] in "+-" else "+"
        return f"; YAML reads {value} as text, write {decimal}e{sign}{exponent}"
    return ""


def merged(paths: Iterable[str | Path]) -> dict[str, Any]:
    """config.yaml with the files merged into it in order, as Snakemake does.

    Raises `ConfigError`.
    """
    from snakemake.utils import update_config

    config = read_yaml(ROOT / "config.yaml")
    for path in paths:
        update_config(config, read_yaml(path))
    return config


def main(paths: Sequence[str]) -> int:
    """Check config.yaml with the files merged into it in order; return 0 if it can be used."""
    check(merged(paths), config_checks())
    print("The config can be used.")
    return 0


if __name__ == "__main__":
    terminal_text.tolerate()
    import argparse
    import sys

    parser = argparse.ArgumentParser(description="Check config.yaml, changed by other files.")
    parser.add_argument("files", nargs="*", help="as after snakemake --configfile")
    try:
        sys.exit(main(parser.parse_args().files))
    except ConfigError as error:
        sys.exit(str(error))
