"""The real vLLM, in its own environment (`make vllm`), compared with the transformers engine."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from scipy import stats

from tests.inference import tiny
from workflow_scripts.inference import engines, runner, vllm_engine
from workflow_scripts.inference.requests import request, table
from workflow_scripts.inference.store import Store
from workflow_scripts.shared.fingerprint import ROOT

SPEC = tiny.SPEC | {"engine": "vllm"}
try:
    PYTHON = vllm_engine.interpreter("tiny", SPEC)
except engines.EngineError as error:
    PYTHON, WHY = None, str(error)
else:
    WHY = ""
with_vllm = pytest.mark.skipif(PYTHON is None, reason=WHY)
TOLERANCE = 1e-4  # nats: float32 through other kernels; measured 5e-5 on sums of a dozen tokens
WORDS = tiny.WORDS.split()
TURNS = [{"role": "user", "content": "which way?"}]


def misleading(folder):
    """A model whose own files specify other sampling, which must have no effect.

    vLLM's kernels for CPUs need heads of 32 or more.
    """
    tiny.save(folder, head_dim=32, words_only=True)
    path = folder / "generation_config.json"
    own = {"do_sample": True, "temperature": 0.05, "top_k": 2, "top_p": 0.3, "min_p": 0.5}
    own |= {"repetition_penalty": 3.0, "max_new_tokens": 3}
    path.write_text(json.dumps(json.loads(path.read_text()) | own))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return misleading(tmp_path_factory.mktemp("wide") / "model")


@pytest.fixture(scope="module")
def engine(checkpoint):
    return engines.load("tiny", tiny.SPEC, str(checkpoint))


@pytest.fixture(scope="module")
def vllm(checkpoint):
    engine = engines.load("tiny", SPEC, str(checkpoint))
    yield engine
    engine.close()


def mixed():
    """Requests of every kind: chat, bare, an open last turn, stops, options, echo, the limits."""
    common = {"seed": 5, "temperature": 0.0}
    long = "a" * 300
    yield request(
        "chat", messages=TURNS, max_tokens=24, choices=["A", " north of it", ""], **common
    )
    started = [*TURNS, {"role": "assistant", "content": "To the"}]
    yield request("open", messages=started, max_tokens=24, choices=[" river"], **common)
    for i in range(12):
        text = " ".join(WORDS[i % 5 : i + 2])
        options = ["A", "B", " seven hills", " the river runs"]
        yield request(
            f"bare {i}",
            prompt=text,
            max_tokens=24,
            choices=options[: i % 5],
            echo_logprobs=bool(i % 2),
            stop=["e", "hill"] if i % 3 == 0 else [],
            **common,
        )
    yield request("scores only", prompt="the", max_tokens=0, choices=["A"], **common)
    yield request("no room", prompt=long, max_tokens=9, choices=["A"], echo_logprobs=True, **common)


def on_the_edge(engine):
    """Prompts that leave room for -1, 0, 1 and 2 tokens."""
    for room in (-1, 0, 1, 2):
        text = "a" * (engine.context - room)
        yield request(
            f"room {room}",
            prompt=text,
            temperature=0.0,
            max_tokens=5,
            seed=1,
            choices=["A", " north of it"],
            echo_logprobs=True,
        )


def agree(ours, theirs):
    """Log-probabilities within the tolerance, null in the same places; how many were compared."""
    compared = 0
    for column in ("choice_logprobs", "logprobs"):
        for mine, other in zip(ours[column], theirs[column], strict=True):
            mine, other = json.loads(mine), json.loads(other)
            assert [value is None for value in mine] == [value is None for value in other]
            known = [(a, b) for a, b in zip(mine, other, strict=True) if a is not None]
            assert all(a == pytest.approx(b, abs=TOLERANCE) for a, b in known)
            compared += len(known)
    return compared


@with_vllm
@pytest.mark.slow
def test_greedy_replies_and_log_probabilities_are_those_of_transformers(engine, vllm, tmp_path):
    asked = table([*mixed(), *on_the_edge(engine)])
    ours = runner.generate(asked, engine, tmp_path / "transformers")
    theirs = runner.generate(asked, vllm, tmp_path / "vllm")
    same = ["request_id", "sample", "text", "finish_reason", "prompt_tokens", "completion_tokens"]
    assert theirs[same].equals(ours[same])
    assert set(ours["finish_reason"]) == {"stop", "length", "context"}
    assert agree(ours, theirs) > 400


@with_vllm
@pytest.mark.slow
def test_draws_follow_the_models_own_distribution(engine, vllm, tmp_path):
    """4,000 first tokens against the probabilities that transformers gives, cut to the top 8."""
    prompt, draws, kept = "the river", 4000, 8
    asked = table(
        [request("p", prompt=prompt, n=draws, temperature=1.5, top_k=kept, max_tokens=1, seed=9)]
    )
    found = runner.generate(asked, vllm, tmp_path)["text"].value_counts()
    with torch.inference_mode():
        ids = torch.tensor([engine.encode(prompt=prompt)])
        top = (engine.model(input_ids=ids).logits[0, -1] / 1.5).topk(kept)
    expected = dict.fromkeys(found.index, 0.0)  # parts of a character have the same text
    for token, p in zip(top.indices.tolist(), top.values.double().softmax(0).tolist(), strict=True):
        text = engine.text([token])
        expected[text] = expected.get(text, 0.0) + p * draws
    assert len(expected) >= 4
    assert min(expected.values()) > 5
    observed = [int(found.get(text, 0)) for text in expected]
    assert stats.chisquare(observed, list(expected.values())).pvalue > 1e-3


@with_vllm
@pytest.mark.slow
def test_a_draw_depends_on_its_seed_alone(vllm, checkpoint, tmp_path):
    """Independent of the neighbours, their order, the process, and an earlier kill."""

    def rows(seed, items):
        return [
            request(
                f"{i}",
                prompt=" ".join(WORDS[: i + 1]),
                n=6,
                temperature=1.0,
                max_tokens=12,
                seed=seed,
            )
            for i in items
        ]

    whole = runner.generate(table(rows(1, range(8))), vllm, tmp_path / "whole")
    backwards = runner.generate(table(rows(1, range(7, -1, -1))), vllm, tmp_path / "backwards")
    columns = ["request_id", "sample"]
    assert backwards.sort_values(columns, ignore_index=True).equals(
        whole.sort_values(columns, ignore_index=True)
    )
    other = runner.generate(table(rows(2, range(8))), vllm, tmp_path / "other")
    assert (other["text"] != whole["text"]).mean() > 0.8
    assert whole.groupby("request_id")["text"].nunique().min() > 1
    again = engines.load("tiny", SPEC, str(checkpoint))
    alone = runner.generate(table(rows(1, [3])), again, tmp_path / "alone")
    again.close()
    mine = whole[whole["request_id"].isin(alone["request_id"])].reset_index(drop=True)
    assert alone.equals(mine)


@with_vllm
@pytest.mark.slow
def test_draws_of_more_prompts_than_one_pass_holds(vllm, tmp_path):
    """9,600 tokens, more than the 4,096 of one pass: no prompt is processed in parts."""
    asked = table(
        request(f"{i}", prompt="a" * (100 + i), temperature=1.0, n=8, max_tokens=4, seed=i)
        for i in range(12)
    )
    whole = runner.generate(asked, vllm, tmp_path / "whole")
    parts = [
        runner.generate(asked.iloc[[i]].reset_index(drop=True), vllm, tmp_path / f"{i}")
        for i in range(0, 12, 5)
    ]
    assert whole["prompt_tokens"].sum() > 2 * 4096
    for part in parts:
        mine = whole[whole["request_id"].isin(part["request_id"])].reset_index(drop=True)
        assert part.equals(mine)


CHILD = """
import sys
from tests.inference import test_vllm_engine as test
test.job(sys.argv[1])
"""


def many():
    return table(
        request(
            f"{i}",
            prompt=" ".join(WORDS[: i % 9 + 1]),
            n=40,
            temperature=1.0,
            max_tokens=40,
            seed=i,
        )
        for i in range(40)
    )


def job(checkpoint):
    engine = engines.load("tiny", SPEC, checkpoint)
    return runner.generate(many(), engine, "store")


def children_of(parent):
    found = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True)
    pairs = [line.split() for line in found.stdout.splitlines()[1:]]
    return [int(pid) for pid, of in pairs if int(of) == parent]


@with_vllm
@pytest.mark.slow
def test_a_killed_job_goes_on_and_leaves_no_process(checkpoint, vllm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-c", CHILD, str(checkpoint)]
    child = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    store = tmp_path / "store"
    until = time.monotonic() + 120
    while not any(store.glob("*.jsonl")) or len(Store(store)) < 256:
        assert time.monotonic() < until
        assert child.poll() is None
        time.sleep(0.02)
    [worker] = children_of(child.pid)
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = len(Store(store))
    assert kept < 1600
    until = time.monotonic() + 10
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < until:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{worker}")

    asked = []
    run = vllm.run
    monkeypatch.setattr(vllm, "run", lambda tasks: asked.extend(tasks) or run(tasks))
    resumed = runner.generate(many(), vllm, "store")
    assert len(asked) == 1600 - kept
    assert resumed.equals(runner.generate(many(), vllm, tmp_path / "undisturbed"))


def loaded(engine):
    """Which of the two have compiled code in the engine's child."""
    with open(f"/proc/{engine.child.process.pid}/maps") as maps:
        found = maps.read()
    return {name for name in ("vllm", "torch") if f"site-packages/{name}/" in found}


