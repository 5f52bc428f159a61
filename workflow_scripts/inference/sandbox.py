"""Run programs that a model wrote, isolated and with bounded resources.

Without containers no single layer is sufficient, so there are several: a separate Python (`-I -S`:
no environment, no site-packages), an empty folder, an empty environment, kernel limits (CPU time,
memory, no bytes written to files, few open files), namespaces without network and with their own
process table where the kernel permits them, a wall-clock limit, a bounded read of the output,
Landlock against reading files where the kernel has it, and an audit hook that refuses to change
files, start programs, load C libraries or open sockets, and without Landlock to read files. This
contains accidents and mischief in a model's program; it does not stop an expert attacker.

Each run is a process of its own (`guard.py` forks it), with real files as standard input and
output, so that programs may use `sys.stdin.buffer`, `open(0)` or `os.read`.
"""

import contextlib
import importlib.util
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from workflow_scripts.inference import guard

# Tracebacks of programs name the guard, not its path, which names the project and its user.
LOAD = "import sys; exec(compile(open(sys.argv[1]).read(), 'guard', 'exec'))"
LOADER = (sys.executable, "-I", "-S", "-c", LOAD)
START_S = 120.0  # within which the guard must be ready; it takes 0.05 s on an idle core


class SandboxError(RuntimeError):
    """The sandbox does not work on this machine; no fault of a program."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of one run. `output_bytes` applies to standard output and errors each."""

    cpu_s: int
    wall_s: float
    memory_mb: int
    output_bytes: int


@dataclass(frozen=True)
class Outcome:
    """The result of a program. `status` is ok, error, cpu, wall or output.

    `network_cut` is True if it ran in a namespace without network; the audit hook refuses sockets
    in any case. `reads` names what kept it from reading files (`guard.name`).
    """

    status: str
    output: str
    errors: str
    wall_s: float
    network_cut: bool
    reads: str


def run(program: str, limits: Limits) -> Outcome:
    """Run Python source in a fresh interpreter. Never raises because of the program.

    Only there do hashes and addresses differ from run to run, which a program may draw from.
    """
    with Sandbox(limits) as sandbox:
        return sandbox.run(program)


def reads() -> str:
    """What keeps programs from reading files on this machine, for the provenance."""
    return guard.name(guard.abi())


class Sandbox:
    """Runs programs one after the other, each in a process of its own; a context.

    With `graded`, programs have the prelude of the official grader, `sys.exit` is a normal end, and
    the last line of `errors` is the error as JSON.
    With `numpy` they may import the numpy of this Python.
    """

    def __init__(self, limits: Limits, graded: bool = False, numpy: bool = False) -> None:
        self.limits = limits
        self._settings = {
            "limits": asdict(limits),
            "graded": graded,
            "numpy": _numpy() if numpy else None,
            "landlock": guard.abi(),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, program: str, given: str = "", function: str = "") -> Outcome:
        """Run the program with `given` as standard input, or call its `function`.

        The arguments (`given`) and the result (the output) of a function are JSON. Never raises
        because of the program; raises `SandboxError` if the sandbox cannot start.
        """
        if self._process is None:
            self._start()
        source = program.encode("utf-8", "replace").decode()
        job = json.dumps({"source": source, "function": function})
        numpy = self._settings["numpy"] and "numpy" in program
        started = time.monotonic()
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(2)]
            for file, text in zip(files, (job, given), strict=True):
                file.write(text.encode("utf-8", "replace"))
                file.seek(0)
            ends = [os.pipe(), os.pipe()]
            pipes = [stack.enter_context(os.fdopen(read, "rb")) for read, _ in ends]
            sent = [*(each.fileno() for each in files), *(write for _, write in ends)]
            try:
                socket.send_fds(self._channel, [guard.NUMPY if numpy else guard.PLAIN], sent)
            finally:
                for _, write in ends:
                    os.close(write)
            status, output, errors = self._watch(pipes, started + self.limits.wall_s)
        if status in ("wall", "output", "lost"):
            self.close()  # with all its processes; the next run starts anew
            status = "error" if status == "lost" else status
        spent = time.monotonic() - started
        return Outcome(status, output, errors, spent, bool(_namespaces()), self._reads)

    def _start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="program-")
        own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._channel = own
        with theirs:
            self._process = subprocess.Popen(
                [*_namespaces(), *LOADER, guard.__file__, str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                cwd=self._folder.name,
                env={},
                start_new_session=True,
            )
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(self._settings).encode())
            self._process.stdin.close()
        own.settimeout(START_S)
        try:
            ready = own.recv(4096)
        except TimeoutError:
            ready = b""
        own.settimeout(None)
        if not ready:
            self._kill()
            said = self._process.stderr.read().decode("utf-8", "replace").strip()
            self.close()
            raise SandboxError(
                f"expected the sandbox for programs to start within {START_S:g} s; it ended with: "
                f"{said.splitlines()[-1] if said else 'no message'}"
            )
        self._reads = str(json.loads(ready)["guard"])

    def _watch(self, pipes: Sequence[BinaryIO], deadline: float) -> tuple[str, str, str]:
        """Read both pipes and the report until the program ends or exceeds a limit."""
        texts = [bytearray(), bytearray()]
        report: dict[str, Any] = {}
        status, most = "ok", self.limits.output_bytes
        with selectors.DefaultSelector() as selector:
            for number, pipe in enumerate(pipes):
                selector.register(pipe, selectors.EVENT_READ, number)
            selector.register(self._channel, selectors.EVENT_READ, None)
            while selector.get_map() and status == "ok":
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    status = "wall"
                for entry, _ in ready:
                    if entry.data is None:
                        selector.unregister(entry.fileobj)
                        message = self._channel.recv(4096)
                        report = json.loads(message) if message else {}
                        status = "ok" if message else "lost"
                        continue
                    chunk = os.read(entry.fd, 65536)
                    if not chunk:
                        selector.unregister(entry.fileobj)
                    if entry.data == 1 and self._settings["graded"]:  # only its end counts
                        texts[1] = (texts[1] + chunk)[-most:]
                        continue
                    texts[entry.data] += chunk[: most - len(texts[entry.data]) + 1]
                    if len(texts[entry.data]) > most:
                        status = "output"
        if status == "ok" and report["status"]:
            ended = -os.waitstatus_to_exitcode(report["status"])
            late = ended == signal.SIGKILL and report["cpu_s"] > self.limits.cpu_s
            status = "cpu" if ended == signal.SIGXCPU or late else "error"
        out, err = (bytes(text[:most]).decode("utf-8", "replace") for text in texts)
        return status, out, err

    def _kill(self) -> None:
        """Kill the program and all its processes; the group may outlive its leader."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End the sandbox. A later `run` starts it anew."""
        if self._process is None:
            return
        self._kill()
        for stream in (self._process.stdin, self._process.stderr, self._channel):
            if stream:
                stream.close()
        self._folder.cleanup()
        self._process = None


@cache
def _numpy() -> str:
    """The folder of this Python's numpy."""
    found = importlib.util.find_spec("numpy")
    if found is None or found.origin is None:
        raise SandboxError("expected numpy beside this Python; install it or set `numpy: false`")
    return str(Path(found.origin).resolve().parent)


@cache
def _namespaces() -> tuple[str, ...]:
    """The command that isolates network and processes; empty if the kernel does not permit it."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    command = (unshare, "-r", "-n", "-p", "-f", "--kill-child")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ()
