"""Models through vLLM, in a child process with its own environment.

vLLM and this project pin different versions of transformers, so they need separate interpreters.
The child runs `vllm_worker.py` under the interpreter found by `interpreter`. It starts immediately,
to report its version, but loads the model at the first task: a run whose responses are all in the
store loads no model.
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

from workflow_scripts.inference import chat, noise
from workflow_scripts.inference.checkpoint import content, missing, revision
from workflow_scripts.inference.tasks import Draw, EngineError, Record, Score, Task
from workflow_scripts.inference.weight_files import refuse_damaged
from workflow_scripts.models import tokenizer_files
from workflow_scripts.shared.fingerprint import ROOT

# Stands for the code that decides a reply, in the key of the response store. It is a constant, so
# that refactoring loses no paid replies; see test_reply_code.py.
REPLY_CODE = "0717dc96e26d1e52"

WORKER = "workflow_scripts.inference.vllm_worker"
ENVIRONMENT = ".venv-vllm"  # created by `make vllm`
LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 2.0  # accepted unchanged by vLLM, beside 0
LAST_S = 20  # time for the child to end its own processes before it is killed


def interpreter(name: str, spec: dict[str, Any]) -> str:
    """The Python with vLLM: the one in the model's settings, this one, or that of `make vllm`.

    Raises `EngineError` with the remedy if there is none.
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
        f"models.{name}.engine: vllm needs a separate environment: `make vllm` creates "
        f"{ENVIRONMENT} (CPU), `snakemake --sdm conda` uses envs/vllm.yaml (GPU), or set "
        f"models.{name}.python to a Python that has vllm"
    )


def load(name: str, spec: dict[str, Any], checkpoint: str, **options: Any) -> "VllmEngine":
    """Start the child that will load the model. vLLM batches itself: `batch_tokens` is not used.

    Raises `EngineError` if there is no vLLM, or if attention is requested.
    """
    if options.get("attention"):
        raise EngineError(
            f"models.{name}.engine: vllm gives no attention weights; use engine transformers"
        )
    refuse_damaged(name, checkpoint)
    everything, weights = content(checkpoint, spec)
    differs = _differs(name, checkpoint, spec)
    draws_as = noise.of_checkpoint(checkpoint, weights, spec)
    child = _Child(name, spec, checkpoint, draws_as)
    identity = {
        "engine": "vllm",
        "checkpoint": everything,
        "dtype": spec.get("dtype", "float32"),
        "device": child.device,
        "tensor_parallel": spec.get("tensor_parallel", 1),
        "chat_template": chat.templated(spec),
        "thinking": spec.get("thinking"),
        "max_context": spec.get("max_context"),
        "versions": child.version,
        "code": REPLY_CODE,
        **_dates(checkpoint, spec),
        # Only where older code read the prompt otherwise: other stored replies are still found.
        **({"tokenizer": differs} if differs else {}),
    }
    return VllmEngine(name, child, identity, draws_as)


def _dates(checkpoint: str, spec: dict[str, Any]) -> dict[str, str]:
    """The date in the identity. The template of a hub model is not known before it is loaded.

    Its replies to prompts of another date are found by `rendered`.
    """
    template = chat.of_folder(checkpoint) if chat.templated(spec) else ""
    return chat.dates(template, spec) if template else {}


def _differs(name: str, checkpoint: str, spec: dict[str, Any]) -> list[str]:
    """What of the tokenizer older code read otherwise; nothing is known of a model not yet here."""
    try:
        return tokenizer_files.describe(checkpoint, **revision(spec)).differs
    except OSError:
        return []
    except ValueError as error:
        raise EngineError(missing(name, checkpoint, error)) from error


class VllmEngine:
    """A model in a child process, which ends with `close` or with the last reference."""

    engine = "vllm"

    def __init__(self, name: str, child: "_Child", identity: dict[str, Any], draws_as: str):
        self.name = name
        self.child = child
        self.identity = identity
        self.draws_as = draws_as
        self.dtype = identity["dtype"]
        self.version = child.version

    def run(self, tasks: Sequence[Task]) -> Iterator[list[Record]]:
        """Do all tasks as one stream; yield finished records batch by batch.

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
            if not done:  # remaining answers would be taken for those of another call
                self.close()

    def rendered(self, requests: Sequence[dict[str, Any]]) -> dict[str, str]:
        """The hash of each request's rendered prompt, by `request_id`; loads only the tokenizer."""
        self.child.tell(render=list(requests))
        return self.child.hear()["rendered"]

    def _check(self, request: dict[str, Any]) -> None:
        temperature = request["temperature"]
        if temperature and not LOWEST_TEMPERATURE <= temperature <= HIGHEST_TEMPERATURE:
            raise EngineError(
                f"models.{self.name}: request {request['item']!r}: vllm accepts temperature 0 or "
                f"{LOWEST_TEMPERATURE} to {HIGHEST_TEMPERATURE}, found {temperature}; engine "
                "transformers accepts any"
            )

    def close(self) -> None:
        """End the child."""
        self.child.close()


class _Child:
    """The worker process and the lines exchanged with it."""

    def __init__(self, name: str, spec: dict[str, Any], checkpoint: str, draws_as: str):
        self.name = name
        self.process = subprocess.Popen(
            [interpreter(name, spec), "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            start_new_session=True,  # when this process ends, the worker ends its whole group
        )
        self.close = weakref.finalize(self, _end, self.process)
        self.tell(name=name, spec=spec, checkpoint=checkpoint, draws_as=draws_as)
        first = self.hear()
        self.version: str = first["version"]
        self.device: str = first["device"]

    def tell(self, **content: Any) -> None:
        """Send one object. `hear` detects a worker that has ended."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(content, ensure_ascii=False) + "\n")
            self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Receive one object. Raises `EngineError` for a worker's error, or if it has ended."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line.endswith("\n"):
            raise EngineError(
                f"models.{self.name}: the vllm process ended with status {self.process.wait()}; "
                "see its messages in the log"
            )
        answer = json.loads(line)
        if "error" in answer:
            named = answer["error"].startswith(f"models.{self.name}.")
            raise EngineError(("" if named else f"models.{self.name}: ") + answer["error"])
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
