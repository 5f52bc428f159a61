"""`make probe MODEL=name`: what the server of a model does, and which studies it cannot answer.

    python -m workflow_scripts.publish.probe served --configfile my.yaml

Asks the server some tiny questions. Replies are kept in `work/probe/`, where a run looks for them
before it asks. With `--again` the server is asked anew, as is needed after a change of it.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workflow_scripts.inference import kinds, openai_payload, probe, probe_facts, probe_needs
from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.models import registry
from workflow_scripts.publish import trial
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import files, terminal_text, workload
from workflow_scripts.shared.config import ConfigError

Config = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe a model of the config and print a table; return 1 if a study cannot be asked."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("model", help="a name under models, with engine openai")
    parser.add_argument("--again", action="store_true", help="ask anew")
    known, others = parser.parse_known_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    try:
        paths, unknown = trial.split(others)
        if unknown:
            raise ConfigError(f"found {unknown[0]!r}, allowed: --configfile files, --again")
        config = config_files.merged(paths)
        config_files.check(config, config_files.config_checks())
        return show(config, known.model, known.again, console)
    except (ConfigError, EngineError) as error:
        print(error, file=sys.stderr)
        return 1


def show(config: Config, name: str, again: bool, console: Console) -> int:
    """Probe the model and print what its server does; return 1 if a study cannot be asked."""
    spec = config["models"].get(name)
    served = registry.served(config["models"], config["models"])
    if spec is None or name not in served:
        names = ", ".join(served) or 'none; give a config file: ARGS="--configfile my.yaml"'
        raise ConfigError(f"MODEL={name}: expected a model with engine openai, found {names}")
    found = probe.ask(name, kinds.serving_alone(config, name), again)
    kept = Path(registry.probe_file(name))
    if kept.exists() and files.read_json(kept) != found:
        kept.unlink()  # the next run writes the new one
    table = Table("", "", "seen", title=f"{name}, dialect {found['dialect']}", title_justify="left")
    for row in probe_facts.table(found["facts"]):
        table.add_row(row["title"], row["answer"], row["seen"])
    console.print(table, markup=False)
    cost = found["cost"]
    console.print(
        f"{cost['requests']} requests, {cost['prompt_tokens']} prompt tokens and "
        f"{cost['completion_tokens']} reply tokens; the replies are kept in work/probe/.\n"
    )
    refused = False
    for study in registry.studies_with(config, name):
        why = next(lacks(config, study, name, found["facts"]), None)
        refused |= why is not None
        console.print(f"{study}: {why or 'can be asked'}", markup=False)
    return int(refused)


def lacks(config: Config, study: str, name: str, facts: probe_needs.Facts) -> Iterator[str]:
    """Why requests of a study cannot be answered, one line per form of request."""
    spec = kinds.serving(config, study, name)
    for part in workload.parts_of(config, study, name):
        for request in part.forms:
            why = openai_payload.refusal(spec, request)
            why = why or probe_needs.lacking(name, facts, request)
            if why:
                yield f"request {request['item']!r}: {why}"


if __name__ == "__main__":
    terminal_text.tolerate()
    sys.exit(main())
