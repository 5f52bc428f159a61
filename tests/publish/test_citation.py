"""Authors, licences and papers in the forms that CITATION.cff allows, and the name of a copy."""

import json

import pytest
import yaml

from workflow_scripts.publish import citation, packing, verify, zenodo

FULL = """
title: A run
license: [GPL-3.0-or-later, MIT]
authors:
  - family-names: Laan
    given-names: Ada
    name-particle: van der
    name-suffix: Jr.
    orcid: https://orcid.org/0000-0002-1825-0097
    affiliation: A university
  - alias: somebody
  - name: An institute
references:
  - {type: article, title: A, authors: [], identifiers: [{type: other, value: "arXiv:2406.04267"}]}
  - {type: article, title: B, authors: [], doi: 10.1000/182, url: "https://example.org/b"}
  - {type: article, title: C, authors: [], identifiers: [{type: doi, value: 10.1000/183}]}
  - {type: book, title: D, authors: []}
"""


def form(cited):
    about = {
        "name": "A run",
        "description": "It ran.",
        "published": "2026-01-02T00:00:00+00:00",
        "version": "1",
        "authors": citation.authors(cited),
        "licenses": citation.licenses(cited),
        "citation": cited,
    }
    return json.loads(zenodo.deposit(about))["metadata"]


def test_a_full_file():
    cited = yaml.safe_load(FULL)
    found = form(cited)
    assert [author.name for author in citation.authors(cited)] == [
        "Ada van der Laan Jr.",
        "somebody",
        "An institute",
    ]
    assert found["creators"] == [
        {
            "name": "van der Laan, Ada, Jr.",
            "orcid": "0000-0002-1825-0097",
            "affiliation": "A university",
        },
        {"name": "somebody"},
        {"name": "An institute"},
    ]
    assert found["license"] == "gpl-3.0-or-later"
    assert found["notes"] == "Licensed under GPL-3.0-or-later or MIT."
    related = {(each["identifier"], each["scheme"]) for each in found["related_identifiers"]}
    assert related == {
        ("arXiv:2406.04267", "arxiv"),
        ("10.1000/182", "doi"),
        ("https://example.org/b", "url"),
        ("10.1000/183", "doi"),
    }


@pytest.mark.parametrize("license_line", ["", "license-url: https://example.org/own"])
def test_a_file_without_a_known_licence_or_references(license_line):
    cited = yaml.safe_load(f"title: A run\nauthors: [{{family-names: Laan}}]\n{license_line}")
    found = form(cited)
    assert "license" not in found
    assert found["creators"] == [{"name": "Laan"}]
    assert found["related_identifiers"] == []


def test_keys_without_a_value_count_as_missing():
    cited = citation.read(b"title: A run\nauthors: [{family-names: Laan}]\nlicense:\nreferences:\n")
    assert (citation.licenses(cited), citation.papers(cited)) == ([], [])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (None, "lacking: title, authors"),
        (b"title: A run\nauthors: []\n", "lacking: authors"),
        (b"authors: [{name: An institute}]\n", "lacking: title"),
        (b"title: [\n", "YAML"),
    ],
)
def test_a_file_that_cannot_be_cited_is_named(data, says):
    with pytest.raises(packing.ArchiveError, match=f"^CITATION.cff: expected .*{says}") as error:
        citation.read(data)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("copied", ["", " (1)", "(2)", " (1) (1)", " - Copy", " copy"])
def test_a_copy_of_an_archive_has_the_name_that_a_browser_gives_it(tmp_path, copied):
    path = tmp_path / "new.zip"
    packing.write({"a.txt": packing.Member(b"a")}, path)
    members, _ = packing.read(path)
    digest = members[packing.MANIFEST].digest[:12]
    assert verify._name(tmp_path / f"faultlines-2026-01-02-{digest}{copied}.zip", members).passed
    other = "0" * 12
    assert not verify._name(tmp_path / f"faultlines-2026-01-02-{other}{copied}.zip", members).passed
