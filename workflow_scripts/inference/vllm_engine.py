"""Models through vLLM, which lives in an environment of its own: a child process runs it.

vLLM and this project pin different versions of transformers, so one interpreter cannot hold both.
The child is `vllm_worker.py` under the interpreter that `interpreter` finds. It starts at once (to
tell its version) but loads the model at the first task: a run that has all its responses in the
store loads nothing.
"""

import importlib.util
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from workflow_scripts.inference import chat
from workflow_scripts.inference.checkpoint import content
from workflow_scripts.inference.tasks import Draw, EngineError, Record, Score, Task
from workflow_scripts.shared.fingerprint import ROOT

# Stands for the code that decides a reply, in the name of the folder that keeps the replies. It is
# a constant so that no refactoring loses replies that were paid for; see test_reply_code.py.
REPLY_CODE = "0717dc96e26d1e52"

WORKER = "workflow_scripts.inference.vllm_worker"
ENVIRONMENT = ".venv-vllm"  # what `make vllm` makes
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 2.0  # what vLLM takes as it stands; and 0
LAST_S = 20  # for the child to take down what it started, before it is made to


def interpreter(name: str, spec: dict[str, Any]) -> str:
    """The Python that has vLLM: the one named in the model's settings, this one, or `make vllm`'s.

    Raises `EngineError` where there is none, with what to do.
    """
    if "python" in spec:
        if not os.access(spec["python"], os.X_OK):
            raise EngineError(f"models.{name}.python: there is no program {spec['python']}")
        return spec["python"]
    if importlib.util.find_spec("vllm"):
        return sys.executable
    made = ROOT / ENVIRONMENT / "bin" / "python"
    if made.exists():
        return str(made)
    raise EngineError(
        f"models.{name}.engine: vllm needs an environment of its own: `make vllm` makes "
        f"{ENVIRONMENT} (CPU), `snakemake --sdm conda` uses envs/vllm.yaml (GPU), and "
        f"models.{name}.python names one that you have"
    )


def load(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> "VllmEngine":
    """Start the child that will load the model. vLLM makes its own batches: no `batch_tokens`.

    Raises `EngineError` when there is no vLLM, or when the model's inside is asked for.
    """
    if options.get("attention"):
        raise EngineError(
            f"models.{name}.engine: vllm does not show attention; engine transformers does"
        )
    child = _Child(name, spec, checkpoint)
    identity = {
        "engine": "vllm",
        "checkpoint": content(checkpoint, spec),
        "dtype": spec.get("dtype", "float32"),
        "device": child.device,
        "tensor_parallel": spec.get("tensor_parallel", 1),
        "chat_template": chat.templated(spec),
        "thinking": spec.get("thinking"),
        "max_context": spec.get("max_context"),
        "versions": child.version,
        "code": REPLY_CODE,
    }
    return VllmEngine(name, child, identity)


class VllmEngine:
    """A model in a child process. `close` ends it; so does losing the last reference."""

    engine = "vllm"

    def __init__(self, name: str, child: "_Child", identity: dict[str, Any]):
        self.name = name
        self.child = child
        self.identity = identity
        self.dtype = identity["dtype"]
        self.version = child.version

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do all tasks as one stream; yield finished records a batch at a time.

        Raises `EngineError` for a temperature that vLLM would change or refuse.
        """
        rows: dict[str, int] = {}
        requests: list[dict[str, Any]] = []
        draws: list[tuple[int, int]] = []
        scores: list[int] = []
        for task in tasks:
            name = task.request["request_id"]
            if name not in rows:
                self._check(task.request)
                rows[name] = len(requests)
                requests.append(task.request)
            if isinstance(task, Draw):
                draws.append((rows[name], task.sample))
            elif isinstance(task, Score):
                scores.append(rows[name])
        self.child.tell(requests=requests, draws=draws, scores=scores)
        done = False
        try:
            while not (done := "done" in (answer := self.child.hear())):
                yield answer["records"]
        finally:
            if not done:  # what is still to come would be taken for the answer to another call
                self.close()

    def _check(self, request: dict[str, Any]) -> None:
        temperature = request["temperature"]
        if temperature and not LOWEST_TEMPERATURE <= temperature <= HIGHEST_TEMPERATURE:
            raise EngineError(
                f"models.{self.name}: request {request['item']!r}: vllm takes temperature 0 or "
                f"{LOWEST_TEMPERATURE} to {HIGHEST_TEMPERATURE}, found {temperature}; engine "
                "transformers takes any"
            )

    def close(self) -> None:
        """End the child."""
        self.child.close()


class _Child:
    """The worker's process and the lines to and from it."""

    def __init__(self, name: str, spec: dict[str, Any], checkpoint: str):
        self.name = name
        self.process = subprocess.Popen(
            [interpreter(name, spec), "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,  # it ends all of its own group when this process is gone
        )
        self.close = weakref.finalize(self, _end, self.process)
        self.tell(name=name, spec=spec, checkpoint=checkpoint)
        first = self.hear()
        self.version: str = first["version"]
        self.device: str = first["device"]

    def tell(self, **content: Any) -> None:
        """Send one object. A worker that is gone is noticed by `hear`."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(content, ensure_ascii=False) + "\n")
            self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Receive one object. Raises `EngineError` for the worker's own, or when it is gone."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            raise EngineError(
                f"models.{self.name}: the vllm process ended with status {self.process.wait()}; "
                "what it said stands in the log"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(f"models.{self.name}: {answer['error']}")
        return answer


def _end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    assert process.stdout
    with suppress(BrokenPipeError, subprocess.TimeoutExpired):
        process.stdin.write(json.dumps({"stop": True}) + "\n")
        process.stdin.flush()
        process.wait(timeout=LAST_S)
    with suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()
    process.wait()
