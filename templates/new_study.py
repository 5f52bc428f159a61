"""Write the skeleton of a new study, so that the next run includes it.

    make study NAME=my_study PAPER=2401.00001 [TITLE="The title of the paper"]

New files come from `templates/study/`. `SHARED` lists every shared file that a study touches.
"""

import argparse
import json
import keyword
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SKELETON = ROOT / "templates" / "study"

# Where each file of the skeleton goes.
PLACES = {
    "rules.smk": "rules/{name}.smk",
    "scripts": "workflow_scripts/{name}",
    "caption.rst": "resources/captions/{name}/spread.rst",
    "schema.yaml": "schemas/{name}.schema.yaml",
    "tests/test_claims.py": "tests/{name}/test_{name}.py",
    "tests/verdicts.py": "tests/{name}/verdicts.py",
    "docs.md": "docs/studies/{name}.md",
}
SHARED = (
    "config.yaml",
    "presets/smoke.yaml",
    "profiles/slurm/config.yaml",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
)


class StudyError(ValueError):
    """A study that cannot be added; the message gives the reason and the remedy."""


def filled(text: str, name: str, paper: str, title: str) -> str:
    """A template's text with the study's name, paper and title; rules' constants in capitals."""
    text = text.replace("example_study", name).replace("EXAMPLE_STUDY", name.upper())
    return text.replace("0000.00000", paper).replace("TITLE OF THE PAPER", title)


def new_files(root: Path, name: str, paper: str, title: str) -> dict[Path, str]:
    """The files that belong to the study alone: path to text."""
    found = {}
    for source, place in PLACES.items():
        start = SKELETON / source
        for path in sorted(start.rglob("*")) if start.is_dir() else [start]:
            if path.is_file() and path.suffix != ".pyc":
                below = path.relative_to(start) if start.is_dir() else ""
                target = root / place.format(name=name) / below
                found[target] = filled(path.read_text(encoding="utf-8"), name, paper, title)
    return found


def shared_files(root: Path, name: str, paper: str, title: str) -> dict[Path, str]:
    """The shared files with the study added: path to text. Raises `StudyError`."""
    texts = {file: (root / file).read_text(encoding="utf-8") for file in SHARED}

    def template(file: str) -> str:
        return filled((SKELETON / file).read_text(encoding="utf-8"), name, paper, title)

    texts["config.yaml"] = after_last(
        texts["config.yaml"], r"^  \w+: \[.*\].*$", f"  {name}: []", "^studies:$", r"^\S"
    ) + template("config.yaml")
    texts["presets/smoke.yaml"] += template("smoke.yaml")
    groups = "\n".join(f"  {name}_{part}: {name}" for part in ("scores", "claims", "figures"))
    texts["profiles/slurm/config.yaml"] = after_last(
        texts["profiles/slurm/config.yaml"], r"^  \w+_figures: \w+$", groups, "^groups:$"
    )
    cell = title.replace("|", r"\|")
    row = f"| [`{name}`](workflow_scripts/{name}/README.md) | {cell} | arXiv {paper} |"
    texts["README.md"] = after_last(
        texts["README.md"], r"^\| \[`\w+`\]\(workflow_scripts/\w+/README\.md\) \|.*$", row
    )
    texts["CHANGELOG.md"] = after_last(
        texts["CHANGELOG.md"], r"^- Study `[\s\S]*?(?=\n-|\n\n|\Z)", f"- Study `{name}`: {title}."
    )
    quoted = json.dumps(title, ensure_ascii=False)
    reference = (
        f"  - type: article\n    title: {quoted}\n    authors: [{{name: 'FILL IN'}}]\n"
        f"    identifiers: [{{type: other, value: 'arXiv:{paper}'}}]\n"
    )
    texts["CITATION.cff"] = texts["CITATION.cff"].rstrip("\n") + "\n" + reference
    return {root / file: text for file, text in texts.items()}


def after_last(text: str, line: str, addition: str, start: str = "", end: str = "") -> str:
    """The text with `addition` as a new line after the last match of `line`.

    Only the text between the patterns `start` and `end` is searched. Raises `StudyError`.
    """
    first = re.search(start, text, re.MULTILINE) if start else None
    if start and not first:
        raise StudyError(f"expected a line {start} to add the study after; found none")
    begin = first.end() if first else 0
    last = re.search(end, text[begin:], re.MULTILINE) if end else None
    stop = begin + last.start() if last else len(text)
    found = list(re.finditer(line, text[begin:stop], re.MULTILINE))
    if not found:
        raise StudyError(f"expected a line {line} to add the study after; found none")
    place = begin + found[-1].end()
    return f"{text[:place]}\n{addition}{text[place:]}"


def taken(root: Path) -> dict[str, set[str]]:
    """The names that a study cannot have, by the place where they stand."""
    rules = "\n".join(path.read_text(encoding="utf-8") for path in (root / "rules").glob("*.smk"))
    config = (root / "config.yaml").read_text(encoding="utf-8")
    folders = ("workflow_scripts", "tests")
    return {
        f"{folder}/": {path.stem for path in (root / folder).iterdir()} for folder in folders
    } | {
        "rules/": {path.stem for path in (root / "rules").iterdir()}
        | set(re.findall(r"^rule (\w+):", rules, re.MULTILINE))
        | {"all"},
        "config.yaml": set(re.findall(r"^(\w+):", config, re.MULTILINE)),
    }


def add(root: Path, name: str, paper: str, title: str) -> list[Path]:
    """Write the study into the project at `root`; return the paths. Raises `StudyError`."""
    if not re.fullmatch(r"[a-z][a-z_]*[a-z]", name):
        raise StudyError(f"NAME: expected lower-case letters and underscores, found {name!r}")
    if not re.fullmatch(r"\d{4}\.\d{4,5}", paper):
        raise StudyError(f"PAPER: expected an arXiv id such as 2401.00001, found {paper!r}")
    if keyword.iskeyword(name):
        raise StudyError(f"NAME: {name!r} is a word of Python; choose another name")
    if where := next((place for place, names in taken(root).items() if name in names), None):
        raise StudyError(f"NAME: {name!r} already exists in {where}; choose another name")
    texts = new_files(root, name, paper, title) | shared_files(root, name, paper, title)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def main(arguments: list[str] | None = None) -> int:
    """Add the study to this project and say what to do next."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="lower-case letters and underscores, as in max_retrieval")
    parser.add_argument("paper", help="arXiv id, as in 2401.00001")
    parser.add_argument("title", nargs="?", default="", help="of the paper")
    given = parser.parse_args(arguments)
    title = given.title or "TITLE OF THE PAPER"
    try:
        written = add(ROOT, given.name, given.paper, title)
    except StudyError as error:
        print(error, file=sys.stderr)
        return 1
    for path in written:
        print(path.relative_to(ROOT))
    print(
        f"\nRun it:   snakemake {given.name} --configfile presets/smoke.yaml\n"
        f"Test it:  pytest tests/{given.name}\n"
        f"Then replace the worked example, and every 'TITLE OF THE PAPER' and 'FILL IN'."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