@with_vllm
@pytest.mark.slow
def test_a_finished_run_loads_no_model(vllm, checkpoint, tmp_path):
    asked = table([request("a", prompt="x", temperature=0.0, max_tokens=2, seed=1)])
    first = runner.generate(asked, vllm, tmp_path)
    again = engines.load("tiny", SPEC, str(checkpoint))
    assert again.identity == vllm.identity
    assert runner.generate(asked, again, tmp_path).equals(first)
    assert loaded(vllm) == {"vllm", "torch"}
    assert loaded(again) <= {"torch"}  # transformers' tokenizers import it
    again.close()


@with_vllm
@pytest.mark.slow
def test_what_it_cannot_do_is_one_line(checkpoint, tmp_path):
    settings = {"prompt": "x", "max_tokens": 2, "seed": 1}
    for temperature in (3.0, 0.001):
        odd = table([request("odd", temperature=temperature, **settings)])
        engine = engines.load("tiny", SPEC, str(checkpoint))
        with pytest.raises(engines.EngineError, match=r"request 'odd': vllm accepts temperature 0"):
            runner.generate(odd, engine, tmp_path / "a")
        engine.close()
    plain = table([request("plain", temperature=0.0, **settings)])
    bare = tiny.save(tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    engine = engines.load("bare", SPEC, str(bare))
    with pytest.raises(engines.EngineError, match=r"set models.bare.chat_template: false"):
        runner.generate(plain, engine, tmp_path / "b")
    engine.close()
    (bare / "config.json").write_text('{"model_type": "none such"}')
    engine = engines.load("gone", SPEC | {"chat_template": False}, str(bare))
    with pytest.raises(engines.EngineError, match=r"models.gone.source: .* does not load"):
        runner.generate(plain, engine, tmp_path / "c")
    engine.close()


def test_without_vllm_one_line_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(vllm_engine, "ROOT", tmp_path)
    monkeypatch.setattr(vllm_engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(engines.EngineError, match=r"`make vllm`.*--sdm conda.*models.m.python"):
        vllm_engine.interpreter("m", SPEC)
    with pytest.raises(engines.EngineError, match=r"models.m.python: there is no program /no/such"):
        vllm_engine.interpreter("m", SPEC | {"python": "/no/such"})
    made = tmp_path / ".venv-vllm" / "bin" / "python"
    made.parent.mkdir(parents=True)
    made.touch()
    assert vllm_engine.interpreter("m", SPEC) == str(made)
    assert vllm_engine.interpreter("m", SPEC | {"python": sys.executable}) == sys.executable


def test_a_worker_that_dies_is_one_line(monkeypatch, checkpoint):
    monkeypatch.setattr(vllm_engine, "WORKER", "no_such_module")
    with pytest.raises(engines.EngineError, match=r"models.tiny: the vllm process ended with st"):
        engines.load("tiny", SPEC | {"python": sys.executable}, str(checkpoint))


def test_attention_is_refused(checkpoint):
    with pytest.raises(engines.EngineError, match="vllm gives no attention weights"):
        engines.load("tiny", SPEC, str(checkpoint), attention="eager")
