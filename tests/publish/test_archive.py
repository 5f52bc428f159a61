"""The archive of a small real run: what it contains, what it must not, and detection of changes."""

import hashlib
import io
import json
import random
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from tests.publish import tiny_run
from tests.publish.tiny_run import KEY, USER, git, snakemake
from workflow_scripts.publish import code, packing, redaction, replay, validate
from workflow_scripts.shared import tables
from workflow_scripts.shared.fingerprint import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("archive")]
LATEST = Path("results/archive/latest.zip")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The finished and archived run; its path contains the user's name."""
    folder = tiny_run.make(tmp_path_factory.mktemp("at") / f"of-{USER}")
    snakemake(folder, "archive")
    return folder


@pytest.fixture
def copy(project, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(project, tmp_path / f"copy-{USER}", symlinks=True)


@pytest.fixture(scope="module")
def members(project):
    with zipfile.ZipFile(project / LATEST) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def verify(folder, archive, *arguments):
    """Output and status of the program."""
    command = [sys.executable, "-m", "workflow_scripts.publish.verify", str(archive), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout + done.stderr, done.returncode


def test_its_name_has_the_date_of_the_last_result_and_the_hash_of_the_manifest(project, members):
    name = (project / LATEST).resolve().name
    digest = hashlib.sha256(members["manifest-sha256.txt"]).hexdigest()
    crate = json.loads(members["ro-crate-metadata.json"])
    root = next(item for item in crate["@graph"] if item["@id"] == "./")
    assert name == f"faultlines-{root['datePublished'][:10]}-{digest[:12]}.zip"


def test_it_holds_results_logs_settings_code_and_machine(project, members):
    for path in [*project.glob("results/**/*"), *project.glob("logs/**/*")]:
        name = path.relative_to(project).as_posix()
        if path.is_file() and "archive" not in name:
            assert name in members
    tracked = git(project, "ls-files").split()
    assert {name: members[name] for name in tracked} == {
        name: (project / name).read_bytes() for name in tracked
    }
    config = json.loads(members["run/config.json"])
    assert config == json.loads((project / "config.json").read_text())
    commit = git(project, "rev-parse", "HEAD").strip()
    state = {"commit": commit, "dirty": False, "untracked": [], "skipped": {}}
    assert json.loads(members["run/code.json"]) == state
    packages = members["run/environment.txt"].decode().split()
    lock = (ROOT / "constraints.txt").read_text().lower()
    assert any(line.startswith("snakemake==") and line in lock for line in packages)
    assert json.loads(members["run/machine.json"])["cores"] > 0


def test_the_manifest_is_what_sha256sum_says(project, members, tmp_path):
    with zipfile.ZipFile(project / LATEST) as bundle:
        bundle.extractall(tmp_path)
    command = ["sha256sum", "--check", "--strict", "--quiet", "manifest-sha256.txt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = members["manifest-sha256.txt"].decode().splitlines()
    assert {line.split("  ")[1] for line in listed} == set(members) - {"manifest-sha256.txt"}


def test_the_public_validator_finds_nothing_required_missing(project, tmp_path):
    with zipfile.ZipFile(project / LATEST) as bundle:
        bundle.extractall(tmp_path)
    assert validate.problems(tmp_path) == []
    # Recommended items, except for addresses, which the project does not have.
    recommended = validate.problems(tmp_path, recommended=True)
    addresses = re.compile("SHOULD have a url|id SHOULD be an absolute URI", re.IGNORECASE)
    assert [line for line in recommended if not addresses.search(line)] == []
    # The validator works: a crate without its runs is not a Provenance Run Crate.
    path = tmp_path / "ro-crate-metadata.json"
    crate = json.loads(path.read_text())
    kept = [item for item in crate["@graph"] if "CreateAction" not in item["@type"]]
    path.write_text(json.dumps(crate | {"@graph": kept}))
    assert validate.problems(tmp_path)


def test_the_crate_tells_what_made_what(members):
    graph = {item["@id"]: item for item in json.loads(members["ro-crate-metadata.json"])["@graph"]}
    action = graph["#job/tiny_claims/claims"]
    assert action["instrument"] == {"@id": "workflow_scripts/tiny/claims.py"}
    assert action["object"] == {"@id": "results/tiny/simulated.parquet"}
    results = {part["@id"] for part in action["result"]}
    figures = {f"results/tiny/figures/line.{suffix}" for suffix in ("pdf", "png")}
    assert results == {"results/tiny/claims.json", "results/tiny/scores.parquet"} | figures
    simulate = graph["#job/tiny_simulate/simulate"]
    assert simulate["object"] == {"@id": "resources/given.csv"}
    assert {"@id": "results/tiny/weights/"} in simulate["result"]
    assert simulate["startTime"] <= simulate["endTime"] <= action["endTime"]
    digest = hashlib.sha256(members["results/tiny/claims.json"]).hexdigest()
    assert graph["results/tiny/claims.json"]["sha256"] == digest


def everything_readable(name, data):
    """A file's bytes and packed content, without the code under test."""
    texts = [data]
    if name.endswith(".parquet"):
        table = pq.read_table(io.BytesIO(data))
        texts += [str(table.schema.metadata).encode(), str(table.to_pydict()).encode()]
    for chunk in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            texts.append(zlib.decompress(chunk))
        except zlib.error:
            continue
    return texts


def test_no_key_user_name_or_path_of_the_machine_is_inside(project, members):
    log = (project / "logs/tiny_simulate/simulate.log").read_text()
    assert all(trace in log for trace in (KEY, USER, str(project)))  # there is something to leak
    home = Path.home()
    traces = [KEY, USER, str(project), str(project.parent), str(ROOT), sys.prefix, f"{home}/"]
    for name, data in members.items():
        for text in everything_readable(name, data):
            for trace in traces:
                assert trace.encode() not in text, f"{name} holds {trace}"
            assert not re.search(rb"(?<![\w.])/(home|Users|root)/\w", text), name
    assert (
        "working in <project> for <name> at <home>\nwith <key>\n"
        in members["logs/tiny_simulate/simulate.log"].decode()
    )
    assert "logs/tiny_simulate/simulate.log" in json.loads(members["run/redacted.json"])


def test_a_trace_that_cannot_be_taken_out_stops_it_and_names_the_file(copy):
    for name in ("results/tiny/figures/line.png", "workflow_scripts/tiny/new.py"):
        with (copy / name).open("ab") as file:
            file.write(f"\n# {KEY}\n".encode())
    text = snakemake(copy, "--forcerun", "publish_archive", "--", "archive", check=False)
    assert "results/tiny/figures/line.png: holds the value of TINY_API_KEY" in text
    assert "workflow_scripts/tiny/new.py: holds the value of TINY_API_KEY" in text
    assert not (copy / LATEST).is_symlink()


def test_the_same_results_give_the_same_bytes_but_for_the_settable_time(copy, tmp_path):
    again = ("--forcerun", "publish_archive", "--", "archive")
    snakemake(copy, *again)
    first = (copy / LATEST).resolve()
    before, _ = packing.read(first)
    for path in copy.glob("results/**/*.parquet"):
        path.touch()
    snakemake(copy, *again, SOURCE_DATE_EPOCH="1700000000")
    assert "2023-11-14" in (copy / LATEST).resolve().name
    later, _ = packing.read(copy / LATEST)
    # The time is in the crate, in Zenodo's form, and at each file; all else is the same.
    differ = {name for name in later if later[name].digest != before[name].digest}
    assert differ == {"ro-crate-metadata.json", "zenodo.json", packing.MANIFEST}
    assert later.keys() == before.keys()
    snakemake(copy, *again)
    assert (copy / LATEST).resolve() == first
    target = tmp_path / "again.zip"
    packing.write({n: m for n, m in before.items() if n != packing.MANIFEST}, target)
    assert target.read_bytes() == first.read_bytes()


def test_a_dirty_tree_is_said_so_with_its_difference(copy, tmp_path):
    script = copy / "workflow_scripts/tiny/claims.py"
    before = script.read_bytes()
    script.write_bytes(before + b"\n# A remark.\n")
    (copy / "workflow_scripts/tiny/new.py").write_text("NEW = 1\n")
    (copy / "private.txt").write_text("a note that is no part of the project\n")
    snakemake(copy, "archive")
    with zipfile.ZipFile(copy / LATEST) as bundle:
        state = json.loads(bundle.read("run/code.json"))
        diff = bundle.read("run/uncommitted.diff")
        assert bundle.read("workflow_scripts/tiny/new.py") == b"NEW = 1\n"
        assert "private.txt" not in bundle.namelist()
        now = bundle.read("workflow_scripts/tiny/claims.py")
    assert state["dirty"]
    assert state["untracked"] == ["workflow_scripts/tiny/new.py"]
    # Applied to the commit, the difference gives the archived file.
    git(copy, "worktree", "add", "--quiet", str(tmp_path / "commit"), "HEAD")
    (tmp_path / "diff").write_bytes(diff)
    git(tmp_path / "commit", "apply", str(tmp_path / "diff"))
    assert (tmp_path / "commit/workflow_scripts/tiny/claims.py").read_bytes() == now != before


def test_it_is_up_to_date_until_the_file_or_the_commit_changes(copy):
    assert "Nothing to be done" in snakemake(copy, "-n", "archive")
    (copy / "README.md").write_text("Another.\n")
    assert "publish_archive" in snakemake(copy, "-n", "archive")
    git(copy, "checkout", "--quiet", "README.md")
    assert "Nothing to be done" in snakemake(copy, "-n", "archive")
    (copy / LATEST).resolve().unlink()
    assert "publish_archive" in snakemake(copy, "-n", "archive")


def test_zenodo_gets_what_its_form_requires(members):
    """Required fields of https://developers.zenodo.org/#representation, and who is cited."""
    form = json.loads(members["zenodo.json"])["metadata"]
    required = {"upload_type", "title", "creators", "description", "access_right", "license"}
    assert required | {"publication_date"} <= form.keys()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", form["publication_date"])
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert form["creators"] == [{"name": author["name"]} for author in citation["authors"]]
    papers = {entry["identifiers"][0]["value"] for entry in citation["references"]}
    assert {entry["identifier"] for entry in form["related_identifiers"]} == papers


def test_the_paper_of_every_study_is_cited():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    cited = {entry["identifiers"][0]["value"] for entry in citation["references"]}
    studies = yaml.safe_load((ROOT / "config.yaml").read_text())["studies"]
    for study in studies:
        text = (ROOT / "workflow_scripts" / study / "README.md").read_text()
        assert "arXiv:" + re.search(r"arXiv\s+(\d{4}\.\d{5})", text)[1] in cited, study


def test_verify_replays_the_study_and_finds_the_same_bytes(project):
    text, status = verify(project, project / LATEST, "--budget-s", "99")
    assert status == 0, text
    assert "conforms to profile provenance-run-crate" in text
    for name in (
        "simulated.parquet",
        "claims.json",
        "figures/line.png",
        "weights/model.safetensors",
    ):
        assert re.search(rf"ok.*results/tiny/{name}: same bytes", text), text


def rewrite(archive, target, change):
    """The archive with `change` applied to its files, packed as a valid zip again."""
    with zipfile.ZipFile(archive) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w") as bundle:
        for name, data in files.items():
            bundle.writestr(name, data)


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def test_a_flipped_bit_in_any_file_is_found_and_named(project, tmp_path):
    """In files that were packed again, so that only their SHA-256 differs."""
    whole, unreadable = packing.read(project / LATEST)
    assert packing.compare(whole, unreadable) == []
    for name in whole.keys() - {packing.MANIFEST}:
        data = whole[name].data
        for position in {0, len(data) // 2, len(data) - 1} if data else {}:
            changed = whole | {name: packing.Member(flip(data, position))}
            lines = packing.compare(changed)
            assert [line.split(":")[0] for line in lines] == [name]
    # The manifest itself is compared with the hash in the archive's name.
    target = tmp_path / (project / LATEST).resolve().name
    for name in ("results/tiny/claims.json", packing.MANIFEST):
        rewrite(
            project / LATEST, target, lambda files, n=name: files.update({n: flip(files[n], 5)})
        )
        text, status = verify(project, target, "--no-replay")
        assert status == 1
        assert re.search(rf"FAILED.*{name}", text)


def test_a_flipped_bit_anywhere_on_the_disk_is_found_and_named(project, tmp_path):
    """Detected in the packed content of a file; elsewhere in the zip, detected or harmless."""
    archive = project / LATEST
    whole = {name: member.data for name, member in packing.read(archive)[0].items()}
    data = archive.read_bytes()
    target = tmp_path / "changed.zip"
    draw = random.Random(0)
    with zipfile.ZipFile(archive) as bundle:
        entries = [entry for entry in bundle.infolist() if entry.file_size]
    for entry in draw.sample(entries, 20):
        middle = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
        target.write_bytes(flip(data, middle))
        problems = packing.read(target)[1]
        assert [line.split(":")[0] for line in problems] == [entry.filename]
    for _ in range(20):
        target.write_bytes(flip(data, draw.randrange(data.rindex(b"PK\1\2"), len(data))))
        try:
            members, problems = packing.read(target)
        except packing.ArchiveError:
            continue
        found = problems or packing.compare(members)
        assert found or whole == {name: member.data for name, member in members.items()}


def test_a_missing_and_an_added_file_are_found_and_named(project, tmp_path):
    target = tmp_path / "changed.zip"

    def change(files):
        del files["results/tiny/claims.json"]
        files["results/tiny/more.json"] = b"{}"

    rewrite(project / LATEST, target, change)
    text, status = verify(project, target, "--no-replay")
    assert status == 1
    assert "results/tiny/claims.json: missing" in text
    assert "results/tiny/more.json: not in the manifest" in text


def forge(project, target, change):
    """An archive changed by someone who also rewrote the manifest."""
    members, _ = packing.read(project / LATEST)
    del members[packing.MANIFEST]
    change(members)
    packing.write(members, target)


def test_a_rewritten_manifest_shows_in_the_name(project, tmp_path):
    target = tmp_path / (project / LATEST).resolve().name
    forge(project, target, lambda files: files.update({"more.txt": packing.Member(b"more")}))
    text, status = verify(project, target, "--no-replay")
    assert status == 1
    assert re.search("name.*FAILED", text)


def test_a_result_that_the_code_does_not_give_is_found_by_the_replay(project, tmp_path):
    def change(files):
        name = "results/tiny/claims.json"
        claims = json.loads(files[name].data)
        claims["claims"][0]["measured"]["value"] += 0.125
        files[name] = packing.Member(json.dumps(claims).encode(), files[name].time_s)

    target = tmp_path / "forged.zip"
    forge(project, target, change)
    text, status = verify(project, target, "results/tiny/claims.json")
    assert status == 1
    assert re.search(r"FAILED.*results/tiny/claims.json: bytes differ", text)
    # The figure of the same job is unchanged.
    assert re.search(r"ok.*results/tiny/figures/line.png: same bytes", text)


@pytest.mark.parametrize(
    ("change", "tolerance", "equal", "how"),
    [
        ({}, 0.0, True, "same bytes"),
        ({"commit": "b"}, 0.0, True, "same bytes except the recorded commit"),
        ({"versions": {"numpy": "2"}}, 0.0, True, "same bytes except the recorded versions"),
        ({"programs_read": "audit hook"}, 0.0, True, "same bytes except the recorded programs_"),
        ({"code": "y"}, 0.0, False, "same bytes except the recorded code"),
        ({"value": 1.25}, 0.0, False, "bytes differ"),
        ({"value": 1.25}, 0.1, False, "numbers differ by up to 0.2"),
        ({"value": 1.25}, 0.3, True, "numbers differ by up to 0.2"),
        ({"value": 1.25, "code": "y"}, 0.3, False, "numbers differ by up to 0.2 except"),
        ({"text": "other"}, 0.3, False, "numbers differ by up to inf"),
    ],
)
@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_a_result_made_again_is_compared_by_bytes_provenance_and_tolerance(
    tmp_path, suffix, change, tolerance, equal, how
):
    def made(change):
        noted = {"commit": "a", "code": "x", "versions": {"numpy": "1"}, "programs_read": "L"}
        noted |= {key: change[key] for key in noted if key in change}
        row = {"value": change.get("value", 1.0), "text": change.get("text", "one")}
        path = tmp_path / f"a.{suffix}"
        if suffix == "json":
            path.write_text(json.dumps({"rows": [row], "provenance": noted}))
        else:
            tables.write(pd.DataFrame([row]), path, provenance=noted)
        return path.read_bytes()

    name = f"results/a.{suffix}"
    found = replay.compare({name: made(change)}, {name: packing.Member(made({}))}, tolerance)
    assert [(each.path, each.equal) for each in found] == [(name, equal)]
    assert found[0].how.startswith(how)


def test_a_file_that_is_no_archive_is_said_so(project, tmp_path):
    (tmp_path / "no.zip").write_bytes(b"nothing")
    text, status = verify(project, tmp_path / "no.zip")
    assert status == 1
    assert "cannot be read as a zip" in text


def test_keys_of_known_forms_are_found_wherever_they_hide():
    wanted = redaction.traces({}, b"")
    key = b"sk-" + b"abcDEF0123456789" * 2
    packed = b"%PDF stream\n" + zlib.compress(b"text " + key) + b"\nendstream"
    page = b'<img src="data:text/plain;base64,' + __import__("base64").b64encode(key) + b'">'
    for name, data in [("a.log", key), ("a.pdf", packed), ("a.html", page)]:
        assert redaction.find(name, data, wanted) == ["an API key"]
    assert redaction.find("a.log", b"a task-force and its sk-learn", wanted) == []


def test_the_project_itself_holds_nothing_that_stops_its_archive():
    files = code.read(ROOT).files
    wanted = redaction.traces({}, b"\n".join(files.values()))
    found = {name: redaction.find(name, data, wanted) for name, data in files.items()}
    assert {name: kinds for name, kinds in found.items() if kinds} == {}
