"""What a run would need, per rule: jobs, hours, memory, disk; prompts and tokens; what it decides.

    python -m workflow_scripts.publish.cost --configfile presets/paper.yaml

Takes Snakemake's arguments and plans with them; nothing is submitted. Expected hours of a job come
from its own benchmark in this folder at the same scale, else from a reference run and the config
(`pricing.py`), else from the mean of its rule. A job of a model takes only those of the same model,
and for a model that is not trained here only at the same scale, else the model's measured speed
(`make try MODEL=...`), else its size and the most tokens. The hours "at most" are the sum of the
time limits of all jobs at their first attempt. The peak memory is the highest of the rule's jobs in
this folder, else expected.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from workflow_scripts.models import lock
from workflow_scripts.publish import decidable, pricing, spent, workloads
from workflow_scripts.publish.pricing import Config, Price
from workflow_scripts.publish.spent import BENCHMARKS
from workflow_scripts.publish.workloads import Asked
from workflow_scripts.shared import config as config_files
from workflow_scripts.shared import devices, terminal_text, workload
from workflow_scripts.shared.fingerprint import ROOT
from workflow_scripts.shared.job import measured
from workflow_scripts.shared.snakemake_internals import PlanError, blocks, dry_run

PROFILE = "profiles/slurm"
LOGS = Path("logs")
SCORECARD = Path("results/scorecard.parquet")
COLUMNS = ("cpu_h", "gpu_h", "most_cpu_h", "most_gpu_h")
UNKNOWN = Price(float("nan"), float("nan"), float("nan"))


class Job(NamedTuple):
    """A planned job.

    `limit_h` is its time limit in hours; `group` the group that it is submitted with, if any, and
    its number, since one group may be submitted in several parts; `study` and `model` are wildcards
    of its rule, "" without; `name` is its log below `logs/<rule>/`, without the ending;
    `memory_gb` is what it asks for.
    """

    rule: str
    group: tuple[str, int] | None
    benchmark: str | None
    threads: int
    gpus: int
    limit_h: float
    study: str = ""
    model: str = ""
    name: str = ""
    memory_gb: float = 0.0
    wildcards: Mapping[str, str] = {}


def plan(arguments: Sequence[str]) -> str:
    """What a dry-run with `arguments` prints, by default with the Slurm profile.

    Raises `PlanError`.
    """
    given = ["--nolock", "--snakefile", str(ROOT / "Snakefile"), *arguments]
    if not any(a.startswith(("--workflow-profile", "--profile")) for a in arguments):
        given += ["--workflow-profile", str(ROOT / PROFILE)]
    return dry_run(given)


def jobs_of(text: str) -> list[Job]:
    """The jobs in the text of a dry-run that run on the cluster: no targets, no local rules."""
    return [_job(rule, group, fields) for rule, local, group, fields in blocks(text) if not local]


def _job(rule: str, group: tuple[str, int] | None, block: dict[str, str]) -> Job:
    resources = dict(re.findall(r"(\w+)=([^,]+)", block.get("resources", "")))
    wildcards = dict(re.findall(r"(\w+)=([^,\s]+)", block.get("wildcards", "")))
    return Job(
        rule=rule,
        group=group,
        benchmark=block.get("benchmark"),
        threads=int(block.get("threads", 1)),
        gpus=devices.asked(resources),
        limit_h=int(resources.get("runtime", 0)) / 60,
        study=wildcards.get("study", ""),
        model=wildcards.get("model", ""),
        name=block.get("log", "").removeprefix(f"logs/{rule}/").removesuffix(".log"),
        memory_gb=int(resources.get("mem_mb", 0)) / 1000,
        wildcards=wildcards,
    )


def measured_h(folder: Path = BENCHMARKS) -> dict[str, float]:
    """Hours that each job took in its last run, by the path of its benchmark file."""
    hours = {}
    for path in sorted(folder.rglob("*.tsv")):
        if (seconds := spent.job_s(path)) is not None:
            hours[str(path)] = seconds / 3600
    return hours


def peak_gb(folder: Path = LOGS) -> dict[str, float]:
    """The highest peak memory of the jobs of each rule, in GB (2^30 bytes), from their logs."""
    peaks: dict[str, float] = {}
    for path in sorted(folder.rglob("*.log")):
        if found := measured(path):
            rule = path.relative_to(folder).parts[0]
            peaks[rule] = max(peaks.get(rule, 0.0), found["max_rss_mb"] / 2**10)
    return peaks


def prices(jobs: Iterable[Job], config: Config, asked: Sequence[Asked]) -> list[Price | None]:
    """What each job costs before anything ran; None where nothing is known of it."""
    base, parts = config_files.merged([]), pricing.of_models(config, asked)
    brought = {entry.model for entry in asked}
    found: list[Price | None] = []
    for job in jobs:
        if job.rule in pricing.PRETRAINED:
            found.append(pricing.of_pretrained(job.rule, job.wildcards, job.gpus, config))
        elif job.model in brought:
            known = parts.get((job.rule, job.study, job.model))
            spec = config["models"][job.model]
            dtype = spec.get("dtype", "float32")
            found.append(pricing.of_model(*known, dtype, job.gpus) if known else None)
        else:
            found.append(pricing.price(job.rule, job.name, job.wildcards, job.gpus, config, base))
    return found


def estimate(
    jobs: Iterable[Job],
    hours: dict[str, float],
    asked: Sequence[Asked] = (),
    same_scale: bool = True,
    priced: Sequence[Price | None] = (),
) -> pd.DataFrame:
    """One row per rule, the largest limits first.

    `asked` are the models that are not trained here; their benchmarks in `hours` count only at the
    `same_scale`. `priced`, if given, has the price of each job (`prices`). Columns: rule, jobs,
    measured (jobs with a benchmark of their own), unknown (jobs without an estimate), over (jobs
    expected to take longer than their limit), longest_h and its limit_h (of the job that exceeds
    its limit by the largest factor; missing if `over` is 0), cpu_h and gpu_h (expected hours;
    missing if no job of the rule has an estimate), most_cpu_h, most_gpu_h (sums of limits),
    memory_gb (the most of one job), disk_gb.
    """
    table = pd.DataFrame([job._asdict() for job in jobs])
    if table.empty:
        raise PlanError("nothing to be done")
    brought = {entry.model for entry in asked}
    usable = same_scale | ~table["model"].isin(brought)
    own = table["benchmark"].map(hours).where(usable)
    known = pd.Series(hours, dtype=float)
    rule_of = pd.Series([Path(path).relative_to(BENCHMARKS).parts[0] for path in hours], dtype=str)
    means = known.groupby(rule_of.to_numpy()).mean()
    # A rule's mean says nothing about a job of another model.
    of_rule = table["rule"].map(means).where(table["model"] == "")
    speeds = speed_h(asked)
    places = zip(table["rule"], table["study"], table["model"], strict=True)
    of_speed = pd.Series([speeds.get(place) for place in places], index=table.index, dtype=float)
    table["measured"] = own.notna()
    known_prices = [each or UNKNOWN for each in priced or [None] * len(table)]
    of_price = pd.Series([each.hours for each in known_prices], index=table.index, dtype=float)
    peaks = pd.Series([each.memory_gb for each in known_prices], index=table.index, dtype=float)
    table["memory_gb"] = peaks.fillna(table["memory_gb"])
    table["disk_gb"] = [each.disk_gb for each in known_prices]
    measured_here = own.fillna(of_rule).fillna(of_speed)
    # At another scale a job takes another time, so its price is nearer.
    own_scale = own.fillna(of_speed).fillna(of_price).fillna(of_rule)
    other_scale = of_speed.fillna(of_price).fillna(measured_here)
    expected = own_scale if same_scale else other_scale
    table["unknown"] = expected.isna()
    for name, time_h in (("", expected), ("most_", table["limit_h"])):
        table[f"{name}cpu_h"] = time_h * table["threads"]
        table[f"{name}gpu_h"] = time_h * table["gpus"]
    table["over"] = expected > table["limit_h"]
    groups = table.groupby("rule", sort=False)
    sums = groups[["measured", "unknown", "over", "most_cpu_h", "most_gpu_h"]].sum()
    expected_sums = groups[["cpu_h", "gpu_h", "disk_gb"]].sum(min_count=1)
    memory = groups["memory_gb"].max()
    count = groups.size().rename("jobs")
    beyond = table.assign(longest_h=expected, times=expected / table["limit_h"])[table["over"]]
    longest = beyond.sort_values("times").groupby("rule")[["longest_h", "limit_h"]].last()
    parts: list[Any] = [count, sums, longest, expected_sums, memory]
    rows = pd.concat(parts, axis=1).reset_index()
    return rows.sort_values(["most_gpu_h", "most_cpu_h"], ascending=False, ignore_index=True)


def speed_h(asked: Iterable[Asked]) -> dict[tuple[str, str, str], float]:
    """Expected hours of the jobs that ask a measured model, by rule, study and model.

    The study is "" where the rule belongs to one study and has no such wildcard.
    """
    found = {}
    for entry in asked:
        for part in entry.parts if entry.speed else ():
            minutes = workload.minutes(entry.study, part, entry.speed).mean  # type: ignore[arg-type]
            study = "" if part.rule.startswith(entry.study) else entry.study
            found[part.rule, study, entry.model] = minutes / 60
    return found


def submissions(jobs: Iterable[Job]) -> tuple[int, dict[str, list[str]]]:
    """Number of sbatch calls if nothing fails, and the rules of the jobs that share a call."""
    single, shared = 0, defaultdict(list)
    for job in jobs:
        if job.group is None:
            single += 1
        else:
            shared[job.group].append(job.rule)
    return single + len(shared), {name: rules for (name, _), rules in shared.items()}


def show(
    jobs: list[Job],
    hours: dict[str, float],
    planned: str,
    console: Console,
    asked: Sequence[Asked] = (),
    priced: Sequence[Price | None] = (),
    models: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Print the tables.

    `planned` is the scale of the plan, `asked` the models not trained here, `models` the entries of
    those of them that are on the hub.
    """
    measured_at, peaks = _scale(), peak_gb()
    rows = estimate(jobs, hours, asked, measured_at == planned, priced)
    table = Table(box=box.SIMPLE_HEAD, header_style="")
    for name in (
        "rule",
        "jobs",
        "CPU-h",
        "GPU-h",
        "at most\nCPU-h",
        "at most\nGPU-h",
        "measured",
        "peak\nGB",
        "disk\nGB",
    ):
        table.add_column(name, justify="left" if name == "rule" else "right", no_wrap=True)
    for row in rows.to_dict("records"):
        hours_of_rule = [_hours(row[column]) for column in COLUMNS]
        if row["unknown"] < row["jobs"] and row["unknown"]:
            hours_of_rule[:2] = [f"{text} + ?" for text in hours_of_rule[:2]]
        share = f"{row['measured']} of {row['jobs']}"
        peak = peaks.get(row["rule"], row["memory_gb"])
        sizes = ("?" if pd.isna(size) else f"{size:.1f}" for size in (peak, row["disk_gb"]))
        table.add_row(row["rule"], str(row["jobs"]), *hours_of_rule, share, *sizes)
    table.add_section()
    unknown = rows["unknown"].sum()
    sums = [_hours(rows[column].sum()) for column in COLUMNS]
    if unknown:
        sums[:2] = [f"{text} + ?" for text in sums[:2]]
    table.add_row(
        "in all",
        str(rows["jobs"].sum()),
        *sums,
        f"{rows['measured'].sum()} of {rows['jobs'].sum()}",
        "",
        f"{rows['disk_gb'].sum():.1f}",
    )
    console.print(table)
    count, grouped = submissions(jobs)
    console.print(f"{count} submissions" + ("; each of these groups is one:" if grouped else "."))
    for rules in grouped.values():
        console.print(f"  {', '.join(sorted(set(rules)))} ({len(rules)} jobs)")
    if size_gb := sum(pricing.download_gb(spec) for spec in models):
        console.print(f"Models from the hub: about {size_gb:.0f} GB to download.")
    if unknown:
        console.print(f"? : {unknown} jobs without a measurement that applies; not in the sum.")
    _show_over(rows[rows["over"] > 0], console)
    if hours:
        console.print(f"Benchmarks of scale {measured_at}; this plan: scale {planned}.")
        if measured_at != planned:
            console.print(
                "Warning: the hours are those of another scale than this plan, and may be off by "
                "orders of magnitude."
            )
    workloads.show(asked, console)


