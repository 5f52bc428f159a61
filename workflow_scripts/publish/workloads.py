"""Prompts, tokens and minutes by study and model, as a table."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from workflow_scripts.shared import datasets, workload
from workflow_scripts.shared.workload import Count, Part, Speed

Config = dict[str, Any]
COLUMNS = ("prompts", "prompt tokens", "scored tokens", "reply tokens", "at most", "min", "at most")


class Asked(NamedTuple):
    """What a study asks of a model, how its tokens were counted, and how fast the model is."""

    study: str
    model: str
    parts: list[Part]
    exact: bool  # whether the model's own tokenizer counted
    speed: Speed | None


def at_hand(config: Config) -> Config:
    """The config with generated questions in place of files that a rule has yet to fetch."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(each) for key, each in value.items()}
        missing = isinstance(value, str) and datasets.is_fetched(value) and not Path(value).exists()
        return None if missing else value

    studies = ("parallel_sequential", "change_of_mind")  # those that read files of questions
    return config | {study: kept(config[study]) for study in studies}


def asked(config: Config, speeds: Path = workload.SPEED) -> list[Asked]:
    """What the config's studies ask of the models that are not trained here."""
    config, counted = at_hand(config), workload.studies()
    found = []
    for study, name in workload.each_model(config):
        if study in counted:
            count: Count = workload.counter(config, study, name)
            speed = workload.measured_speed(config["models"][name], speeds)
            parts = counted[study](config, name, count)
            found.append(Asked(study, name, parts, count.exact, speed))
    return found


def numbers(entry: Asked) -> list[float | None]:
    """Values of `COLUMNS`; None for what is known only once the model's speed was measured."""
    parts, speed = entry.parts, entry.speed
    fixed = [
        sum(part.prompts for part in parts),
        sum(part.prompt_tokens for part in parts),
        sum(part.scored_tokens for part in parts),
    ]
    most = sum(part.reply_tokens for part in parts)
    if speed is None:
        return [*fixed, None if most else 0, most, None, None]
    replies = sum(workload.replies(entry.study, part, speed).mean for part in parts)
    shown = [workload.minutes(entry.study, part, speed) for part in parts]
    minutes = [sum(each.mean for each in shown), sum(each.most for each in shown)]
    return [*fixed, replies, most, *minutes]


def show(entries: Iterable[Asked], console: Console) -> None:
    """Print one table per model, and what its numbers rest on."""
    by_model: dict[str, list[Asked]] = {}
    for entry in entries:
        by_model.setdefault(entry.model, []).append(entry)
    for name, own in by_model.items():
        table = Table(
            box=box.SIMPLE_HEAD, header_style="", title=name, title_style="", title_justify="left"
        )
        table.add_column("study", no_wrap=True)
        for column in COLUMNS:
            table.add_column(column, justify="right")
        rows = [numbers(entry) for entry in own]
        for entry, row in zip(own, rows, strict=True):
            table.add_row(entry.study, *_texts(row))
        table.add_section()
        sums = [None if None in column else sum(column) for column in zip(*rows, strict=True)]
        table.add_row("in all", *_texts(sums))
        console.print(table)
        for line in basis(own):
            console.print(line, markup=False)


def _texts(row: Iterable[float | None]) -> list[str]:
    return ["?" if value is None else short(value) for value in row]


def short(value: float) -> str:
    """A number with two digits, such as 0.4, 7.2, 53, 1,200, 2.4 M (millions) or 1.2 bn."""
    if value >= 999_500_000:
        return f"{value / 1e9:,.1f} bn"
    if value >= 999_500:
        return f"{value / 1e6:.1f} M"
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}" if value >= 10_000 else f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) or value >= 10 else f"{value:.1f}"


def basis(own: list[Asked]) -> list[str]:
    """What the numbers of one model rest on: its tokenizer, and a measurement or none."""
    lines = []
    if not all(entry.exact for entry in own):
        lines.append("Tokens: one per 4 characters, as the model's tokenizer is not here.")
    speed = own[0].speed
    if speed is None:
        lines.append(f"Time: not measured; run make try MODEL={own[0].model} with the same ARGS.")
        return lines
    known = speed.conditions
    rates = [seen["rate"] for seen in speed.replies.values()] or [0.0]
    lines.append(
        f"min: on one idle core or GPU, estimated from {known['seconds']:.0f} s with this model "
        f"on this machine ({known['device'] or 'its own server'}, {known['threads']} threads, "
        f"{known['dtype']}, {known['versions']}): {short(speed.prompt_rate)} prompt tokens and "
        f"{short(min(rates))} to {short(max(rates))} reply tokens per second, {speed.load_s:.0f} s "
        "to load, replies as long as those seen. At most: every reply as long as it may be."
    )
    return lines
