"""Engine openai against real servers on loopback that serve a small model."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.inference import tiny
from tests.inference.asking import QUICK
from tests.inference.test_vllm_engine import PYTHON, TOLERANCE, agree, misleading, mixed, with_vllm
from workflow_scripts.inference import engines, noise, probe, runner
from workflow_scripts.inference.requests import request, table

READY_S = 180
COLUMNS = ["request_id", "sample", "text", "finish_reason", "prompt_tokens", "completion_tokens"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return misleading(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="module")
def engine(checkpoint):
    return engines.load("tiny", tiny.SPEC, str(checkpoint))


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(command, port, health, log, **variables):
    """A server in its own process group, once it answers; stopped at the end."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | variables
    with open(log, "w") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, env=environment, start_new_session=True
        )
    try:
        until = time.monotonic() + READY_S
        while True:
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < until, log.read_text()[-2000:]
            try:
                with urlopen(f"http://127.0.0.1:{port}{health}", timeout=1):
                    break
            except (URLError, OSError):
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="module")
def vllm_url(checkpoint, tmp_path_factory):
    port = free_port()
    command = [PYTHON, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint)]
    command += ["--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--max-model-len", "256", "--enforce-eager"]
    command += ["--kv-cache-memory-bytes", str(1 << 30)]
    variables = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1"}
    variables |= {"DO_NOT_TRACK": "1", "TORCHDYNAMO_DISABLE": "1"}
    log = tmp_path_factory.mktemp("server") / "log"
    with running(command, port, "/health", log, **variables) as url:
        yield url


def compared_rows(responses):
    """The part on which servers and engines agree: servers omit an incomplete character at the
    end."""
    texts = responses["text"].str.rstrip("\ufffd")
    return responses[COLUMNS].assign(text=texts).to_dict("records")


def asking(url, dialect, **settings):
    server = QUICK | {"url": url, "dialect": dialect, "timeout_s": 120} | settings
    return engines.load("served", {"source": "tiny", "engine": "openai", "server": server}, "")


@with_vllm
@pytest.mark.slow
def test_a_vllm_server_answers_as_transformers_does(engine, vllm_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = table(mixed())
    ours = runner.generate(asked, engine, "transformers")
    theirs = runner.generate(asked, asking(vllm_url, "vllm"), "served")
    assert compared_rows(theirs) == compared_rows(ours)
    assert agree(ours, theirs) > 50


@with_vllm
@pytest.mark.slow
def test_a_vllm_server_draws_as_vllm_in_a_process_does(checkpoint, vllm_url, tmp_path, monkeypatch):
    """Equal seeds give equal draws, so the server is sent the same sampling fields.

    A seed depends on the model: here its name on the server, there its weights.
    """
    monkeypatch.chdir(tmp_path)
    own = noise.of_server({"source": "tiny"})
    monkeypatch.setattr(noise, "of_checkpoint", lambda *_: own)
    asked = table(
        request(
            f"{i}",
            prompt="the river",
            n=5,
            temperature=0.9,
            top_p=0.8,
            top_k=30,
            max_tokens=12,
            seed=i,
        )
        for i in range(6)
    )
    served = runner.generate(asked, asking(vllm_url, "vllm"), "served")
    offline = engines.load("tiny", tiny.SPEC | {"engine": "vllm"}, str(checkpoint))
    alone = runner.generate(asked, offline, "alone")
    offline.close()
    assert compared_rows(served) == compared_rows(alone)
    assert served["text"].nunique() > 10


@with_vllm
@pytest.mark.slow
def test_options_by_the_likeliest_first_tokens(engine, vllm_url, tmp_path, monkeypatch):
    """The standard way, as with vendors: the options are among the reported tokens."""
    monkeypatch.chdir(tmp_path)
    turns = [{"role": "user", "content": "which way?"}]
    fields = {"messages": turns, "temperature": 0.0, "max_tokens": 0, "seed": 1}
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    options = [*letters, *(f" {word}" for word in tiny.WORDS.split()), "two words"]
    asked = table([request("q", choices=options, **fields)])
    exact = json.loads(runner.generate(asked, engine, "exact")["choice_logprobs"][0])
    told = asking(vllm_url, "plain")
    told = json.loads(runner.generate(asked, told, "told")["choice_logprobs"][0])
    pairs = list(zip(exact, told, strict=True))
    known = [(a, b) for a, b in pairs if not isinstance(b, dict)]
    assert len(known) >= 3
    assert all(a == pytest.approx(b, abs=TOLERANCE) for a, b in known)
    assert all(a <= b["at_most"] + TOLERANCE for a, b in pairs if isinstance(b, dict))
    assert isinstance(told[-1], dict)


@with_vllm
@pytest.mark.slow
def test_the_probe_finds_all_that_a_vllm_server_has(vllm_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server = QUICK | {"url": vllm_url, "dialect": "vllm", "timeout_s": 120}
    spec = {"source": "tiny", "engine": "openai", "server": server}
    facts = probe.ask("served", spec)["facts"]
    found = {name: fact["answer"] for name, fact in facts.items()}
    # A model that was not trained does not count, and its draws decide nothing about samplers.
    assert {name for name, answer in found.items() if answer != "yes"} <= {"open", "samplers"}, (
        facts
    )
    assert "no" not in found.values(), facts


SERVE = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'x'; main()"


@pytest.mark.slow
def test_transformers_own_server_answers_as_transformers_does(tmp_path, monkeypatch):
    """A llama without stop strings: this server parses replies of every qwen3 with its own
    template, and matches a stop string across the boundary of prompt and reply."""
    pytest.importorskip("fastapi", reason="`transformers serve` needs fastapi, uvicorn and openai")
    monkeypatch.chdir(tmp_path)
    checkpoint = tiny.save(tmp_path / "model", "llama", words_only=True)
    engine = engines.load("tiny", tiny.SPEC, str(checkpoint))
    port = free_port()
    command = [sys.executable, "-c", SERVE, "serve", str(checkpoint), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--dtype", "float32", "--device", "cpu"]
    turns = [{"role": "user", "content": "which way?"}]
    asked = table(
        request(
            f"{i}",
            messages=[*turns, {"role": "user", "content": word}],
            temperature=0.0,
            max_tokens=12,
            seed=i,
        )
        for i, word in enumerate(tiny.WORDS.split()[:6])
    )
    server = QUICK | {"timeout_s": 120}
    with running(command, port, "/health", tmp_path / "log") as url:
        spec = {"source": str(checkpoint), "engine": "openai", "server": server | {"url": url}}
        theirs = runner.generate(asked, engines.load("served", spec, ""), "served")
        facts = probe.ask("served", spec)["facts"]
    ours = runner.generate(asked, engine, "ours")
    assert compared_rows(theirs) == compared_rows(ours)
    found = {name: fact["answer"] for name, fact in facts.items()}
    assert found["model"] == found["greedy"] == found["usage"] == "yes"
    assert found["logprobs"] == "no", facts
    assert found["samplers"] == "unknown"
