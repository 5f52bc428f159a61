"""Renders chat turns as text with a model's chat template.

Templates differ: some merge, drop or refuse a system turn, cut thoughts out of earlier replies,
write the day of rendering, or open a thought at the end of every prompt. `render` gives the text
that a study means, or raises `EngineError`. `switches`, `thinks_always`, `reasons` and `dated` are
functions of a template's text.
"""

import json
import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from workflow_scripts.inference import forms, replies
from workflow_scripts.inference.tasks import EngineError

Turn = dict[str, str]

DATE = "2026-01-01"  # the day that a template writes, where the config has no `inference.date`
DAY = "%d %b %Y"  # the form in which templates expect `date_string`
SWITCHES = ("enable_thinking", "thinking")
# A template file, or a tokenizer's config with the template in it.
FILES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")
CHANNEL, FINAL_CHANNEL = "<|channel|>", "<|channel|>final<|message|>"  # gpt-oss
FORMATS = re.compile(r"\bstrftime_now\(\s*(?:format\s*=\s*)?(?:\"([^\"]*)\"|'([^']*)')\s*\)")
GENERATION = re.compile(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}")


def templated(spec: dict[str, Any]) -> bool:
    """Whether the model's chat template renders its turns."""
    return spec.get("chat_template", True)


def render(tokenizer: Any, spec: dict[str, Any], turns: Sequence[Turn]) -> str:
    """Render turns up to the point where the model continues.

    Uses the tokenizer's chat template with the model's `thinking` and `date`; without a template
    (`chat_template: false`) uses `plain`. A final assistant turn is the beginning of the reply: it
    follows the text that opens a reply, with thoughts switched off. Where thoughts are off and the
    template opens one, an empty thought is written.

    Raises `EngineError` if the template refuses the turns or leaves one out, if it writes nothing
    that opens a reply, and for a beginning of a reply with thoughts.
    """
    if not templated(spec):
        return plain(turns)
    template = tokenizer.get_chat_template()
    thinking, beginning, before = spec.get("thinking"), None, list(turns)
    if turns[-1]["role"] == "assistant":
        if thinking:
            raise _refusal(
                spec,
                "expected thoughts off where the beginning of the reply is given, found "
                "`thinking: true`; set it to false for this study",
            )
        thinking, beginning, before = False, turns[-1]["content"], before[:-1]
    text = _filled(tokenizer, spec, template, before, thinking)
    _compare(spec, before, text)
    opening = _opening(template)
    if opening is None:
        raise _refusal(
            spec,
            "expected text that opens a reply after the last turn, found none, since it ignores "
            "add_generation_prompt; correct it, or set `chat_template: false`",
        )
    if thinking is False:
        text += _without_thought(template, text)
    return text if beginning is None else text + opening + beginning


def plain(turns: Sequence[Turn]) -> str:
    """Turns as plain text: "User: …", "Assistant: …", separated by blank lines."""
    lines = [f"{turn['role'].capitalize()}: {turn['content']}" for turn in turns]
    if turns[-1]["role"] != "assistant":
        lines.append("Assistant:")
    return "\n\n".join(lines)


def no_template(name: str) -> str:
    """The error message for model `name` when its tokenizer lacks a chat template."""
    return (
        f"models.{name}: expected a chat template in its tokenizer, found none; set "
        f"models.{name}.chat_template: false to write chat turns as plain text "
        "(docs/add_a_model.md)"
    )


def refuse_other_kind(name: str, spec: dict[str, Any], tokenizer: Any) -> None:
    """Raise `EngineError` if a model that counts as `chat` has a template that opens thoughts.

    Its template was not on this machine when the config was read. Asked as a chat model, it would
    think within the few tokens of a bare reply.
    """
    asked_as_chat = spec.get("kind") == forms.CHAT and templated(spec)
    if asked_as_chat and reasons(tokenizer.get_chat_template()):
        raise EngineError(
            f"models.{name}.kind: expected chat, found a template that opens thoughts; set "
            f"models.{name}.kind: reasoning, or run again if the model was only just downloaded"
        )


def of_folder(folder: str | Path) -> str:
    """The text of the chat template in a checkpoint folder; "" if it has none."""
    return next((text for name in FILES if (text := of_file(Path(folder) / name))), "")


def of_file(path: Path) -> str:
    """The text of the chat template in one of `FILES`; "" if it has none."""
    if not path.is_file():
        return ""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jinja":
        return text
    try:
        found = json.loads(text).get("chat_template") or ""
    except ValueError:
        return ""  # loading the model says what is wrong with the file
    if isinstance(found, list):  # several templates by name
        named = {each.get("name"): each.get("template", "") for each in found}
        found = named.get("default", "")
    return found if isinstance(found, str) else ""


def switches(template: str) -> bool:
    """Whether a template can switch thoughts on and off."""
    return not _names(template).isdisjoint(SWITCHES)


def thinks_always(template: str) -> bool:
    """Whether a template opens a thought in every prompt, or has the channels of gpt-oss."""
    if CHANNEL in template:
        return True
    prompt = _probed(template)[0]
    return not switches(template) and bool(prompt and _opened(prompt))


def reasons(template: str) -> bool:
    """Whether a template is one of a model that can think before it answers."""
    return switches(template) or thinks_always(template)


def dated(template: str) -> bool:
    """Whether a template writes a date."""
    return not _names(template).isdisjoint(("strftime_now", "date_string"))


def dates(template: str, spec: dict[str, Any]) -> dict[str, str]:
    """The part of an engine's identity that holds the date; empty for a template without one."""
    return {"date": spec.get("date", DATE)} if dated(template) else {}


