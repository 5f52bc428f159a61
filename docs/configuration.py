"""Write docs/configuration.md: every setting of the workflow.

.venv/bin/python docs/configuration.py         # keeps the rules of settings that the page has
.venv/bin/python docs/configuration.py --all   # finds the rules of all settings, in minutes
"""

import argparse
import copy
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from readers import MORE_MODELS, Readers, Reading  # noqa: E402
from settings import NAME, Setting, settings, type_text  # noqa: E402

from workflow_scripts.shared import files  # noqa: E402

PAGE = DOCS / "configuration.md"
MOST_NAMES = 12  # allowed values shown
HEAD = """# Configuration

<!-- Written by docs/configuration.py from config.yaml, schemas/, docs/units.yaml and the rules. -->

Each setting of [config.yaml](../config.yaml) with its unit, default, allowed values and reason. A
run checks all of them before anything starts; [run it](run.md#change-settings) says how to change
one. `<name>` is a name that you choose, of a model for example, or that `config.yaml` lists. A dash
as default: the setting is left out, and [add a model](add_a_model.md) and
[models on servers](servers.md) say what it does.

*Read by* names the rules whose jobs have another input or parameter after a change. They re-run,
and then what uses their results ([change one thing](change_one_thing.md)). *Resources of* names
rules whose jobs only ask for other memory, time or GPUs: nothing re-runs. The archive records the
whole config.
"""
TABLE = """
| setting | type | unit | default | allowed | reason | read by |
|---|---|---|---|---|---|---|
"""


def changed(setting: Setting) -> dict[tuple[str, ...], Any]:
    """Another value for each place of the setting, valid on its own where there is one."""
    places = dict(setting.values)
    for model, entry in MORE_MODELS.items():
        if setting.path[:2] == ("models", NAME):
            value: Any = entry
            for key in setting.path[2:]:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                places[("models", model, *setting.path[2:])] = value
    if not places:
        model = "served" if "server" in setting.path else "hub"
        places = {tuple(model if key == NAME else key for key in setting.path): None}
    return {place: other(setting.schemas[0], value) for place, value in places.items()}


