"""Asynchrony certificate: the level that a message-passing module keeps, with counterexamples.

The level holds for the cases that `certificate_search.py` enumerates, and nothing is certified
beyond them. The report states them, and traces the smallest counterexample to each freedom.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workflow_scripts.cocycles import certificate_report, certificate_subjects
from workflow_scripts.cocycles.certificate_search import Outcomes, certify, domain, level
from workflow_scripts.shared import files, job, progress, tables
from workflow_scripts.shared.scores import Row, exact


def rows(name: str, found: dict[str, Outcomes], expected: Sequence[int] | None) -> list[Row]:
    """Score rows of one module; `expected` are its known levels, by arithmetic."""
    result: list[Row] = []
    for at, (arithmetic, outcomes) in enumerate(found.items()):
        place: Row = {"layer": name, "variant": arithmetic, "units": "cases"}
        cases = sum(each.cases for each in outcomes.values())
        result.append(exact("certificate", "level", level(outcomes), cases, **place))
        if expected is not None:
            result.append(exact("certificate", "known_level", expected[at], 1, **place))
        for freedom, outcome in outcomes.items():
            here = place | {"kind": freedom}
            n = outcome.cases
            if outcome.undefined:
                result.append(exact("certificate", "undefined", 1, 1, **here))
                continue
            result.append(exact("certificate", "broken", not outcome.kept, n, **here))
            if found_here := outcome.counterexample:
                size = dict(
                    zip(("nodes", "edges", "batches"), found_here.schedule.size, strict=True)
                )
                for metric, value in (size | {"gap": found_here.gap}).items():
                    metric = f"counterexample_{metric}"
                    result.append(exact("certificate", metric, value, n, **here))
    return result


def main(
    sources: list[str],
    weights: list[str],
    table: str,
    report: str,
    modules: dict[str, dict[str, Any]],
    settings: dict[str, Any],
    seed: int,
    provenance: dict[str, Any],
) -> None:
    """Certify the `modules` by name; write score rows to `table`, traces to `report`.

    `sources` are their Python files, in their order; `weights` those of the modules that name some.
    """
    found: list[Row] = []
    pages = []
    rest = iter(weights)
    for (name, entry), path in zip(
        progress.track(modules.items(), description="modules"), sources, strict=True
    ):
        own = next(rest) if entry.get("weights") else None
        module = certificate_subjects.load(name, entry, path, seed, own)
        where = domain(certificate_subjects.width(name, module), settings, seed)
        outcomes = certify(name, module, where)
        known = certificate_subjects.known(path, entry["class"])
        found += rows(name, outcomes, known if where.shows_known_levels else None)
        pages.append(certificate_report.page(name, module, where, outcomes))
    tables.write(pd.DataFrame(found), table, provenance=provenance)
    files.write_text(report, certificate_report.whole(pages))


if __name__ == "__main__":
    job.run(snakemake, main)
