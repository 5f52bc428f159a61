"""Peers of the runner in processes of their own: vLLM's offline call, and llama.cpp's server."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from workflow_scripts.inference.vllm_model import CPU_VARIABLES, VARIABLES
from workflow_scripts.models import convert
from workflow_scripts.shared.fingerprint import ROOT

READY_S = 180
SLOTS = 8  # of llama.cpp's server: requests that it answers at the same time
CONTEXT = 512

# Settings of the engine that affect speed are those of `vllm_model._engine`.
VLLM = """
import json, os, sys, time
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from vllm import LLM, SamplingParams
model = LLM(model=sys.argv[1], dtype=sys.argv[2], max_model_len=int(sys.argv[3]) + 1, seed=0,
            enforce_eager=True, enable_chunked_prefill=False, kv_cache_memory_bytes=1 << 30,
            generation_config="vllm")
for line in sys.stdin:
    asked = json.loads(line)
    prompts = [{"prompt_token_ids": ids} for ids in asked["ids"]]
    params = [SamplingParams(**each) for each in asked["params"]]
    wall, cpu = time.perf_counter(), time.process_time()
    made = model.generate(prompts, params, use_tqdm=False)
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    tokens = [list(each.outputs[0].token_ids) for each in made]
    print(json.dumps({"took": took, "tokens": tokens}), file=answers, flush=True)
"""


def cpu_s(process: int) -> float:
    """CPU seconds of another process, over all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Vllm:
    """A process with the model loaded in vLLM, one thread."""

    def __init__(self, python: str, model: str, dtype: str, context: int) -> None:
        variables = VARIABLES | CPU_VARIABLES | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            [python, "-c", VLLM, model, dtype, str(context)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | variables,
        )

    def ask(self, ids: Sequence[list[int]], params: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Token ids of each reply (`tokens`) and the seconds that they took (`took`)."""
        assert self.process.stdin
        assert self.process.stdout
        asked = json.dumps({"ids": list(ids), "params": list(params)})
        self.process.stdin.write(asked + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


class LlamaCpp:
    """llama.cpp's server on loopback, with a model of 4-bit weights, one thread and 8 slots."""

    def __init__(self, package: dict[str, str]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        file = convert.located(package, Path(self.folder.name))
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "tests.inference.llamacpp_server", str(file), str(port)]
        with open(Path(self.folder.name) / "log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*command, str(SLOTS), str(CONTEXT), "512"],
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            )
        until = time.monotonic() + READY_S
        while self.process.poll() is None and time.monotonic() < until:
            with suppress(URLError, OSError), urlopen(f"{self.url}/health", timeout=1):
                return
            time.sleep(0.2)
        self.close()
        raise SystemExit("llama.cpp's server did not start")

    def ask(self, texts: Sequence[str], settings: dict[str, Any]) -> list[str]:
        """Replies to `texts`; request i has seed i. `settings` are fields of `/completion`."""
        with ThreadPoolExecutor(SLOTS) as several:
            return list(several.map(partial(self._one, settings), range(len(texts)), texts))

    def _one(self, settings: dict[str, Any], seed: int, text: str) -> str:
        body = json.dumps({"prompt": text, "seed": seed} | settings).encode()
        headers = {"Content-Type": "application/json"}
        asked = Request(f"{self.url}/completion", body, headers)
        with urlopen(asked, timeout=600) as reply:
            return json.load(reply)["content"]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()
