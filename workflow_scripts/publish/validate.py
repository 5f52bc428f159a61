"""Validate a crate against its profile with the public RO-Crate validator, offline."""

import contextlib
import io
import tempfile
from pathlib import Path

from workflow_scripts.shared.fingerprint import ROOT

PROFILE = "provenance-run-crate"  # with the workflow, process and basic profiles
# The validator resolves this address; RO-Crate publishes the file under CC0.
CONTEXT_URL = "https://w3id.org/ro/crate/1.1/context"
CONTEXT = ROOT / "resources" / "ro-crate" / "context-1.1.jsonld"


def problems(folder: str | Path, recommended: bool = False) -> list[str]:
    """What the profile requires (or recommends) and the unpacked crate lacks, one line each."""
    from rocrate_validator import models, services

    severity = models.Severity.RECOMMENDED if recommended else models.Severity.REQUIRED
    with tempfile.TemporaryDirectory() as cache, contextlib.redirect_stdout(io.StringIO()):
        _remember_context(Path(cache) / "http")
        settings = services.ValidationSettings(
            rocrate_uri=str(folder),
            profile_identifier=PROFILE,
            requirement_severity=severity,
            offline=True,
            cache_path=Path(cache) / "http",
        )
        result = services.validate(settings)
    return sorted(
        f"{issue.violatingEntity or 'crate'}: {issue.message} ({issue.check.identifier})"
        for issue in result.get_issues(severity)
    )


def _remember_context(cache: Path) -> None:
    """Put the context into the validator's HTTP cache, as if it had been fetched."""
    from requests.structures import CaseInsensitiveDict
    from requests_cache import CachedRequest, CachedResponse, CachedSession

    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        response = CachedResponse(
            status_code=200,
            url=CONTEXT_URL,
            headers=CaseInsensitiveDict({"Content-Type": "application/ld+json"}),
            request=CachedRequest(method="GET", url=CONTEXT_URL),
        )
        response._content = CONTEXT.read_bytes()
        session.cache.save_response(response)
