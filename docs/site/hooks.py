"""MkDocs: the site has the repository's layout, so that relative links work in both.

MkDocs takes pages from docs/ alone. Here they get the path that they have in the repository, and
the pages and files outside docs/ that they link to are added.
"""

from pathlib import Path
from typing import Any

import yaml
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[2]
# Outside docs/: pages, and the files that pages link to.
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "workflow_scripts/*/README.md")
LINKED: tuple[str, ...] = (
    "CITATION.cff",
    "config.yaml",
    "presets/*.yaml",
    "profiles/*/config.yaml",
    "profiles/slurm/bin/*",
)


def on_config(config: Any) -> Any:
    """Fill the navigation of the studies, in the order of config.yaml."""
    studies = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["studies"]
    section = next(entry for entry in config.nav if "Studies" in entry)
    section["Studies"] = [
        {study: [f"docs/studies/{study}.md", {"Method": f"workflow_scripts/{study}/README.md"}]}
        for study in studies
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Give every file its path in the repository, and add those outside docs/."""
    docs = Path(config.docs_dir)
    for file in list(files):
        if file.src_dir == config.docs_dir and file.inclusion != InclusionLevel.EXCLUDED:
            files.remove(file)
            files.append(_file(docs / file.src_uri, config))
    for pattern in (*PAGES, *LINKED):
        for path in sorted(ROOT.glob(pattern)):
            files.append(_file(path, config))
    return files


def _file(path: Path, config: Any) -> File:
    return File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path))
