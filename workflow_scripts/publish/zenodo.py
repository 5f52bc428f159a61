"""Metadata of a Zenodo deposit, in the format of its REST API.

https://developers.zenodo.org/#representation
"""

import json
from typing import Any

LICENSES = {"Apache-2.0": "apache-2.0", "MIT": "mit-license", "CC-BY-4.0": "cc-by-4.0"}


def deposit(about: dict[str, Any]) -> bytes:
    """The deposit's metadata from those of the archive and `CITATION.cff`.

    The papers that the run tests are listed as references.
    """
    papers = [
        identifier["value"]
        for reference in about["citation"].get("references", [])
        for identifier in reference.get("identifiers", [])
    ]
    content = {
        "metadata": {
            "upload_type": "dataset",
            "title": about["name"],
            "description": f"<p>{about['description']}</p>",
            "creators": [{"name": name} for name in about["authors"]],
            "publication_date": about["published"][:10],
            "access_right": "open",
            "license": LICENSES[about["license"]],
            "version": about["version"],
            "keywords": ["language models", "reproducibility", "Snakemake", "RO-Crate"],
            "related_identifiers": [
                {"identifier": paper, "relation": "references", "scheme": "arxiv"}
                for paper in papers
            ],
        }
    }
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
