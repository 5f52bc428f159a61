"""Metadata of a Zenodo deposit, in the format of its REST API.

https://developers.zenodo.org/#representation
"""

import json
from typing import Any

from workflow_scripts.publish import citation
from workflow_scripts.publish.citation import Author

OTHER_NAMES = {
    "MIT": "mit-license"
}  # Zenodo's names are those of SPDX in lower case, but for these


def deposit(about: dict[str, Any]) -> bytes:
    """The deposit's metadata from those of the archive and `CITATION.cff`.

    The papers that the run tests are listed as references. The form takes one licence: the first.
    """
    licenses = about["licenses"]
    license_of_it = (
        {"license": OTHER_NAMES.get(licenses[0], licenses[0].lower())} if licenses else {}
    )
    several = {"notes": f"Licensed under {' or '.join(licenses)}."} if len(licenses) > 1 else {}
    content = {
        "metadata": {
            "upload_type": "dataset",
            "title": about["name"],
            "description": f"<p>{about['description']}</p>",
            "creators": [_creator(author) for author in about["authors"]],
            "publication_date": about["published"][:10],
            "access_right": "open",
            "version": about["version"],
            "keywords": ["language models", "reproducibility", "Snakemake", "RO-Crate"],
            "related_identifiers": [
                {"identifier": paper, "relation": "references", "scheme": scheme}
                for paper, scheme in citation.papers(about["citation"])
            ],
            **license_of_it,
            **several,
        }
    }
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _creator(author: Author) -> dict[str, str]:
    more = {"orcid": author.orcid, "affiliation": author.affiliation}
    return {"name": author.sorted_name} | {key: value for key, value in more.items() if value}
