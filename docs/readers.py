"""Which rules read a setting, found by changing it.

The workflow is defined once as it is and once per changed setting. A rule reads the setting if a
job of it then has another input or param (so that it re-runs), and it reads it for its resources
alone if only those differ (so that nothing re-runs).

    readers = Readers(folder)
    readers.of({("softmax", "theory", "cases"): 201})

`of_each` finds the same for many settings with fewer definitions: one definition changes a setting
in each of several sections of the config that no rule reads together.
"""

import contextlib
import copy
import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import dpath
import snakemake.api  # before snakemake.workflow, which it imports
import snakemake.workflow
import yaml
from snakemake.common import configfile as config_loader
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import fingerprint as fingerprints
from workflow_scripts.shared import snakemake_internals, workload
from workflow_scripts.shared.fingerprint import ROOT

SNAKEFILE = ROOT / "Snakefile"
# Models of other engines, sources and kinds, so that the rules that only they need have jobs, too,
# and settings that only they read show their rules.
MORE_MODELS: dict[str, Any] = {
    "served": {
        "source": "a-model",
        "engine": "openai",
        "kind": "chat",
        "server": {"url": "http://127.0.0.1:1/v1"},
    },
    "hub": {"source": "owner/model", "revision": "0" * 40, "kind": "reasoning"},
}
EMBEDDER = {
    "source": "owner/embedder",
    "revision": "0" * 40,
    "pooling": "last",
    "max_tokens": 8192,
}
SERVED = {"stochasticity", "parallel_sequential", "change_of_mind"}  # studies that can ask a server
# These read the whole config: what the archive says about the run.
WHOLE_CONFIG = frozenset({"archive", "publish_archive"})


class Reading(NamedTuple):
    """The rules that re-run after a change, and those that only ask for other resources."""

    rules: tuple[str, ...]
    resources: tuple[str, ...]


Changes = Mapping[tuple[str, ...], Any]  # path of a setting to its new value
Job = tuple[str, tuple[tuple[str, str], ...]]  # rule, wildcards


