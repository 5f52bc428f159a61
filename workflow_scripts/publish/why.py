"""What decides a claim: the rows of scores, the figures, the lines of code, the command.

python -m workflow_scripts.publish.why glasses-G7a     # in the folder of a run
"""

import argparse
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workflow_scripts.publish import claim_view
from workflow_scripts.publish.scorecard import ClaimsError, read_claims
from workflow_scripts.shared import files, schemas, tables, terminal_text

RESULTS = Path("results")
MOST_NAMES = 5  # claims that are suggested for one that does not exist


class WhyError(ValueError):
    """A claim that the run does not have; the message names those that are near."""


def find(claim: str, results: Path = RESULTS) -> dict[str, Any]:
    """The claim `<study>-<id>` of a run, as the report shows it (`claim_view.claims`).

    Raises `WhyError` for a claim that the run does not have.
    """
    names = {path.parent.name: path for path in sorted(results.glob("*/claims.json"))}
    if not names:
        raise WhyError(
            f"{results}: expected claims of a run, found none; run `snakemake scorecard`"
        )
    known: list[str] = []
    for study, path in names.items():
        entries = read_claims(path)
        ids = {claim_view.anchor(study, entry["id"]): entry["id"] for entry in entries}
        if claim in ids:
            own = [entry for entry in entries if entry["id"] == ids[claim]]
            scores = tables.read(results / study / "scores.parquet", schemas.SCORES)
            (found,) = claim_view.claims({study: own}, {study: scores}, "")
            return found | {"commit": files.read_json(path)["provenance"].get("commit", "unknown")}
        known += ids
    near = difflib.get_close_matches(claim, known, MOST_NAMES, 0.4) or known[:MOST_NAMES]
    raise WhyError(
        f"CLAIM={claim}: expected a study and the id of a claim, such as {', '.join(near)}"
    )


def show(claim: Mapping[str, Any], console: Console) -> None:
    """Print the claim, each measurement with its rows, then figures, code and command."""

    def say(text: str = "") -> None:
        console.print(text, markup=False, soft_wrap=False)

    kind = "" if claim["of_paper"] else f" ({claim['kind']})"
    say(f"{claim['study']} {claim['id']}{kind}: {claim['statement']}")
    say(f"  source     {claim['source']}")
    say(f"  measured   {claim['quantity']}; holds for: {claim['region']}")
    say(f"  published  {claim['published']} {claim['published_source'] or ''}".rstrip())
    for line in claim["lines"]:
        about = ", ".join(filter(None, [line["evidence"], line["model"], line["condition"]]))
        say(f"\n{line['verdict']}: {line['measured']}" + (f" ({about})" if about else ""))
        for text in (line["reason"], line["note"]):
            if text:
                say(f"  {text}")
        if line["rows"]:
            say(f"  rows {line['row_numbers']} of results/{claim['study']}/scores.parquet:")
            console.print(_table(line["rows"]))
        if line["also"]:
            told = "also read" if line["rows"] else "computed from"
            say(f"  {told}: {', '.join(line['also'])}; rows {line['also_numbers']}")
    figures = [f"results/{claim['study']}/figures/{name}.png" for name in claim["figures"]]
    say("\nfigures  " + (", ".join(figures) or "none"))
    for place in claim["code"]:
        say(f"code     {place['name']} {place['function'] or '(the claim)'}")
    say(f"         at commit {claim['commit']}")
    say(f"again    {claim['command']}")


def _table(rows: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=True)
    for head in rows["heads"]:
        table.add_column(head, overflow="fold")
    for cells in rows["cells"]:
        table.add_row(*cells)
    return table


def main(claim: str) -> int:
    """Print what decides a claim; return 1 if it cannot be found or read."""
    try:
        found = find(claim)
    except (WhyError, ClaimsError, tables.TableError) as error:
        print(error, file=sys.stderr)
        return 1
    show(found, Console(highlight=False, width=None if sys.stdout.isatty() else 120))
    return 0


if __name__ == "__main__":
    terminal_text.tolerate()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("claim", help="study and id, as in the report: glasses-G7a")
    sys.exit(main(parser.parse_args().claim))
