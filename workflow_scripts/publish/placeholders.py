"""What stands in an archive for files that are not packed: models and inputs from elsewhere."""

import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from workflow_scripts.models.registry import checkpoint, converted
from workflow_scripts.publish import jobs, machine, packing
from workflow_scripts.publish.packing import ELSEWHERE, INPUTS, PLACEHOLDER, Member
from workflow_scripts.shared import sources


def outside(config: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each model whose folder or GGUF file lies outside the project: name, path, placeholder."""
    for name, spec in config["models"].items():
        if path := sources.local_path(spec):
            suffix = ".gguf" if sources.is_gguf(spec) else ""
            yield name, path.rstrip("/"), f"{ELSEWHERE}/{name}{suffix}"


def places(config: dict[str, Any]) -> dict[str, str]:
    """The placeholder of each path in `outside`; models of one folder share the last one's."""
    return {path: placeholder for _, path, placeholder in outside(config)}


def elsewhere(
    config: dict[str, Any], models: dict[str, dict[str, Any]], folder: Path
) -> dict[str, Member]:
    """Placeholders for the models whose weights are not in the archive, with their hashes.

    Rules and kinds of models look at a model's file and chat template; a placeholder has both, so
    that nothing re-runs for want of the model. `folder` is the run's.
    """
    from workflow_scripts.inference.kinds import GGUF_STRING, GGUF_TEMPLATE, template

    members = {}
    made = converted(config["models"])
    for name, _, placeholder in outside(config):
        text = (template(config, name) or "").encode()
        if name in made:
            head = GGUF_TEMPLATE + struct.pack("<IQ", GGUF_STRING, len(text))
            about = b"A placeholder of a GGUF file that is not in this archive.\n"
            members[placeholder] = Member(about + (head + text if text else b""))
        else:
            members[f"{placeholder}/weights.json"] = packing.json_member(
                models[name]["weights_sha256"]
            )
            if text:
                members[f"{placeholder}/chat_template.jinja"] = Member(text)
    for name in made:
        place = folder / checkpoint(config["models"], name)
        about_file = place / "provenance.json"
        known = json.loads(about_file.read_text()) if about_file.is_file() else None
        notes = {
            "made_by": "rule models_convert",
            "weights_sha256": models[name]["weights_sha256"],
            "provenance": known,
        }
        members[f"{ELSEWHERE}/{name}/weights.json"] = packing.json_member(notes)
    return members


def outside_inputs(
    ran: Iterable[jobs.Job], folder: Path, root: Path, known: Mapping[str, str]
) -> dict[str, str]:
    """The placeholder of each file outside run and project that a job read, but those `known`."""
    read = {os.path.normpath(folder / path) for each in ran for path in each.inputs}
    outside = sorted(
        path
        for path in read - known.keys()
        if not any(Path(path).is_relative_to(base) for base in (folder, root))
    )
    places: dict[Path, str] = {}
    for parent in sorted({Path(path).parent for path in outside}):
        name, number = f"{INPUTS}/{parent.name or 'root'}", 2
        while name in places.values():
            name, number = f"{INPUTS}/{parent.name}-{number}", number + 1
        places[parent] = name
    return {path: f"{places[Path(path).parent]}/{Path(path).name}" for path in outside}


def of_input(path: Path) -> Member:
    """What stands for an input that is not in the archive: its size and hash."""
    if not path.exists():
        return packing.json_member({"placeholder": f"{PLACEHOLDER} and is gone"})
    hashes = {
        each.relative_to(path).as_posix(): machine.sha256(each) for each in jobs.files_of(path)
    }
    size = sum(each.stat().st_size for each in jobs.files_of(path))
    digest = hashes.get(".", hashes)
    return packing.json_member({"placeholder": PLACEHOLDER, "bytes": size, "sha256": digest})


def not_code(
    ran: Iterable[jobs.Job], known: Iterable[str], bases: Iterable[Path]
) -> dict[str, Member]:
    """What stands for inputs within run or project that are neither results nor code.

    Such as a question file at the project's top that git does not track, or a link to outside.
    """
    names = set(known)
    folders = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    read = {path.rstrip("/") for each in ran for path in each.inputs} - names - folders
    places = {name: [base / name for base in bases if (base / name).exists()] for name in read}
    return {name: of_input(found[0]) for name, found in sorted(places.items()) if found}


def folders(config: Any, inputs: Mapping[str, str]) -> dict[str, str]:
    """The placeholder of each folder of `inputs` that a setting names."""
    match config:
        case dict():
            nested: Iterable[Any] = config.values()
        case list():
            nested = config
        case str() if os.path.isabs(config):
            whole = os.path.normpath(config)
            found = [name for path, name in inputs.items() if os.path.dirname(path) == whole]
            return {config: os.path.dirname(found[0])} if found else {}
        case _:
            return {}
    return {path: name for each in nested for path, name in folders(each, inputs).items()}
