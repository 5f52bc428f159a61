"""The archive of a run with models whose weights are not packed: converted, or from outside."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.publish import tiny_run
from tests.publish.tiny_run import git, snakemake
from workflow_scripts.inference import kinds
from workflow_scripts.publish import packing, placeholders
from workflow_scripts.shared.fingerprint import ROOT

LATEST = Path("results/archive/latest.zip")
FOLDER = "results/models/mine/converted"
QUESTION = '{"question": "a private one"}\n'
TOP_QUESTION = '{"question": "a private one at the top"}\n'
WEIGHTS = f"{FOLDER}/model.safetensors"
# A conversion, and a study that asks the model and counts the replies.
RULES = """
rule models_convert:
    output:
        multiext("results/models/mine/converted/", "model.safetensors", "provenance.json"),
    log:
        "logs/models_convert/mine.log",
    script:
        "workflow_scripts/asked/convert.py"


rule asked_ask:
    input:
        "results/models/mine/converted/model.safetensors",
    output:
        "results/asked/replies.json",
    log:
        "logs/asked_ask/mine.log",
    script:
        "workflow_scripts/asked/ask.py"


rule asked_count:
    input:
        config["questions"],
    output:
        "results/asked/count.json",
    log:
        "logs/asked_count/count.log",
    script:
        "workflow_scripts/asked/count.py"


use rule asked_count as asked_count_link with:
    input:
        "resources/link.jsonl",
    output:
        "results/asked/link.json",
    log:
        "logs/asked_count/link.log",


use rule asked_count as asked_count_top with:
    input:
        "untracked.jsonl",
    output:
        "results/asked/top.json",
    log:
        "logs/asked_count/top.log",


rule asked_claims:
    input:
        "results/asked/link.json",
        "results/asked/top.json",
        "results/asked/replies.json",
        config["models"]["yours"]["source"],
        "results/asked/count.json",
    output:
        claims="results/asked/claims.json",
        scores="results/asked/scores.parquet",
    log:
        "logs/asked_claims/claims.log",
    script:
        "workflow_scripts/asked/claims.py"


rule asked:
    input:
        rules.asked_claims.output,


"""
SCRIPTS = {
    "convert.py": """
import json
from pathlib import Path

weights, about = map(Path, snakemake.output)
weights.write_bytes(bytes(range(256)) * 400)
about.write_text(json.dumps({"file": "mine.gguf", "sha256": "0" * 64}))
""",
    "ask.py": """
from pathlib import Path

replies = len(Path(snakemake.input[0]).read_bytes())
Path(snakemake.output[0]).write_text(str(replies))
""",
    "count.py": """
from pathlib import Path

Path(snakemake.output[0]).write_text(str(len(Path(snakemake.input[0]).read_bytes())))
""",
    "claims.py": """
import json
from pathlib import Path

from workflow_scripts.shared import schemas, scores, tables

