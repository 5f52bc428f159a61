"""Why each job would run, one line per job: Snakemake's dry-run in short.

python -m workflow_scripts.publish.explain                      # after any change
python -m workflow_scripts.publish.explain --config seed=7      # Snakemake's arguments
"""

import argparse
import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.shared import terminal_text
from workflow_scripts.shared.snakemake_internals import PlanError, blocks, dry_run

FINGERPRINT = re.compile(r"'[0-9a-f]{16}'")
WIDTH = 100  # characters of a reason; `snakemake -n` shows the rest


@dataclass(frozen=True)
class Planned:
    """A job that would run: its rule, wildcards as `name=value`, outputs, Snakemake's reason."""

    rule: str
    wildcards: tuple[str, ...]
    outputs: tuple[str, ...]
    reason: str

    @property
    def name(self) -> str:
        """Rule and the wildcards' values."""
        values = ", ".join(wildcard.partition("=")[2] for wildcard in self.wildcards)
        return f"{self.rule} [{values}]" if values else self.rule


def plan(arguments: list[str], folder: str | Path = ".") -> list[Planned]:
    """What `snakemake -n` with these arguments would run in `folder`. Raises `PlanError`."""
    return parse(dry_run(arguments, folder))


def parse(text: str) -> list[Planned]:
    """The jobs in the text of a dry-run; target rules, which have no output, are left out."""
    jobs = {
        fields["jobid"]: Planned(
            rule,
            tuple(filter(None, fields.get("wildcards", "").split(", "))),
            tuple(fields["output"].split(", ")),
            fields.get("reason", ""),
        )
        for rule, _, _, fields in blocks(text)
    }
    return list(jobs.values())


def explain(job: Planned, planned: list[Planned]) -> str:
    """The reason in a few words; a job that depends on others names their rules."""
    makers = {output: other.rule for other in planned for output in other.outputs}
    parts = [_short(part, makers) for part in job.reason.split("; ")]
    return "; ".join(part for part in parts if part)


def _short(part: str, makers: dict[str, str]) -> str:
    what, _, rest = part.partition(": ")
    files = rest.split(", ")
    match what:
        case "Forced execution":
            return "forced by --forcerun or --force"
        case "Missing output files":
            return "missing: " + _few(files)
        case "Incomplete output files":
            return "incomplete: " + _few(files)
        case "Updated input files":
            return "newer input: " + _few(files)
        case "Input files updated by another job":
            return "follows " + ", ".join(sorted({makers.get(file, file) for file in files}))
        case "Set of input files has changed since last execution":
            return "its set of inputs changed"
        case "Software environment definition has changed since last execution":
            return "its environment file changed"
        case "Params have changed since last execution":
            return _settings(rest)
    return part


def _few(files: list[str]) -> str:
    more = f" and {len(files) - 2} more" if len(files) > 2 else ""
    return ", ".join(files[:2]) + more


def _settings(text: str) -> str:
    """What changed among a rule's parameters: its code, its settings, or both."""
    found = re.search(r"before: (.*) now: (.*)", text)
    if not found:
        return "settings changed"
    before, now = found[1].strip(), found[2].strip()
    said = ["code changed"] if FINGERPRINT.search(now) else []
    before, now = (FINGERPRINT.sub("", side).strip(" ,") for side in (before, now))
    before, now = (side.replace(",,", ",") for side in (before, now))
    if before or now:
        said.append(f"setting changed: {_difference(before, now)}")
    return ", ".join(said)


def _difference(before: str, now: str) -> str:
    old, new = _value(before), _value(now)
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        return ", ".join(f"{key} {old.get(key)} → {new.get(key)}" for key in keys)
    return f"{before or 'nothing'} → {now or 'nothing'}"


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def table(planned: list[Planned]) -> str:
    """One line per job with its name and the reason, and the number of jobs."""
    if not planned:
        return "Nothing to run: every result is up to date."
    width = max(len(job.name) for job in planned)
    lines = []
    for job in planned:
        reason = explain(job, planned)
        reason = reason if len(reason) <= WIDTH else reason[: WIDTH - 1] + "…"
        lines.append(f"{job.name:<{width}}  {reason}")
    count = len(planned)
    return "\n".join([*lines, f"{count} job{'s' if count > 1 else ''} would run."])


def main(arguments: list[str] | None = None) -> int:
    """Print the plan of `snakemake -n` with these arguments; return 1 if Snakemake cannot plan."""
    parser = argparse.ArgumentParser(
        description="Why each job would run, one line per job. Takes Snakemake's arguments.",
        usage="%(prog)s [targets] [--config seed=7 | any other argument of snakemake]",
        allow_abbrev=False,
    )
    try:
        print(table(plan(parser.parse_known_args(arguments)[1])))
    except PlanError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    terminal_text.tolerate()
    sys.exit(main())
