"""The process in which programs of models run: `python -I -S -c LOADER guard.py SOCKET`.

It confines itself, then runs each program that it is sent in a forked copy of itself, whose
descriptors 0, 1 and 2 are files of the caller. It reports how each copy ended. `sandbox.py` starts
it and explains the layers. It imports few modules, because it starts once per drawn number.

Reads are confined by Landlock where the kernel has it, otherwise by the audit hook. What may be
read: the standard library, the shared libraries of the system, and numpy if the job allows it.
"""

from __future__ import annotations

import _io
import atexit
import builtins
import contextlib
import ctypes
import gc
import io
import json
import os
import resource
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn

AUDIT = "audit hook"
# System calls of Landlock, which have the same numbers on all architectures but alpha.
CREATE, ADD, RESTRICT = 444, 445, 446
ABI_ONLY = 1  # flag of CREATE
NO_NEW_PRIVILEGES = 38  # option of prctl
BENEATH = 1  # a rule on all that is beneath a path
READ_FILE, READ_DIR = 1 << 2, 1 << 3
FIRST_RIGHTS = (1 << 13) - 1  # rights on files of ABI 1
ADDED = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # the right that an ABI added
TCP = 0b11  # bind and connect, from ABI 4
SCOPES = 0b11  # abstract sockets and signals, from ABI 6
NOT_ITS_OWN = ("site-packages", "dist-packages")  # folders within that of the standard library
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo")
FILES = ("/etc/ld.so.cache", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")

# Audit events by which a program would reach outside.
REFUSED = (
    *("socket.", "subprocess.", "ctypes.", "os.system", "os.exec", "os.fork", "os.posix"),
    *("os.spawn", "os.startfile", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link"),
    *("os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.kill", "os.putenv"),
    *("shutil.", "pty.", "webbrowser.", "sqlite3.", "mmap."),
)
# Names of descriptors, which lead to /proc, where nothing can be read.
DEVICES = {f"/dev/{stream}": at for at, stream in enumerate(("stdin", "stdout", "stderr"))}
LOCAL = 1  # family of sockets AF_UNIX
LISTING = ("os.listdir", "os.scandir", "os.chdir")
# What acts without an audit event: modules that read files or start an interpreter without the
# hook, and functions by which a program would start another, or outlive or end the guard.
UNAUDITED_MODULES = (
    *("_dbm", "_gdbm", "readline", "_curses", "_tkinter", "pwd", "grp", "spwd", "nis"),
    *("_interpreters", "_xxsubinterpreters", "_testcapi", "_testinternalcapi"),
)
UNAUDITED_FUNCTIONS = ("setsid", "setpgid", "setpgrp", "pidfd_open", "getlogin")

# What the grader of LiveCodeBench puts before a program, in its order: later names replace earlier
# ones. Then the modules themselves, so that `datetime` is the module.
STARS = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random"),
    *("statistics", "itertools", "functools", "operator", "io", "sys", "json", "builtins"),
    "typing",
)
MODULES = STARS[:-2]
PLAIN, NUMPY = b"p", b"n"  # messages: run a program; load numpy before it
DEPTH = 50_000  # the recursion limit, and the most digits of a number that is read or printed


def abi() -> int:
    """The version of the kernel's Landlock; 0 without it."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(CREATE, None, 0, ABI_ONLY))


def name(version: int) -> str:
    """The guard on reads, for Landlock's ABI `version`, as the provenance states it."""
    return f"Landlock ABI {version}" if version else AUDIT


def readable(numpy: str | None) -> Iterator[tuple[str, int]]:
    """What a program may read: paths with rights on all beneath them.

    `numpy` is the folder of the package. The whole folder of the standard library can be listed,
    but the files of other packages in it cannot be read.
    """
    both = READ_FILE | READ_DIR
    yield os.getcwd(), both
    for folder in sys.path:
        if os.path.isdir(folder):
            yield folder, READ_DIR
            for each in os.listdir(folder):
                if each not in NOT_ITS_OWN:
                    yield os.path.join(folder, each), READ_FILE
        elif os.path.exists(folder):  # a zipped library
            yield folder, READ_FILE
    libraries = os.path.join(sys.base_prefix, "lib")
    for each in os.listdir(libraries) if os.path.isdir(libraries) else ():
        if ".so" in each:
            yield os.path.join(libraries, each), READ_FILE
    for system in SYSTEM:
        yield system, both
    for file in FILES:
        yield file, READ_FILE
    if numpy:
        yield numpy, both
        yield os.path.join(os.path.dirname(numpy), "numpy.libs"), both


def _call(number: int, *arguments: int | bytes | None) -> int:
    """A system call; -1 if it fails, with the reason in `ctypes.get_errno`."""
    wide = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *wide))