def thinking_switches(thinking: bool | None) -> dict[str, bool]:
    """The variables that switch thoughts on or off in a template; none if `thinking` is None."""
    return {} if thinking is None else dict.fromkeys(SWITCHES, thinking)


def date_string(spec: dict[str, Any]) -> str:
    """The model's `date`, as templates write it: "01 Jan 2026"."""
    return date.fromisoformat(spec.get("date", DATE)).strftime(DAY)


def _filled(
    tokenizer: Any, spec: dict[str, Any], template: str, turns: list[Turn], thinking: bool | None
) -> str:
    import jinja2

    names = _names(template)
    given = thinking_switches(thinking) | {"date_string": date_string(spec)}
    try:
        return tokenizer.apply_chat_template(
            turns,
            chat_template=_with_date(template, spec.get("date", DATE)),
            tokenize=False,
            add_generation_prompt=True,
            **{key: value for key, value in given.items() if key in names},
        )
    except (jinja2.TemplateError, TypeError, ValueError, LookupError) as error:
        roles = ", ".join(turn["role"] for turn in turns)
        why = " ".join(str(error).split())
        raise _refusal(spec, f"it refuses the turns ({roles}): {why}") from error


def _compare(spec: dict[str, Any], turns: Sequence[Turn], text: str) -> None:
    """Raise `EngineError` unless the text contains that of every turn, in order."""
    at = 0
    for number, turn in enumerate(turns, start=1):
        wanted = turn["content"].strip()
        found = text.find(wanted, at)
        if found < 0:
            done = "moves" if wanted in text else "leaves out or changes"
            raise _refusal(
                spec,
                f"it {done} the text of turn {number} of {len(turns)} ({turn['role']}): "
                f"{wanted[:60]!r}",
            )
        at = found + len(wanted)


def _refusal(spec: dict[str, Any], what: str) -> EngineError:
    return EngineError(f"chat template of {spec.get('source', 'the model')}: {what}")


def _without_thought(template: str, prompt: str) -> str:
    """What ends the thought, or chooses the channel, that a prompt opens; "" if it opens none."""
    if CHANNEL in template:
        return FINAL_CHANNEL if not prompt.endswith(FINAL_CHANNEL) else ""
    end = _opened(prompt)
    if end is None:
        return ""
    lines = len(prompt) - len(prompt.rstrip("\n"))
    return "\n" * max(0, 2 - lines) + end + "\n\n"


def _opened(prompt: str) -> str | None:
    """The tag that ends the thought in which a prompt ends; None if it ends in none."""
    text = prompt.rstrip()
    return next((end for start, end in replies.CLOSED if text.endswith(start)), None)


@lru_cache
def _opening(template: str) -> str | None:
    """The blanks between the end of a prompt and a reply; None if a header is missing there.

    Templates that ignore `add_generation_prompt` may need none: after Mistral's "[/INST]" the reply
    follows, perhaps after a blank.
    """
    if "add_generation_prompt" in _names(template):
        return ""
    prompt, whole = _probed(template)
    if prompt is None or whole is None:
        return ""  # the probe's turns are not among those that it accepts
    between = whole.removeprefix(prompt).partition(REPLY)[0]
    return between if whole.startswith(prompt) and not between.strip() else None


QUESTION, REPLY = "What is it?", "It is this."


@lru_cache
def _probed(template: str) -> tuple[str | None, str | None]:
    """A question with what opens the reply, and with a reply; None where the template refuses."""
    import jinja2

    found: list[str | None] = []
    turns = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": REPLY}]
    for shown, prompt in ((turns[:1], True), (turns, False)):
        try:
            compiled = _environment().from_string(_known(template))
            special = {name: "" for name in _names(template) if name.endswith("_token")}
            found.append(compiled.render(messages=shown, add_generation_prompt=prompt, **special))
        except (jinja2.TemplateError, TypeError, ValueError, LookupError):
            found.append(None)
    return found[0], found[1]


@lru_cache
def _names(template: str) -> frozenset[str]:
    """The variables that a template takes from outside."""
    import jinja2
    from jinja2 import meta, nodes

    try:
        tree = _parser().parse(_known(template))
    except jinja2.TemplateError:
        return frozenset()  # rendering refuses it, too
    # One that the template sets itself comes from outside only if it asks whether it is there.
    own = {each.name for each in tree.find_all(nodes.Name) if each.ctx == "store"}
    asked = {
        each.node.name
        for each in tree.find_all((nodes.Test, nodes.Filter))
        if isinstance(each.node, nodes.Name) and each.name in ("defined", "undefined", "default")
    }
    return frozenset(meta.find_undeclared_variables(tree) - (own - asked))


def _known(template: str) -> str:
    """The template without the block `generation`, which only transformers knows."""
    return GENERATION.sub(
        lambda tag: f"{{%{tag[1]} {'endif' if tag[2] else 'if true'} {tag[3]}%}}", template
    )


def _parser() -> Any:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # As in transformers.
    return ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )


def _environment() -> Any:
    import jinja2

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = _parser()
    environment.filters["tojson"] = json.dumps
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda format: format
    return environment


@lru_cache
def _with_date(template: str, day: str) -> str:
    """The template with a macro `strftime_now` that writes `day` and hides that of transformers.

    transformers' own writes the local day of rendering.
    """
    if "strftime_now" not in _names(template):
        return template
    formats = sorted({double or single for double, single in FORMATS.findall(template)})
    written = {each: date.fromisoformat(day).strftime(each) for each in formats}
    unknown = "expected a literal format in strftime_now, found another"
    macro = (
        "{% macro strftime_now(format) %}"
        f"{{{{ {json.dumps(written)}.get(format) or raise_exception({json.dumps(unknown)}) }}}}"
        "{% endmacro %}\n"  # `trim_blocks` drops this line break
    )
    return macro + template
