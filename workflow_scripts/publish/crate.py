"""The machine-readable description of an archive: a Provenance Run Crate, profile 0.5.

https://www.researchobject.org/workflow-run-crate/profiles/0.5/provenance_run_crate/
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from workflow_scripts.publish.citation import Author
from workflow_scripts.publish.jobs import Job
from workflow_scripts.publish.packing import Member
from workflow_scripts.shared.snakemake_internals import RECORDS

METADATA = "ro-crate-metadata.json"
VERSION = "1.1"  # of RO-Crate, on which the profiles of version 0.5 build
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
TERMS = {
    "sha256": "https://w3id.org/ro/terms/workflow-run#sha256",
    "resourceUsage": "https://w3id.org/ro/terms/workflow-run#resourceUsage",
}
# What is measured of a job (wall time by Snakemake, the rest by the kernel), with units in QUDT.
USAGE = {
    "wall_s": ("wall time", "https://qudt.org/vocab/unit/SEC"),
    "cpu_s": ("CPU time", "https://qudt.org/vocab/unit/SEC"),
    "max_rss_mb": ("peak resident memory", "https://qudt.org/vocab/unit/MebiBYTE"),
}
BENCHMARK = (
    "https://snakemake.readthedocs.io/en/v9.27.1/tutorial/additional_features.html#benchmarking"
)
FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".json": "application/json",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".html": "text/html",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
    ".py": "text/x-python",
    ".log": "text/plain",
    ".txt": "text/plain",
    ".diff": "text/x-diff",
    ".safetensors": "application/octet-stream",
}


def describe(
    members: Mapping[str, Member],
    jobs: list[Job],
    about: dict[str, Any],
) -> bytes:
    """The crate's metadata file.

    `members` are the archive's files; `jobs` are the jobs that ran, with paths as in the archive
    (folders end in a slash); `about` has `name`, `description`, `licenses`, `license_url`,
    `published`, `authors`, `version`, `engine_version` and `outputs` (path of each main result ->
    what it is).
    """
    from rocrate.model import ComputerLanguage, ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version=VERSION)
    crate.metadata.extra_terms.update(TERMS)
    root = crate.root_dataset
    crate.name, crate.description = about["name"], about["description"]
    crate.datePublished = about["published"]

    def entity(identifier: str, kind: str | list[str], **properties: Any) -> Any:
        return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))

    licenses = [
        entity(f"https://spdx.org/licenses/{name}", "CreativeWork", name=name)
        for name in about["licenses"]
    ]
    if not licenses:  # one without a name in SPDX: its address, or the project's file
        place = about["license_url"] or "#license"
        licenses = [entity(place, "CreativeWork", name="licence of the project")]
    root["license"] = licenses
    people = [_author(entity, number, each) for number, each in enumerate(about["authors"], 1)]
    root["author"] = people
    root["publisher"] = people[0]
    root["conformsTo"] = [
        entity(url, "CreativeWork", name=name, version=url.rsplit("/", 1)[1])
        for url, name in PROFILES.items()
    ]

    known: dict[str, Any] = {}
    tools = sorted({job.script for job in jobs if job.script})
    for path, member in sorted(members.items()):
        properties: dict[str, Any] = {
            "contentSize": str(member.size),
            "encodingFormat": FORMATS.get(_suffix(path), "text/plain"),
            "sha256": member.digest,
        }
        if path in tools:
            properties |= {"@type": ["File", "SoftwareSourceCode"], "name": path}
            properties |= {"version": about["version"]}
        if path == "README.md":
            properties |= {"about": root}
        if path != "Snakefile" and not path.startswith(f"{RECORDS}/"):
            known[path] = crate.add_file(dest_path=path, properties=properties)
    crate.add_dataset(
        dest_path=f"{RECORDS}/", properties={"name": "Snakemake's record of every result"}
    )
    for path in sorted({path for job in jobs for path in job.outputs if path.endswith("/")}):
        known[path] = crate.add_dataset(dest_path=path, properties={"name": path})
    snakemake = crate.add(
        ComputerLanguage(
            crate,
            "https://w3id.org/workflowhub/workflow-ro-crate#snakemake",
            properties={
                "name": "Snakemake",
                "version": about["engine_version"],
                "url": {"@id": "https://snakemake.github.io"},
            },
        )
    )
    workflow = crate.add_workflow(
        dest_path="Snakefile",
        main=True,
        lang=snakemake,
        properties={
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "Faultlines",
            "version": about["version"],
            "license": licenses,
            "encodingFormat": "text/plain",
            "conformsTo": {"@id": BIOSCHEMAS},
        },
    )
    known["Snakefile"] = workflow

    def files(paths: list[str]) -> list[Any]:
        return [found for path in paths if (found := known.get(path)) is not None]

    actions = [_job_action(entity, job, known, files) for job in jobs]
    rules = list(dict.fromkeys((job.rule, job.script) for job in jobs))
    steps = {
        rule: entity(
            f"#rule/{rule}",
            "HowToStep",
            name=rule,
            position=str(position),
            workExample=known[script or "Snakefile"],
        )
        for position, (rule, script) in enumerate(rules, 1)
    }
    workflow["step"] = list(steps.values())
    if tools:
        workflow["hasPart"] = [known[script] for script in tools]

    made = {path for job in jobs for path in job.outputs}
    given = sorted({path for job in jobs for path in job.inputs} - made)
    parameters = {"run/config.json": "the run's whole configuration", **about["outputs"]}
    for path, text in parameters.items():
        slot = crate.add_formal_parameter(
            text, "File", identifier=f"#parameter/{path}", valueRequired=True
        )
        slot["workExample"] = known[path]
        known[path]["exampleOfWork"] = slot
        workflow.append_to("output" if path in about["outputs"] else "input", slot)
    start, end = min(job.start_s for job in jobs), max(job.end_s for job in jobs)
    run = entity(
        "#run",
        "CreateAction",
        name="The run of the workflow",
        description=f"{len(jobs)} jobs of {len(steps)} rules, from requests to report.",
        instrument=workflow,
        object=[known["run/config.json"], *files(given)],
        result=files(list(about["outputs"])),
        startTime=moment(start),
        endTime=moment(end),
        agent=people[0],
    )
    engine = entity(
        "https://snakemake.github.io",
        "SoftwareApplication",
        name="Snakemake",
        softwareVersion=about["engine_version"],
        url={"@id": "https://snakemake.github.io"},
    )
    controls = [
        entity(
            f"#control/{job.name}",
            "ControlAction",
            name=f"Snakemake runs {job.name}",
            instrument=steps[job.rule],
            object=action,
        )
        for job, action in zip(jobs, actions, strict=True)
    ]
    entity(
        "#engine-run",
        "OrganizeAction",
        name="The run of Snakemake",
        instrument=engine,
        object=controls,
        result=run,
        startTime=moment(start),
        endTime=moment(end),
    )
    root["mentions"] = [run, *actions]
    for action in actions:
        action["agent"] = people[0]
    content = crate.metadata.generate()
    for item in content["@graph"]:
        for key, value in item.items():
            if isinstance(value, list) and len(value) == 1:
                item[key] = value[0]  # as the JSON-LD of RO-Crate 1.1 recommends
    content["@graph"].sort(key=lambda item: item["@id"])
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _author(entity: Any, number: int, author: Author) -> Any:
    more = {"affiliation": author.affiliation} if author.affiliation else {}
    return entity(
        f"https://orcid.org/{author.orcid}" if author.orcid else f"#author/{number}",
        "Person" if author.person else "Organization",
        name=author.name,
        **more,
    )


def _job_action(entity: Any, job: Job, known: Mapping[str, Any], files: Any) -> Any:
    usage = [
        entity(
            f"#usage/{job.name}/{name}",
            "PropertyValue",
            name=USAGE[name][0],
            propertyID=f"{BENCHMARK}-{name}",
            unitCode=USAGE[name][1],
            value=str(value),
        )
        for name, value in job.usage.items()
    ]
    properties = {"object": files(job.inputs)} if files(job.inputs) else {}
    if usage:
        properties["resourceUsage"] = usage
    return entity(
        f"#job/{job.name}",
        "CreateAction",
        name=job.name,
        description=f"One job of rule {job.rule}; its log is {job.log}.",
        instrument=known[job.script or "Snakefile"],
        result=files(job.outputs),
        startTime=moment(job.start_s),
        endTime=moment(job.end_s),
        **properties,
    )


def moment(time_s: float) -> str:
    """Seconds since 1970 as ISO 8601, in UTC, to the second."""
    return datetime.fromtimestamp(int(time_s), UTC).isoformat()


def _suffix(path: str) -> str:
    return "." + path.rsplit("/", 1)[-1].rpartition(".")[2]