row = scores.number("E1", "share", 0.5, 10, units="replies", model="mine", seed=None)
tables.write(scores.table([[row]], []), snakemake.output.scores, schemas.SCORES, {})
Path(snakemake.input[0]).read_text()
nothing = ("published", "measured", "evidence", "reading", "answer")
claim = {"id": "A1", "kind": "claim", "statement": "It replies.", "source": "section 1"}
claim |= {"quantity": "share", "region": [0.0, None], "decided_by": ["paper's own model"]}
trace = {"metrics": [], "rows": [], "also_read": [], "figures": [], "code": []}
claim |= {"models": [], "verdict": "not tested", "reason": "no GPU", "trace": trace}
claim |= dict.fromkeys(nothing)
Path(snakemake.output[0]).write_text(json.dumps({"provenance": {}, "claims": [claim]}))
""",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tiny_run.make(tmp_path_factory.mktemp("converted") / "project")
    text = (folder / "Snakefile").read_text()
    text = text.replace("def study_outputs", RULES + "def study_outputs")
    text = text.replace("return rules.tiny.input", "return [*rules.tiny.input, *rules.asked.input]")
    (folder / "Snakefile").write_text(text)
    (folder / "workflow_scripts/asked").mkdir()
    for name, script in SCRIPTS.items():
        (folder / "workflow_scripts/asked" / name).write_text(script)
    config = json.loads((folder / "config.json").read_text())
    config["models"]["mine"] = {"source": {"package": "holds-a-model==1.0", "file": "*.gguf"}}
    yours = folder.parent / "Yours-8B"
    yours.mkdir()
    (yours / "model.safetensors").write_bytes(b"weights")
    own = folder.parent / "own.json"  # beside the project, whose files are archived as they are
    questions = folder.parent / "Elsewhere/questions.jsonl"
    questions.parent.mkdir()
    questions.write_text(QUESTION)
    mine = {"models": {"yours": {"source": str(yours)}}, "questions": str(questions)}
    own.write_text(json.dumps(mine))
    config["studies"] |= {"asked": [], "absent": None}
    (folder / "config.json").write_text(json.dumps(config))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A model from a package")
    # Question files within the project that are not the project's.
    (folder / "resources/link.jsonl").symlink_to(questions)
    (folder / "untracked.jsonl").write_text(TOP_QUESTION)
    snakemake(folder, "archive", "--configfile", str(own))
    return folder


def verify(project, *arguments):
    """The checks of the program as text without line breaks, and its status."""
    command = [sys.executable, "-m", "workflow_scripts.publish.verify", str(project / LATEST)]
    done = subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, text=True)
    return " ".join((done.stdout + done.stderr).split()), done.returncode


@pytest.mark.slow
@pytest.mark.xdist_group("converted")
def test_the_weights_are_listed_with_their_hash_and_not_packed(project):
    members, problems = packing.read(project / LATEST)
    assert not problems
    assert WEIGHTS not in members
    assert f"{FOLDER}/provenance.json" in members
    notes = json.loads(members["models-elsewhere/mine/weights.json"].data)
    digest = hashlib.sha256((project / WEIGHTS).read_bytes()).hexdigest()
    assert notes["weights_sha256"] == {"model.safetensors": digest}
    assert notes["made_by"] == "rule models_convert"
    assert notes["provenance"]["file"] == "mine.gguf"
    # A model in a folder outside has a placeholder.
    yours = json.loads(members["models-elsewhere/yours/weights.json"].data)
    assert yours == {"model.safetensors": hashlib.sha256(b"weights").hexdigest()}
    config = json.loads(members["run/config.json"].data)
    assert config["models"]["yours"]["source"] == "models-elsewhere/yours"
    # Weights that the run trained itself are packed.
    assert "results/tiny/weights/model.safetensors" in members


@pytest.mark.slow
@pytest.mark.xdist_group("converted")
def test_an_input_from_outside_is_named_and_hashed_and_can_be_supplied(project):
    members, _ = packing.read(project / LATEST)
    placeholder = "inputs-elsewhere/Elsewhere/questions.jsonl"
    stated = json.loads(members[placeholder].data)
    assert stated["sha256"] == hashlib.sha256(QUESTION.encode()).hexdigest()
    assert stated["bytes"] == len(QUESTION)
    assert json.loads(members["run/config.json"].data)["questions"] == placeholder
    assert not [name for name, member in members.items() if b"a private one" in member.data]
    count = "results/asked/count.json"
    text, status = verify(project, count)
    assert status == 0, text
    assert f"{count}: not run again: {placeholder} is not in the archive" in text
    at_hand = project.parent / "Elsewhere/questions.jsonl"
    text, status = verify(project, count, "--have", str(at_hand))
    assert status == 0, text
    assert f"{count}: same bytes" in text
    text, status = verify(project, count, "--have", str(project / "README.md"))
    assert status == 1
    assert "its SHA-256 is that of no input of the archived run" in text


@pytest.mark.long
@pytest.mark.xdist_group("converted")
@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("resources/link.jsonl", "results/asked/link.json"),
        ("untracked.jsonl", "results/asked/top.json"),
    ],
)
def test_an_input_within_the_project_that_is_not_packed_can_be_supplied(project, path, count):
    """A link to outside, and a file that git does not track."""
    members, _ = packing.read(project / LATEST)
    wanted = hashlib.sha256((project / path).read_bytes()).hexdigest()
    assert json.loads(members[path].data)["sha256"] == wanted
    text, status = verify(project, count)
    assert status == 0, text
    assert f"{count}: not run again: {path} is not in the archive" in text
    text, status = verify(project, count, "--have", str(project / path))
    assert status == 0, text
    assert f"{count}: same bytes" in text


@pytest.mark.slow
@pytest.mark.xdist_group("converted")
def test_verify_passes_and_replays_what_does_not_need_them(project):
    text, status = verify(project)
    assert status == 0, text
    assert "results/asked/claims.json: same bytes" in text
    assert "conforms to profile" in text


@pytest.mark.long
@pytest.mark.xdist_group("converted")
def test_a_job_that_needs_them_is_reported_and_they_can_be_made_again(project):
    text, status = verify(project, "results/asked/replies.json")
    assert status == 0, text
    assert f"results/asked/replies.json: not run again: {WEIGHTS} is not in the archive" in text
    text, status = verify(project, WEIGHTS)
    assert status == 0, text
    assert f"{WEIGHTS}: compared by its SHA-256" in text


def test_placeholders_have_the_kind_of_the_model(tmp_path):
    """So that a replay asks what the run asked, without the model's files."""
    template = "{{ messages }}{% if enable_thinking %}<think>{% endif %}\n"
    models = {"folder": {"source": str(tmp_path / "folder")}}
    models["file"] = {"source": str(tmp_path / "mine.gguf")}
    models["base"] = {"source": str(tmp_path / "base.gguf")}
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/chat_template.jinja").write_text(template)
    for name, text in (("mine", template), ("base", "")):
        head = kinds.GGUF_TEMPLATE + (8).to_bytes(4, "little") + len(text).to_bytes(8, "little")
        (tmp_path / f"{name}.gguf").write_bytes(b"GGUF" + (head + text.encode() if text else b""))
    config = {"models": models}
    known = {name: {"weights_sha256": {"model.safetensors": "0"}} for name in models}
    found = placeholders.elsewhere(config, known, tmp_path)
    assert set(found) == {
        "models-elsewhere/folder/weights.json",
        "models-elsewhere/folder/chat_template.jinja",
        *(f"models-elsewhere/{name}.gguf" for name in ("file", "base")),
        *(f"models-elsewhere/{name}/weights.json" for name in ("file", "base")),
    }
    for name, member in found.items():
        path = tmp_path / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(member.data)
    places = placeholders.places(config)
    moved = {
        name: {"source": str(tmp_path / "unpacked" / places[spec["source"]])}
        for name, spec in models.items()
    }
    for name in models:
        assert kinds.kind({"models": moved}, name) == kinds.kind(config, name), name
    assert kinds.kind(config, "file") == kinds.REASONING
    assert kinds.kind(config, "base") == kinds.BASE


def test_two_models_of_one_folder_have_a_placeholder_each(tmp_path):
    """As for one checkpoint in two precisions."""
    (tmp_path / "config.json").write_text("{}")
    models = {name: {"source": str(tmp_path), "dtype": name} for name in ("bfloat16", "float32")}
    known = {name: {"weights_sha256": {"model.safetensors": "0"}} for name in models}
    found = placeholders.elsewhere({"models": models}, known, tmp_path)
    assert set(found) == {f"models-elsewhere/{name}/weights.json" for name in models}
    assert placeholders.places({"models": models}) == {str(tmp_path): "models-elsewhere/float32"}
