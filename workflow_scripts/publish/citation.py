"""What `CITATION.cff` says of the project, in every form that its format allows.

https://github.com/citation-file-format/citation-file-format, version 1.2.0
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from workflow_scripts.publish.packing import ArchiveError

ARXIV = re.compile(r"arxiv:\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Author:
    """A person or an organization. `orcid` and `affiliation` are "" where they are not stated."""

    name: str  # given names first
    sorted_name: str  # family names first, as in a bibliography
    person: bool
    orcid: str = ""
    affiliation: str = ""


def read(data: bytes | None) -> dict[str, Any]:
    """The content of the file (None if there is none).

    Raises `ArchiveError` if it has no title or no author.
    """
    try:
        found = yaml.safe_load(data or b"")
    except yaml.YAMLError as error:
        raise ArchiveError(f"CITATION.cff: expected YAML: {' '.join(str(error).split())}") from None
    lacking = [
        key for key in ("title", "authors") if not isinstance(found, dict) or not found.get(key)
    ]
    if lacking:
        raise ArchiveError(
            f"CITATION.cff: expected title and authors, lacking: {', '.join(lacking)}"
        )
    return found


def authors(citation: Mapping[str, Any]) -> list[Author]:
    """The authors, in order."""
    return [_author(entry) for entry in citation["authors"]]


def _author(entry: Mapping[str, Any]) -> Author:
    orcid = str(entry.get("orcid", "")).rstrip("/").rpartition("/")[2]
    if "name" in entry:  # an organization
        return Author(str(entry["name"]), str(entry["name"]), False, orcid)
    family = " ".join(filter(None, (entry.get("name-particle"), entry.get("family-names"))))
    suffix = entry.get("name-suffix")
    given = entry.get("given-names")
    name = " ".join(filter(None, (given, family, suffix))) or str(entry.get("alias", "unknown"))
    sorted_name = ", ".join(filter(None, (family, given, suffix))) or name
    return Author(name, sorted_name, True, orcid, str(entry.get("affiliation", "")))


def licenses(citation: Mapping[str, Any]) -> list[str]:
    """SPDX names of the licences; the file states one, several (any of which applies), or none."""
    stated = citation.get("license") or []
    return [stated] if isinstance(stated, str) else list(stated)


def papers(citation: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Identifier and scheme (arxiv, doi or url) of each reference that has one."""
    found = []
    for reference in citation.get("references") or []:
        entries = list(reference.get("identifiers") or [])
        entries += [
            {"type": key, "value": reference[key]} for key in ("doi", "url") if key in reference
        ]
        for entry in entries:
            kind, value = entry["type"], str(entry["value"])
            if kind == "other" and ARXIV.match(value):
                found.append((f"arXiv:{ARXIV.sub('', value)}", "arxiv"))
            elif kind in ("doi", "url"):
                found.append((value, kind))
    return list(dict.fromkeys(found))
