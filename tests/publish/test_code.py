"""The project's files and their commit, wherever the project lies and whatever lies in it."""

import json
import os
import subprocess

import pytest

from workflow_scripts.publish import code, jobs, packing
from workflow_scripts.shared import repository
from workflow_scripts.shared.snakemake_internals import RECORDS, record_name

SECRET = "a line that is not the project's"
FILES = {
    "Snakefile": "rule all:\n",
    "rules/one.smk": "# one\n",
    "results/README.md": "Results come here.\n",
    ".gitignore": "results/*\n!results/README.md\n__pycache__/\n.venv\n",
}


def git(folder, *arguments):
    who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def commit(folder):
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path):
    """A project with results, below a folder of its own, without a repository."""
    folder = tmp_path / "outer/project"
    write(folder, FILES | {"results/one.json": "{}", "rules/__pycache__/one.pyc": "x"})
    return folder


@pytest.fixture
def outer(project):
    """Another repository around the project, with a change that is not committed."""
    folder = project.parent
    (folder / "diary.txt").write_text("nothing\n")
    commit(folder)
    (folder / "diary.txt").write_text(SECRET + "\n")
    (project / "rules/one.smk").write_text("# two\n")
    return folder


def test_another_repository_around_the_project_is_not_the_projects(project, outer):
    assert SECRET in git(outer, "diff")
    found = code.read(project)
    assert found.commit == repository.commit(project, dirty=True) == "unknown"
    assert found.diff == b""
    assert set(found.files) == set(FILES)


def test_a_repository_named_by_a_variable_is_not_the_projects(project, outer, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(outer / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(outer))
    assert code.read(project).commit == "unknown"
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_WORK_TREE")
    own = commit(project)
    monkeypatch.setenv("GIT_DIR", str(outer / ".git"))
    assert code.read(project).commit == repository.commit(project) == own


def test_the_users_settings_do_not_change_the_form_of_the_difference(
    project, tmp_path, monkeypatch
):
    commit(project)
    plain = tmp_path / "plain.gitconfig"
    plain.write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    (project / "rules/one.smk").write_text("# two\n")
    before = code.read(project).diff
    assert b"a/rules/one.smk" in before
    (tmp_path / ".gitconfig").write_text(
        "[diff]\n\tnoprefix = true\n\tmnemonicPrefix = true\n\texternal = echo\n"
        "[color]\n\tui = always\n\tdiff = always\n"
    )
    assert code.read(project).diff == before


def test_a_machine_without_git_and_a_tarball_archive_as_well(project, monkeypatch):
    from_git = commit(project) and code.read(project)
    monkeypatch.setenv("PATH", "")
    found = code.read(project)
    assert found.commit == "unknown"
    assert found.files == from_git.files
    # A change of the code is another identity, without a commit, too.
    before = code.identity(project)
    (project / "rules/one.smk").write_text("# two\n")
    assert code.identity(project) != before


@pytest.mark.parametrize("with_git", [True, False])
def test_what_is_no_file_of_the_project_is_skipped_and_listed(project, tmp_path, with_git):
    if with_git:
        commit(project)
    write(project, {"rules/new.smk": "# new\n", "rules/.nfs000000a1": SECRET})
    write(tmp_path / "elsewhere", {"private.txt": SECRET})
    write(project / "rules/nested", {"mine.txt": SECRET})
    commit(project / "rules/nested")
    os.symlink("somebody@machine.123:456", project / "rules/.#one.smk")
    os.symlink(tmp_path / "elsewhere", project / "rules/linked")
    os.symlink(tmp_path / "elsewhere/private.txt", project / "rules/private.txt")
    os.symlink("one.smk", project / "rules/same.smk")
    os.mkfifo(project / "rules/pipe")
    found = code.read(project)
    assert set(found.files) == {*FILES, "rules/new.smk", "rules/same.smk"}
    assert found.files["rules/same.smk"] == b"# one\n"
    # git does not list what is neither a file nor a link.
    listed = {name.rstrip("/"): why for name, why in found.skipped.items()}
    assert listed.pop("rules/pipe", "not a regular file") == "not a regular file"
    assert listed == {
        "rules/.nfs000000a1": "a passing file of an editor or of NFS",
        "rules/.#one.smk": "a passing file of an editor or of NFS",
        "rules/linked": "a link to outside the project",
        "rules/private.txt": "a link to outside the project",
        "rules/nested": "another repository",
    }


def test_a_torn_record_stops_only_what_needs_it(tmp_path):
    """As after a full disk."""
    record = {"rule": "one", "log": ["logs/one.log"], "code": "", "input": [], "starttime": 1.0}
    (tmp_path / RECORDS).mkdir(parents=True)
    whole = json.dumps(record | {"endtime": 2.0})
    (tmp_path / RECORDS / record_name("a.txt")).write_text(whole)
    (tmp_path / RECORDS / record_name("b.txt")).write_text(whole[:20])
    (tmp_path / RECORDS / "neither").write_text("")
    records = jobs.read_records(tmp_path)
    assert [job.outputs for job in jobs.behind(["a.txt"], records)] == [["a.txt"]]
    with pytest.raises(packing.ArchiveError, match=r"read as a record.*snakemake --touch"):
        jobs.behind(["b.txt"], records)
