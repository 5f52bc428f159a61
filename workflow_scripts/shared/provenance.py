"""Where a file comes from: settings, seed, code and versions, kept inside the file itself."""

import platform
import sys
from functools import cache
from importlib import metadata
from typing import Any

from workflow_scripts.shared import repository
from workflow_scripts.shared.fingerprint import ROOT

LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy", "torch", "transformers", "snakemake")


def of(snakemake: Any) -> dict[str, Any]:
    """Provenance of a running job: rule, wildcards, settings, code, commit, versions."""
    settings = dict(snakemake.params.items())
    return {
        "rule": snakemake.rule,
        "wildcards": dict(snakemake.wildcards.items()),
        "code": settings.pop("code", None),
        "settings": settings,
        "seed": snakemake.config["seed"],
        "commit": commit(),
        "versions": versions(),
    }


@cache
def commit() -> str:
    """The git commit of the code, with `-dirty` when the tree differs from it, or `unknown`."""
    return repository.commit(ROOT, dirty=True)


@cache
def versions() -> dict[str, str]:
    """Python, platform and the versions of the libraries that affect results."""
    found = {"python": platform.python_version(), "machine": f"{sys.platform}-{platform.machine()}"}
    for library in LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found