def _show_over(rows: pd.DataFrame, console: Console) -> None:
    """Print the rules with jobs that are expected to reach their time limit."""
    if rows.empty:
        return
    console.print(
        "Jobs expected to take longer than they ask for. Slurm stops them at the limit. They are "
        "submitted again with twice the time; what continues there, docs/cluster.md says. Ask for "
        "more with --set-resources RULE:runtime=MINUTES or a runtime_min of the config."
    )
    for row in rows.to_dict("records"):
        console.print(
            f"  {row['rule']}: {row['over']} of {row['jobs']} jobs; the longest is expected to "
            f"take {row['longest_h']:.3g} h and asks for {row['limit_h']:.3g} h"
        )


def _hours(value: float) -> str:
    if pd.isna(value):
        return "?"
    return "0" if value == 0 else f"{value:.2f}" if value >= 0.01 else "<0.01"


def _scale() -> str:
    """The scale of the last whole run in this folder."""
    if not SCORECARD.exists():
        return "unknown (no run in this folder has a scorecard)"
    return ", ".join(sorted(set(pd.read_parquet(SCORECARD, columns=["scale"])["scale"])))


def planned_config(arguments: Sequence[str]) -> dict[str, Any]:
    """config.yaml changed by the config files among the arguments. Raises `ConfigError`."""
    paths = (Path(each) for each in arguments if each.endswith((".yaml", ".yml")))
    return config_files.merged(path for path in paths if path.is_file())


