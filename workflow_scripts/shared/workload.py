"""How much a study asks of a model, known before anything runs: prompts and tokens, by rule.

Each model study has a module `workload.py` with a function `workload(config, name, count)` that
returns its parts. It builds them from the study's own requests, so that the two cannot drift.
"""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from workflow_scripts.shared import files
from workflow_scripts.shared.fingerprint import PACKAGE, ROOT

Config = dict[str, Any]
SAMPLED = 128  # requests of a table whose prompts are counted; the others are as long on average
SPEED = Path("work/speed")  # measurements, one file per model


class Count(Protocol):
    """Counts tokens as a model's tokenizer does, in the model's own chat template.

    `exact` says whether it is the model's own tokenizer; `context` (tokens) and `width` (of hidden
    states) are the model's, None where unknown.
    """

    exact: bool
    context: int | None
    width: int | None

    def request(self, request: Mapping[str, Any]) -> int:
        """Tokens of a request's prompt and its options."""
        ...

    def turns(self, messages: Sequence[Mapping[str, str]]) -> int:
        """Tokens of a prompt of these chat turns."""
        ...

    def text(self, text: str) -> int:
        """Tokens of a text by itself."""
        ...


class Part(NamedTuple):
    """What one rule asks of one model.

    `prompts` counts each of the `requests` once per sample; `prompt_tokens` counts its prompt once,
    and nothing for the model's own earlier replies in it: these are `shown`, in number. `replies`
    of the prompts are answered in text, with `reply_tokens` at most, all together; the others ask
    for log-probabilities. `scored_tokens` pass through the model where a study reads its inside.
    `examples` are some of the requests, `forms` one of each form; `thinks` says whether thoughts
    are switched on for them, `rounds` in how many rounds, one after another, they are asked.
    """

    rule: str
    requests: int = 0
    prompts: int = 0
    prompt_tokens: int = 0
    replies: int = 0
    reply_tokens: int = 0
    scored_tokens: int = 0
    shown: float = 0.0
    examples: tuple[dict[str, Any], ...] = ()
    thinks: bool = False
    rounds: int = 1
    forms: tuple[dict[str, Any], ...] = ()

    @property
    def limit(self) -> float:
        """The most tokens of a reply, on average."""
        return self.reply_tokens / self.replies if self.replies else 0.0


SUMMED = Part._fields[1:8]  # the numbers, from `requests` to `shown`
Workload = Callable[[Config, str, Count], list[Part]]


def studies() -> dict[str, Workload]:
    """The function `workload` of each study that asks models, by the study's name."""
    modules = sorted((ROOT / PACKAGE).glob("*/workload.py"))
    names = [path.parent.name for path in modules if path.parent.name != "shared"]
    return {name: importlib.import_module(f"{PACKAGE}.{name}.workload").workload for name in names}


def counter(config: Config, study: str, name: str) -> Count:
    """Counts tokens as the model sees them in a study (`inference/counting.py`)."""
    return importlib.import_module(f"{PACKAGE}.inference.counting").counter(config, study, name)


def parts_of(config: Config, study: str, name: str) -> list[Part]:
    """What a study asks of a model."""
    return studies()[study](config, name, counter(config, study, name))


def asked(rule: str, rows: Sequence[Mapping[str, Any]], count: Count, examples: int = 8) -> Part:
    """The part of a table of requests, whose prompts are counted on at most `SAMPLED` of them."""
    drawn = [row for row in rows if row["max_tokens"]]
    return Part(
        rule,
        requests=len(rows),
        prompts=sum(row["n"] if row["max_tokens"] else 1 for row in rows),
        prompt_tokens=sampled(rows, count.request),
        replies=sum(row["n"] for row in drawn),
        reply_tokens=sum(row["n"] * row["max_tokens"] for row in drawn),
        examples=tuple(map(dict, spread(drawn or rows, examples))),
        forms=tuple({_form(row): dict(row) for row in rows}.values()),
    )