def landlock(paths: list[tuple[str, int]], version: int) -> None:
    """Give up all access to files but to read `paths`. Raises `OSError` if the kernel refuses."""

    def call(number: int, *arguments: int | bytes) -> int:
        found = _call(number, *arguments)
        if found < 0:
            raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
        return found

    rights = FIRST_RIGHTS | sum(right for since, right in ADDED.items() if version >= since)
    handled = struct.pack("=Q", rights)
    handled += struct.pack("=Q", TCP) if version >= 4 else b""
    handled += struct.pack("=Q", SCOPES) if version >= 6 else b""
    ruleset = call(CREATE, handled, len(handled), 0)
    for path, right in paths:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        right = right if os.path.isdir(path) else right & ~READ_DIR
        call(ADD, ruleset, BENEATH, struct.pack("=Qi", right, place), 0)
        os.close(place)
    ctypes.CDLL(None).prctl(NO_NEW_PRIVILEGES, *(ctypes.c_long(each) for each in (1, 0, 0, 0)))
    call(RESTRICT, ruleset, 0)
    os.close(ruleset)


def audit(paths: list[tuple[str, int]] | None) -> None:
    """Refuse events that reach outside; reads, too, but of `paths`, unless these are None."""
    beneath = {os.path.realpath(path) for path, right in paths or () if right & READ_FILE}
    listed = {os.path.realpath(path) for path, right in paths or () if right & READ_DIR}
    allowed = tuple(f"{path}{os.sep}" for path in beneath)
    writing, fsdecode, realpath = set("wax+"), os.fsdecode, os.path.realpath
    flags_of_writing = os.O_WRONLY | os.O_RDWR

    def check(path: Any, event: str) -> None:
        text = fsdecode("." if path is None else path)
        # With a folder's descriptor, ".." would lead out of what is resolved here.
        outside = event == "open" and not os.path.isabs(text) and ".." in text.split(os.sep)
        resolved = realpath(text)
        fits = resolved in beneath or resolved.startswith(allowed)
        if outside or not (fits or (event != "open" and resolved in listed)):
            raise PermissionError(f"refused: {event} outside of the program's folder")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.__new__" and arguments[1] == LOCAL:
            return  # asyncio needs a pair of them; nothing can be bound or connected
        if event.startswith(REFUSED):
            raise PermissionError(f"refused: {event}")
        if arguments and isinstance(arguments[0], int) and event in ("open", *LISTING):
            return  # a descriptor that is open already
        if event == "open":
            path, mode, flags = arguments
            if (mode and writing & set(mode)) or (flags and flags & flags_of_writing):
                raise PermissionError("refused: open for writing")
            if paths is not None:
                check(path, event)
        elif paths is not None and event in LISTING:
            check(arguments[0] if arguments else None, event)

    sys.addaudithook(hook)


def refuse_unaudited() -> None:
    """Take away what acts without an audit event."""
    import _posixsubprocess
    import posix

    def refused(name: str) -> Any:
        def refuse(*arguments: Any, **named: Any) -> NoReturn:
            raise PermissionError(f"refused: {name}")

        return refuse

    for name in UNAUDITED_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # its import fails
    for name in UNAUDITED_FUNCTIONS:
        for module in (os, posix):
            if hasattr(module, name):
                setattr(module, name, refused(f"os.{name}"))
    _posixsubprocess.fork_exec = refused("_posixsubprocess.fork_exec")


def anonymous() -> None:
    """Take from the interpreter what names the project, the machine or its user."""
    import posix

    sys.argv, sys.orig_argv = ["program"], ["python", "program"]
    sys.executable = sys._base_executable = ""  # type: ignore[attr-defined]
    sys.prefix, sys.exec_prefix = sys.base_prefix, sys.base_exec_prefix
    here = list(os.uname())
    here[1] = "localhost"
    os.uname = posix.uname = lambda: os.uname_result(here)