def what_it_decides(arguments: Sequence[str], folder: Path) -> Path:
    """The list of the claims that a run with Snakemake's `arguments` can decide, made in `folder`.

    Raises `PlanError`.
    """
    first = next((i for i, each in enumerate(arguments) if each.startswith("-")), len(arguments))
    options = [str(Path(each).resolve()) if Path(each).is_file() else each for each in arguments]
    command = [sys.executable, "-m", "snakemake", "publish_decidable", *options[first:]]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", "1", "--quiet", "all", "--workflow-profile", "none"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PlanError((done.stdout + done.stderr).strip())
    return folder / "results/decidable.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what a run with Snakemake's `arguments` would need; return 1 if planning fails."""
    parser = argparse.ArgumentParser(
        description="Estimate jobs and hours per rule, and prompts and tokens per study and model.",
        usage="%(prog)s [targets] [--configfile my.yaml | any other argument of snakemake]",
        allow_abbrev=False,
    )
    given = parser.parse_known_args(arguments)[1]
    console = Console(width=120, highlight=False)
    try:
        jobs, config = jobs_of(plan(given)), planned_config(given)
        models = {job.model for job in jobs}
        asked = [entry for entry in workloads.asked(config) if entry.model in models]
        priced = prices(jobs, config, asked)
        on_hub = {name: spec for name, spec in lock.of_hub(config) if name in models}
        sources = {spec["source"]: spec for spec in on_hub.values()}
        show(jobs, measured_h(), config["scale"], console, asked, priced, sources.values())
        with tempfile.TemporaryDirectory() as scratch:
            decidable.show(what_it_decides(given, Path(scratch)), console)
    except (PlanError, config_files.ConfigError) as error:
        console.print(str(error).strip(), markup=False, highlight=False)
        return 1
    return 0


if __name__ == "__main__":
    terminal_text.tolerate()
    sys.exit(main())