class Readers:
    """The jobs of the default run with models of every engine, in a scratch `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        studies = yaml.safe_load((ROOT / "config.yaml").read_text())["studies"]
        queried = {
            study: [*names, "hub", *(["served"] if study in SERVED else [])]
            for study, names in studies.items()
            if study in workload.studies()
        }
        # A list of models without any is changed to one with "other" (`configuration.other`).
        self.more = {
            "models": MORE_MODELS | {"other": MORE_MODELS["hub"]},
            "studies": queried,
            "parallel_sequential": {"embedder": EMBEDDER},
            "transnar": {"pretrained": {"models": ["hub"]}},
        }
        self._parsed: dict[Any, Any] = {}
        self._read: dict[Any, Any] = {}
        self._fingerprint = functools.cache(fingerprints.fingerprint)
        self.jobs = self._planned()
        self.before = self._signatures({})

    def of(self, changes: Changes) -> Reading:
        """Who reads the settings at these paths, which get other values."""
        after = self._signatures(changes)
        changed = [
            {job[0] for job, parts in self.before.items() if parts[kind] != after[job][kind]}
            for kind in (0, 1)
        ]
        rules = changed[0] - WHOLE_CONFIG
        return Reading(tuple(sorted(rules)), tuple(sorted(changed[1] - changed[0])))

    def of_each(self, changes: Mapping[str, Changes]) -> dict[str, Reading]:
        """The same for several settings by name, each with the changes that show who reads it."""
        by_section: dict[str, list[str]] = defaultdict(list)
        for name, change in changes.items():
            by_section[next(iter(change))[0]].append(name)
        whole = {
            section: self.of({path: new for name in names for path, new in changes[name].items()})
            for section, names in by_section.items()
        }
        used = {section: {*reading.rules, *reading.resources} for section, reading in whole.items()}
        found = {}
        while any(by_section.values()):
            batch: dict[str, str] = {}  # section: setting
            for section, names in sorted(by_section.items(), key=lambda item: -len(item[1])):
                if names and not any(used[section] & used[other] for other in batch):
                    batch[section] = names.pop()
            together = self.of(
                {p: new for name in batch.values() for p, new in changes[name].items()}
            )
            for section, name in batch.items():
                found[name] = Reading(
                    *(tuple(rule for rule in rules if rule in used[section]) for rules in together)
                )
        return found

    def _planned(self) -> list[Job]:
        """Rule and wildcards of the jobs of the full run, one of those that differ in a number."""
        more = self.folder / "models.yaml"
        more.write_text(yaml.safe_dump(self.more))
        arguments = ["all", "--forceall", "--snakefile", str(SNAKEFILE), "--configfile", str(more)]
        text = snakemake_internals.dry_run(arguments, self.folder)
        found: dict[Any, Job] = {}
        for block in snakemake_internals.blocks(text):
            given = filter(None, block.fields.get("wildcards", "").split(", "))
            wildcards = tuple((name, value) for name, _, value in (w.partition("=") for w in given))
            kind = tuple(value for _, value in wildcards if not value.isdigit())
            found.setdefault((block.rule, kind), (block.rule, wildcards))
        return list(found.values())

    def _signatures(self, changes: Changes) -> dict[Job, tuple[str, str]]:
        """For each job, its inputs and params, and its resources, with some settings changed."""

        def change(config: dict[str, Any], _checks: Any) -> None:
            """In place of the check of the config: the last step before the rules read it."""
            snakemake.workflow.update_config(config, copy.deepcopy(self.more))
            for (*above, last), value in changes.items():
                section = config
                for key in above:
                    if not isinstance(section.get(key), dict):
                        section[key] = {}
                    section = section[key]
                section[last] = value

        with (
            mock.patch.object(config_files, "check", change),
            mock.patch.object(snakemake_internals, "limit_gpus"),
            self._remembering(),
        ):
            settings = OutputSettings(quiet={Quietness.ALL})
            with snakemake.api.SnakemakeApi(settings) as api:
                workflow = api.workflow(
                    resource_settings=ResourceSettings(cores=2),
                    config_settings=ConfigSettings(),
                    snakefile=SNAKEFILE,
                    workdir=self.folder,
                )._workflow
                rules = {rule.name: rule for rule in workflow.rules}
                return {job: _signature(rules.get(job[0]), dict(job[1])) for job in self.jobs}

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        """Rule files and config files are parsed once, since only the config changes."""
        parse, load, read = (
            snakemake.workflow.parse,
            config_loader._load_configfile,
            config_files.read_yaml,
        )

        def parsed(path: Any, workflow: Any, rulecount: int, linemap: dict[int, int]) -> Any:
            key = (path.get_path_or_uri(secret_free=True), rulecount)
            if key not in self._parsed:
                lines: dict[int, int] = {}
                self._parsed[key] = (
                    parse(path, workflow, rulecount=rulecount, linemap=lines),
                    lines,
                )
            result, lines = self._parsed[key]
            linemap.update(lines)
            return result

        def once(function: Any) -> Any:
            def remembered(path: Any, *arguments: Any, **more: Any) -> Any:
                key = (function, str(path))
                if key not in self._read:
                    self._read[key] = function(path, *arguments, **more)
                return copy.deepcopy(self._read[key])

            return remembered

        with (
            mock.patch.object(snakemake.workflow, "parse", parsed),
            mock.patch.object(config_loader, "_load_configfile", once(load)),
            mock.patch.object(config_files, "read_yaml", once(read)),
            mock.patch.object(fingerprints, "fingerprint", self._fingerprint),
            mock.patch.object(
                dpath, "get", _looked_up
            ),  # the original walks through the whole config
        ):
            yield


def _looked_up(within: Any, path: str) -> Any:
    """The value at a path such as `softmax/retrieval/steps`. Raises `KeyError`."""
    for key in path.split("/"):
        within = within[key]
    return within


def _signature(rule: Any, wildcards: Mapping[str, str]) -> tuple[str, str]:
    """Inputs and params of a job as text, and its resources; a job that is gone has neither."""
    if rule is None:
        return "", ""
    try:
        files, *_ = rule.expand_input(wildcards)
        output, _ = rule.expand_output(wildcards)
        params, _ = rule.expand_params(wildcards, files, output, None)
    except Exception as error:  # of any kind: the job's functions met a config without its entry
        return f"impossible: {type(error).__name__}", ""
    read = repr((list(files), sorted((key, repr(param)) for key, param in params.items())))
    resources = rule.expand_resources(wildcards, files, attempt=1)
    return read, repr(sorted((key, str(entry)) for key, entry in resources.items()))