class OnlyNumpy:
    """Finds numpy in its folder, and nothing else that is installed there."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """How to load numpy; None for any other module."""
        if fullname != "numpy":
            return None
        import importlib.util

        return importlib.util.spec_from_file_location(
            "numpy", f"{self.folder}/__init__.py", submodule_search_locations=[self.folder]
        )


def prelude() -> dict[str, Any]:
    """The names that a graded program finds, with its recursion limit set."""
    names: dict[str, Any] = {}
    sys.setrecursionlimit(DEPTH)
    sys.set_int_max_str_digits(DEPTH)
    for star in STARS:
        exec(f"from {star} import *", names)
    for each in MODULES:
        exec(f"import {each}", names)
    return names


def fresh(name: str, names: dict[str, Any]) -> dict[str, Any]:
    """The names of a new module called `name` that begins with `names`."""
    module = type(sys)(name)
    vars(module).update({**names, "__name__": name, "__builtins__": builtins})
    sys.modules[name] = module
    return vars(module)


def open_device(file: Any, *arguments: Any, **named: Any) -> Any:
    """The built-in `open`, which knows /dev/stdin, /dev/stdout and /dev/stderr."""
    known = DEVICES.get(os.fspath(file)) if isinstance(file, str | os.PathLike) else None
    return _io.open(file if known is None else os.dup(known), *arguments, **named)


def load_numpy() -> None:
    """Import numpy with one thread, so that no copy needs to; without it, the program is told."""
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
    with contextlib.suppress(ImportError, MemoryError):
        __import__("numpy")
    os.environ.clear()


def opened(names: dict[str, Any]) -> None:
    """Give the program streams of its own descriptors."""
    for place, (stream, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        made = open(  # noqa: SIM115 - the program's, until it ends
            place, mode, encoding="utf-8", errors="surrogateescape", closefd=False
        )
        setattr(sys, stream, made)
        setattr(sys, f"__{stream}__", made)
        if stream in names:
            names[stream] = made


def bounded(limits: dict[str, int]) -> None:
    """Set the kernel's limits of a program, but for memory."""
    # The signal of the soft limit tells why a program ended; that of the hard one always ends it.
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_s"], limits["cpu_s"] + 1))
    for what, most in (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def script(source: str, graded: bool, names: dict[str, Any]) -> None:
    """Run the program; if it is graded, any `sys.exit` is a normal end."""
    opened(names)
    try:
        exec(compile(source, "program", "exec"), names)
    except SystemExit:
        if not graded:
            raise


def called(source: str, function: str, names: dict[str, Any]) -> None:
    """Call the program's function on the JSON of standard input; its result is standard output.

    What the program prints goes to the errors.
    """
    result = os.dup(1)
    os.dup2(2, 1)
    with open(0, encoding="utf-8", closefd=False) as given:
        arguments = json.load(given)
    script(source, True, names)
    found, solution = names.get(function), names.get("Solution")
    if solution is not None and hasattr(solution, function):
        found = getattr(solution(), function)
    if found is None:
        raise NameError(f"no function {function}")
    # Scalars and arrays of numpy become numbers and lists.
    text = json.dumps(found(*arguments), default=lambda value: value.tolist())
    with open(result, "w", encoding="utf-8") as stream:
        stream.write(text)


def ended(code: object, names: dict[str, Any], said: str) -> NoReturn:
    """End as an interpreter does, but without clearing its memory, which takes longest.

    `code` is the argument of `sys.exit`. The program's `names` may hold streams that are not
    flushed. What is `said` is the last line of the errors, whatever the program writes.
    """
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    for stream in (*names.values(), sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__):
        if hasattr(type(stream), "flush"):
            with contextlib.suppress(Exception):  # it may be closed
                stream.flush()
    if said:
        os.write(2, f"\n{said}\n".encode())
    os._exit((code or 0) & 0xFF)


def serve(channel: Any) -> tuple[int, ...]:
    """Fork once per message and report how the copy ended; in a copy, return its descriptors.

    These are of the program, standard input, output and errors. Returns () in the parent when the
    caller closes the channel.
    """
    while True:
        message, sent, _, _ = channel.recvmsg(1, 64)
        if not message:
            return ()
        if message == NUMPY and "numpy" not in sys.modules:
            load_numpy()
        files = struct.unpack("4i", sent[0][2])
        child = os.fork()
        if child == 0:
            channel.close()
            return files
        for each in files:
            os.close(each)
        _, status, used = os.wait4(child, 0)
        report = {"status": status, "cpu_s": used.ru_utime + used.ru_stime}
        channel.send(json.dumps(report).encode())


def main() -> None:
    """Read settings from standard input; serve the caller on the socket of descriptor SOCKET."""
    import _socket

    channel = _socket.socket(fileno=int(sys.argv[-1]))
    anonymous()
    with open(0, encoding="utf-8", closefd=False) as stream:
        settings = json.load(stream)
    vars(builtins).update(exit=sys.exit, quit=sys.exit, open=open_device)
    io.open = open_device
    most = settings["limits"]["memory_mb"] << 20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    names = prelude() if settings["graded"] else {}
    if settings["numpy"]:
        sys.meta_path.append(OnlyNumpy(settings["numpy"]))
    paths, version = list(readable(settings["numpy"])), settings["landlock"]
    if version:
        landlock(paths, version)
    channel.send(json.dumps({"guard": name(version)}).encode())
    gc.collect()
    gc.freeze()  # a collection in a copy would copy all pages
    files = serve(channel)
    if not files:
        return
    with open(files[0], encoding="utf-8") as stream:
        job = json.load(stream)
    for place, each in enumerate(files[1:]):
        os.dup2(each, place)
        os.close(each)
    bounded(settings["limits"])
    refuse_unaudited()
    audit(None if version else paths)
    names = fresh("program" if job["function"] else "__main__", names)
    code: object = None
    said = ""
    try:
        if job["function"]:
            called(job["source"], job["function"], names)
        else:
            script(job["source"], settings["graded"], names)
    except SystemExit as stop:
        code = stop.code
    except BaseException as error:
        if settings["graded"]:
            said = json.dumps(f"{type(error).__name__}: {error}")
        else:
            sys.excepthook(*sys.exc_info())
        code = 1
    ended(code, names, said)


if __name__ == "__main__":
    main()