def other(schema: Mapping[str, Any], value: Any) -> Any:
    """A value of the schema that is not `value`; some other value if the schema allows only one."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(schema)
    candidates = [new for new in _candidates(schema, value) if new != value]
    return next((new for new in candidates if validator.is_valid(new)), candidates[0])


def _candidates(schema: Mapping[str, Any], value: Any) -> Iterator[Any]:
    yield from (new for new in schema.get("enum", ()) if new is not None)
    kinds = schema.get("type", "string")
    kind = next(kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null")
    if kind == "boolean" or isinstance(value, bool):
        yield not value
    elif kind in ("integer", "number"):
        least = schema.get("minimum", 1)
        start = least if value is None else value
        yield from (start + 1, start - 1, start * 2, start / 2, start * 8)
    elif kind == "array":
        items = copy.deepcopy(value) if value else []
        yield items[:-1]
        last = items[-1] if items else None
        yield from ([*items, new] for new in _candidates(schema.get("items", {}), last))
    elif kind == "object":
        yield {"stochasticity": {"reply_tokens": 99}}  # models.<name>.asked
    elif "pattern" in schema:  # a hash, an address, a day
        yield from ("1" * 40, "http://127.0.0.1:2/v1", "2026-01-02", "OTHER", "0" * 64)
    else:
        yield f"{value or ''}other"


def found(which: list[Setting]) -> dict[str, str]:
    """The last column of the page for each of these settings."""
    if not which:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        readings = Readers(Path(folder)).of_each({one.name: changed(one) for one in which})
    return {name: reading_text(reading) for name, reading in readings.items()}


def reading_text(reading: Reading) -> str:
    """Rules that read a setting, as in the page."""
    rules = ", ".join(f"`{rule}`" for rule in reading.rules)
    resources = ", ".join(f"`{rule}`" for rule in reading.resources)
    return "; ".join(filter(None, [rules, resources and f"resources of {resources}"])) or "–"


def known(text: str) -> dict[str, str]:
    """The last column of a page by setting."""
    return dict(re.findall(r"^\| `([^`]+)` \|.*\| ([^|]*) \|$", text, re.MULTILINE))


def page(readers: Mapping[str, str]) -> str:
    """The page, given its last column."""
    parts = [HEAD]
    section = None
    for setting in settings():
        first = setting.path[0] if len(setting.path) > 1 or setting.mapping else "The run"
        if first != section:
            section = first
            intro = (
                f"\n{_cell(setting.reason)}\n" if len(setting.path) == 1 and setting.mapping else ""
            )
            parts.append(f"\n## {section}\n{intro}{TABLE}")
            if intro:
                continue
        parts.append(row(setting, readers.get(setting.name, "")))
    return "".join(parts)


def row(setting: Setting, reading: str) -> str:
    """One line of a table; a mapping of settings has only its name and reason."""
    if setting.mapping:
        return f"| **{setting.name}** | | | | | {_cell(setting.reason)} | |\n".replace("<", "&lt;")
    kinds = list(dict.fromkeys(type_text(schema) for schema in setting.schemas))
    limits = list(dict.fromkeys(allowed(schema) for schema in setting.schemas))
    cells = [f"`{setting.name}`", " or ".join(kinds), setting.unit, default(setting)]
    cells += [" or ".join(filter(None, limits)), _cell(setting.reason), reading]
    return "| " + " | ".join(cells) + " |\n"


def default(setting: Setting) -> str:
    """The value in config.yaml, or one per name."""
    shown = {place: f"`{_value(value)}`" for place, value in setting.values.items()}
    if len(set(shown.values())) < 2:
        return next(iter(shown.values()), "–")
    at = setting.path.index(NAME)
    return ", ".join(f"{place[at]}: {text}" for place, text in shown.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}" if value else "0.0"
    if isinstance(value, list):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def allowed(schema: Mapping[str, Any]) -> str:
    """The allowed values beyond the type."""
    parts = []
    if "enum" in schema:
        names = [f"`{_value(value)}`" for value in schema["enum"]]
        more = f", … ({len(names)} in all)" if len(names) > MOST_NAMES else ""
        parts.append(", ".join(names[:MOST_NAMES]) + more)
    if "const" in schema:
        parts.append(f"`{_value(schema['const'])}`")
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    parts += [f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema]
    if "multipleOf" in schema:
        parts.append(f"a multiple of {schema['multipleOf']}")
    if "pattern" in schema:
        parts.append(f"matches `{schema['pattern']}`")
    if items := schema.get("items"):
        parts.append(f"each {text}" if (text := allowed(items)) else "")
    if schema.get("minItems", 0) > 1:
        parts.append(f"{schema['minItems']} or more")
    if schema.get("maxItems") == 0:
        parts.append("empty")
    if "contains" in schema:
        parts.append(f"with {allowed(schema['contains'])}")
    return ", ".join(filter(None, parts)).replace("|", "\\|")


def _cell(text: str) -> str:
    """A comment as text of a table; names in it that Markdown would read as HTML are kept."""
    text = re.sub(r"\bdocs/([\w/]+\.md)", r"[\1](\1)", text)
    parts = text.replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


def main(everything: bool) -> None:
    """Write the page; with `everything`, find the rules of all settings again."""
    have = {} if everything or not PAGE.is_file() else known(PAGE.read_text(encoding="utf-8"))
    new = [one for one in settings() if not one.mapping and one.name not in have]
    with files.atomic(PAGE) as temporary:
        Path(temporary).write_text(page(have | found(new)), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write docs/configuration.md.")
    parser.add_argument("--all", action="store_true", help="find the rules of all settings again")
    main(parser.parse_args().all)
