"""Run a program that a model wrote, isolated in a fresh interpreter with bounded resources.

Without containers no single layer is sufficient, so there are several: a separate Python (`-I -S`:
no environment, no site-packages), an empty folder, an empty environment, kernel limits (CPU time,
memory, no bytes written to files, few open files), namespaces without network and with their own
process table where the kernel permits them, a wall-clock limit, a bounded read of the output, and
an audit hook that refuses to change files, start programs, load C libraries or open sockets. This
contains accidents and mischief in a model's program; it does not stop an expert attacker.
"""

import contextlib
import os
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from typing import IO

# Runs before the program, in its interpreter. Audit hooks cannot be removed again.
GUARD = """
import sys
def _guard():
    refused = ("socket.", "subprocess.", "ctypes.", "os.system", "os.exec", "os.fork", "os.posix",
               "os.spawn", "os.startfile", "os.remove", "os.rename", "os.rmdir", "os.mkdir",
               "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime",
               "os.kill", "os.putenv", "shutil.", "pty.", "webbrowser.", "sqlite3.", "mmap.")
    writing = ("w", "a", "x", "+")
    def hook(event, arguments):
        if event.startswith(refused):
            raise PermissionError("refused: " + event)
        if event == "open":
            path, mode, flags = arguments
            if (mode and any(letter in mode for letter in writing)) or (flags and flags & 0o3):
                raise PermissionError("refused: open for writing")
    sys.addaudithook(hook)
_guard()
del _guard
exec(compile(sys.stdin.read(), "program", "exec"), {"__name__": "__main__"})
"""


@dataclass(frozen=True)
class Limits:
    """Resource limits of a program. `output_bytes` applies to standard output and error each."""

    cpu_s: int
    wall_s: float
    memory_mb: int
    output_bytes: int


@dataclass(frozen=True)
class Outcome:
    """The result of a program. `status` is ok, error, cpu, wall or output.

    `network_cut` is True if it ran in a namespace without network; the audit hook refuses sockets
    in any case.
    """

    status: str
    output: str
    errors: str
    wall_s: float
    network_cut: bool


def run(program: str, limits: Limits) -> Outcome:
    """Run Python source with empty standard input. Never raises because of the program."""
    started, used = time.monotonic(), _cpu_s()
    with tempfile.TemporaryDirectory(prefix="program-") as folder:
        process = subprocess.Popen(
            [*_namespaces(), sys.executable, "-I", "-S", "-c", GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={},
            start_new_session=True,
            preexec_fn=lambda: _limit(limits),
        )
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(program.encode("utf-8", "replace"))
                process.stdin.close()
            status, output, errors = _watch(process, limits, started + limits.wall_s)
        finally:
            _kill(process)
    if status == "ok" and process.returncode:
        # `unshare` does not report which signal ended its child; infer it from the CPU time used.
        status = "cpu" if _cpu_s() - used >= 0.9 * limits.cpu_s else "error"
    return Outcome(status, output, errors, time.monotonic() - started, bool(_namespaces()))


def _watch(
    process: "subprocess.Popen[bytes]", limits: Limits, deadline: float
) -> tuple[str, str, str]:
    """Read both pipes until they close, time runs out, or one exceeds its limit."""
    texts = {"out": bytearray(), "err": bytearray()}
    status = "ok"
    with selectors.DefaultSelector() as selector:
        pipes: dict[str, IO[bytes] | None] = {"out": process.stdout, "err": process.stderr}
        for name, pipe in pipes.items():
            assert pipe is not None
            selector.register(pipe, selectors.EVENT_READ, name)
        while selector.get_map() and status == "ok":
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                status = "wall"
            for entry, _ in ready:
                chunk = os.read(entry.fd, 65536)
                if not chunk:
                    selector.unregister(entry.fileobj)
                texts[entry.data] += chunk[: limits.output_bytes - len(texts[entry.data]) + 1]
                if len(texts[entry.data]) > limits.output_bytes:
                    status = "output"
    if status == "ok":
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = "wall"  # it closed its pipes but did not end
    out, err = (bytes(texts[name][: limits.output_bytes]) for name in ("out", "err"))
    return status, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the program and all its processes; the group may outlive its leader."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


def _cpu_s() -> float:
    """CPU time in seconds of all children of this process that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _limit(limits: Limits) -> None:
    """Set the kernel limits; runs in the child before the program."""
    memory = limits.memory_mb << 20
    for what, most in (
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


@cache
def _namespaces() -> tuple[str, ...]:
    """The command that isolates network and processes; empty if the kernel does not permit it."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    command = (unshare, "-r", "-n", "-p", "-f", "--kill-child")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ()
