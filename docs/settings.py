"""Every setting with its type, unit, default, allowed values and reason.

Types and allowed values come from schemas/, defaults and reasons from config.yaml, units from
units.yaml.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from workflow_scripts.shared import config as config_files
from workflow_scripts.shared.fingerprint import ROOT

NAME = "<name>"  # stands for a name, which mostly the user chooses
# Mappings whose entries have fixed names and are shown as one, as if the names were chosen.
NAMED = {("kinds",), ("optimizers", "optimizers")}
HIDDEN = {("models", NAME, "asked"): "kinds.<name>"}  # has the same keys as another mapping
COMMENT = re.compile(r"(?:^|\s)#\s?(.*)$")
MISSING = object()  # no such key in config.yaml
NUMBERS = {"integer", "number"}
TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "mapping",
    "null": "null",
}

Path_ = tuple[str, ...]


@dataclass
class Setting:
    """A setting, or a mapping of settings that has a comment of its own.

    `values` maps each place in config.yaml to the value there: one place, one per name (`<name>` in
    `path`), or none for a key that config.yaml leaves out. `schemas` has one schema per place, with
    references resolved.
    """

    path: Path_
    mapping: bool
    schemas: list[Mapping[str, Any]] = field(default_factory=list)
    values: dict[Path_, Any] = field(default_factory=dict)
    reason: str = ""
    unit: str = ""

    @property
    def name(self) -> str:
        """The path as written in the documentation."""
        return ".".join(self.path)


@cache
def schemas() -> dict[str, Any]:
    """The schemas by the name that references use; `config` has the sections of the studies."""
    texts = {
        path.name.removesuffix(".schema.yaml"): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "schemas").glob("*.schema.yaml"))
    }
    whole = config_files._with_studies(texts)
    named = {schema["$id"]: schema for schema in texts.values() if "$id" in schema}
    return named | {"config": whole}


def resolved(schema: Mapping[str, Any], home: str) -> tuple[dict[str, Any], str]:
    """A schema with references, alternatives to null and `allOf` merged, and its file."""
    if "$ref" in schema:
        file, _, pointer = schema["$ref"].partition("#")
        target_home = file or home
        target: Any = schemas()[target_home]
        for key in filter(None, pointer.split("/")):
            target = target[key]
        target, target_home = resolved(target, target_home)
        return {
            **target,
            **{key: value for key, value in schema.items() if key != "$ref"},
        }, target_home
    if schema.get("if") == {"type": "null"}:
        return resolved(schema["else"], home)
    if "oneOf" in schema:
        *_, other = schema["oneOf"]  # after null
        found, home = resolved(other, home)
        return {**found, "type": ["null", found["type"]]}, home
    if "allOf" in schema:
        found = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            base, home = resolved(part, home)
            found = _merged(base, found)
        return found, home
    return dict(schema), home


def _merged(base: Any, other: Any) -> Any:
    """`other` on top of `base`, mappings key by key."""
    if not (isinstance(base, Mapping) and isinstance(other, Mapping)):
        return other
    common = {key: _merged(base[key], other[key]) for key in base.keys() & other.keys()}
    return {**base, **other, **common}


def settings() -> list[Setting]:
    """Every setting, in the order of config.yaml; keys that it leaves out follow their neighbours.

    Raises `LookupError` for a setting with a number that has no unit in units.yaml.
    """
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    reasons = comments(text)
    units = yaml.safe_load((Path(__file__).parent / "units.yaml").read_text(encoding="utf-8"))
    found: dict[Path_, Setting] = {}
    for path, schema, places, mapping in _nodes(
        (), schemas()["config"], "config", yaml.safe_load(text)
    ):
        setting = found.setdefault(path, Setting(path, mapping))
        setting.values |= places
        setting.schemas.append(schema)
    for setting in found.values():
        setting.reason = _reason(setting, reasons)
        if not setting.mapping:
            setting.unit = unit_of(setting, units)
    return [one for one in found.values() if not one.mapping or one.reason]


def _nodes(
    path: Path_, schema: Mapping[str, Any], home: str, value: Any, place: Path_ = ()
) -> Iterator[tuple[Path_, Mapping[str, Any], dict[Path_, Any], bool]]:
    """Mappings and settings: documented path, schema, {place: value} if set, whether a mapping."""
    schema, home = resolved(schema, home)
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    there = {place: value} if value is not MISSING else {}
    if path in HIDDEN or path[-1:] == ("source",) or not (known or isinstance(others, Mapping)):
        yield path, _whole(schema, home), there, False
        return
    yield path, schema, there, True
    entries = value if isinstance(value, Mapping) else {}
    for key in dict.fromkeys([*(key for key in entries if key in known), *known]):
        name = NAME if path in NAMED else key
        yield from _nodes((*path, name), known[key], home, entries.get(key, MISSING), (*place, key))
    if isinstance(others, Mapping):
        names = [key for key in entries if key not in known] or [NAME]
        for key in names:
            yield from _nodes((*path, NAME), others, home, entries.get(key, MISSING), (*place, key))


def unit_of(setting: Setting, units: Mapping[str, list[str]]) -> str:
    """The unit of the first pattern that matches, empty for a setting without numbers."""
    if not any(_numeric(schema) for schema in setting.schemas):
        return ""
    for unit, patterns in units.items():
        if any(fnmatchcase(setting.name, pattern) for pattern in patterns):
            return unit
    raise LookupError(f"{setting.name}: expected its unit in docs/units.yaml, found none")


def _numeric(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type", [])
    own = bool(NUMBERS & set([kinds] if isinstance(kinds, str) else kinds))
    return own or ("items" in schema and _numeric(schema["items"]))


def _whole(schema: Mapping[str, Any], home: str) -> dict[str, Any]:
    """The schema with that of its items and alternatives resolved, too."""
    found, home = resolved(schema, home)
    if "items" in found:
        found["items"] = _whole(found["items"], home)
    if "anyOf" in found:
        found["anyOf"] = [_whole(part, home) for part in found["anyOf"]]
    return found


def comments(text: str) -> dict[Path_, str]:
    """The comments of a YAML file by the path of the key: those above it, then the one behind.

    A comment behind a flow mapping belongs to the mapping.
    """
    lines = text.splitlines()
    found: dict[Path_, str] = {}

    def walk(node: yaml.Node, path: Path_, line_of_parent: int) -> None:
        if not isinstance(node, yaml.MappingNode):
            return
        for key, value in node.value:
            line, own = key.start_mark.line, (*path, str(key.value))
            if line != line_of_parent:
                found[own] = _comment(lines, line)
            walk(value, own, line)

    walk(yaml.compose(text), (), -1)
    return {path: comment for path, comment in found.items() if comment}


def _comment(lines: list[str], number: int) -> str:
    above: list[str] = []
    at = number - 1
    while at >= 0 and (line := lines[at].strip()).startswith("#"):
        above.insert(0, line.removeprefix("#").strip())
        at -= 1
    behind = COMMENT.search(lines[number])
    block = re.match(r"\s*[\w.-]+:\s*(?:#|$)", lines[number])
    parts = [" ".join(above), behind[1] if behind else ""]
    # The name of a section stands before what it is: `theory:  # E7`.
    return ". ".join(filter(None, parts)) if not block else " ".join(filter(None, parts))


def _reason(setting: Setting, reasons: Mapping[Path_, str]) -> str:
    """The comments at the setting's places, each with the name that it is about if they differ."""
    if setting.path in HIDDEN:
        return f"single values that differ from `{HIDDEN[setting.path]}`"
    own = {place: reasons[place] for place in setting.values if place in reasons}
    if len(set(own.values())) < 2:
        return next(iter(own.values()), "")
    at = setting.path.index(NAME)
    return "; ".join(f"`{place[at]}`: {reason}" for place, reason in own.items())


def type_text(schema: Mapping[str, Any]) -> str:
    """The type in words."""
    if "anyOf" in schema:
        return " or ".join(type_text(part) for part in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return "one of a list" if "enum" in schema else "constant"
    kinds = schema.get("type", [])
    return " or ".join(
        _type(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    )


def _type(kind: str, schema: Mapping[str, Any]) -> str:
    if kind != "array":
        return TYPES[kind]
    items = schema.get("items", {})
    return f"list of {_plural(items)}" if items else "list"


def _plural(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "names"
    kind = schema.get("type", "values")
    return {
        "integer": "whole numbers",
        "number": "numbers",
        "string": "texts",
        "array": "lists",
    }.get(kind, kind)