def _form(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a request asks of an engine, apart from words and numbers."""
    greedy, whole = row["temperature"] == 0, row["top_p"] == 1
    turns = json.loads(row["messages"]) if isinstance(row["messages"], str) else []
    empty = (row["max_tokens"] == 0, row["top_k"] == 0, row["stop"] == "[]", row["choices"] == "[]")
    return (
        greedy,
        whole,
        *empty,
        bool(row["echo_logprobs"]),
        *(turn["role"] for turn in turns[-1:]),
    )


def added(parts: Sequence[Part]) -> Part:
    """Parts of the same rule as one."""
    sums: dict[str, Any] = {name: sum(getattr(part, name) for part in parts) for name in SUMMED}
    examples = tuple(example for part in parts for example in part.examples)
    forms = tuple(form for part in parts for form in part.forms)
    return Part(parts[0].rule, examples=examples, forms=forms, **sums)


def records(table: Any) -> list[dict[str, Any]]:
    """The rows of a table of requests."""
    return table.to_dict("records")


def sampled(rows: Sequence[Any], tokens: Callable[[Any], int]) -> int:
    """The sum of `tokens` over the rows, from at most `SAMPLED` of them, evenly spaced."""
    chosen = spread(rows, SAMPLED)
    return round(sum(map(tokens, chosen)) * len(rows) / len(chosen)) if chosen else 0


def spread(rows: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of the rows, evenly spaced."""
    step = max(1.0, len(rows) / max(1, most))
    return [rows[int(place * step)] for place in range(min(most, len(rows)))]


class Speed(NamedTuple):
    """How fast a model is on this machine, as measured (`inference/speed.py`).

    `load_s` is the time in seconds until it can be asked; `prompt_rate` is in prompt tokens per
    second. `replies` has, by `key`, the mean tokens of a reply (`mean`), the tokens per second
    (`rate`) and the number of replies, with those that ended before they were cut (`ended`).
    """

    load_s: float
    prompt_rate: float
    replies: dict[str, dict[str, Any]]
    conditions: dict[str, Any]  # versions, threads, device, dtype, seconds

    def of(self, study: str, part: Part) -> dict[str, Any]:
        """The replies measured for a part, or else the slowest ones, of its study if possible."""
        if found := self.replies.get(key(study, part.rule)):
            return found
        own = [seen for name, seen in self.replies.items() if name.startswith(key(study, ""))]
        known = own or list(self.replies.values())
        unknown = {"mean": part.limit, "rate": self.prompt_rate}
        return min(known, key=lambda seen: seen["rate"], default=unknown)


class Expected(NamedTuple):
    """A quantity as expected, and if every reply has as many tokens as it may."""

    mean: float
    most: float


def key(study: str, rule: str) -> str:
    """The name of a part in `Speed.replies`."""
    return f"{study}/{rule}"


def replies(study: str, part: Part, speed: Speed) -> Expected:
    """Tokens of all replies of a part."""
    return Expected(part.replies * _length(study, part, speed), part.reply_tokens)


def minutes(study: str, part: Part, speed: Speed) -> Expected:
    """How long a part takes, loading the model included."""

    def of(length: float) -> float:
        read = part.prompt_tokens + part.scored_tokens + part.shown * length
        written = part.replies * length
        took_s = speed.load_s + read / speed.prompt_rate + written / speed.of(study, part)["rate"]
        return took_s / 60

    return Expected(of(_length(study, part, speed)), of(part.limit))


def _length(study: str, part: Part, speed: Speed) -> float:
    return min(part.limit, speed.of(study, part)["mean"]) if part.reply_tokens else 0.0


def speed_file(spec: Mapping[str, Any], folder: Path = SPEED) -> Path:
    """Where the measurement of a model with this config entry is kept."""
    left_out = ("asked", "paper_model_of", "kind", "server")
    deciding = {name: value for name, value in spec.items() if name not in left_out}
    return folder / f"{files.content_hash(deciding)}.json"


def measured_speed(spec: Mapping[str, Any], folder: Path = SPEED) -> Speed | None:
    """The measurement of a model, if there is one."""
    path = speed_file(spec, folder)
    return Speed(**files.read_json(path)) if path.is_file() else None


def each_model(config: Config) -> Iterator[tuple[str, str]]:
    """Each study with each model that it asks, models that are trained here left out."""
    for study, names in config["studies"].items():
        for name in names or ():
            if config["models"][name]["source"] != "train":
                yield study, name
