"""Find and remove what must not be published: keys, the user's name, the machine's paths."""

import base64
import getpass
import io
import os
import re
import socket
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Paths that exist on every machine of a kind reveal nothing about this one.
COMMON_PLACES = {"/", "/usr", "/usr/local", "/opt", "/tmp", "/home", "/var", "/mnt"}
KEY_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL")
KEYS = {
    "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an API key": rb"\bsk-[A-Za-z0-9_-]{20,}",
    "a hub token": rb"\bhf_[A-Za-z0-9]{30,}",
    "a forge token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|glpat-[A-Za-z0-9_-]{20})",
    "a cloud key": rb"\bAKIA[0-9A-Z]{16}\b",
}
HOME_FOLDER = re.compile(rb"(?<![\w.])/(?:home|Users)/[\w.-]+")
TEXT = {".log", ".json", ".txt", ".md", ".tsv", ".csv", ".diff", ".yaml", ".rst", ".html", ""}


@dataclass(frozen=True)
class Trace:
    """Something to find: its kind, its pattern in bytes, and its replacement."""

    kind: str
    pattern: re.Pattern[bytes]
    replacement: str


def traces(places: Mapping[str, str], words: bytes) -> list[Trace]:
    """Everything that would identify this machine or its user, longest paths first.

    `places` maps absolute paths to their replacements, besides the home folder and Python's folder.
    `words` is public text such as the project's code: a user name that occurs in it as a word
    (`root`, `user`) is searched for in paths only.
    """
    home = str(Path.home())
    known = {home: "<home>", sys.prefix: "<python>", sys.base_prefix: "<python>", **places}
    for path, replacement in list(known.items()):
        known.setdefault(os.path.realpath(path), replacement)
    found = [
        Trace(f"the path of {by}", re.compile(re.escape(path.encode()) + rb"(?![\w-])"), by)
        for path, by in sorted(known.items(), key=lambda item: -len(item[0]))
        if path not in COMMON_PLACES and os.path.isabs(path)
    ]
    found.append(Trace("a home folder", HOME_FOLDER, "<home>"))
    for kind, name in (("the user's name", _user()), ("the machine's name", socket.gethostname())):
        pattern = re.compile(rb"(?<![\w-])" + re.escape(name.encode()) + rb"(?![\w-])")
        if len(name) > 2 and not pattern.search(words):
            found.append(Trace(kind, pattern, "<name>"))
    for name, value in sorted(os.environ.items()):
        if KEY_NAMES.search(name.upper()) and len(value) >= 8 and not os.path.isabs(value):
            pattern = re.compile(re.escape(value.encode()))
            found.append(Trace(f"the value of {name}", pattern, "<key>"))
    found += [Trace(kind, re.compile(pattern), "<key>") for kind, pattern in KEYS.items()]
    return found


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return ""


def find(name: str, data: bytes, wanted: Iterable[Trace]) -> list[str]:
    """Kinds of traces in a file, wherever a reader could find them (see `views`)."""
    seen = list(views(name, data))
    return [trace.kind for trace in wanted if any(trace.pattern.search(view) for view in seen)]


def views(name: str, data: bytes) -> Iterator[bytes]:
    """The bytes and what is packed inside them: tables, PDF streams, data URIs of a page."""
    yield data
    match Path(name).suffix:
        case ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            table = pq.read_table(io.BytesIO(data))
            # Arrow's own packed copy of the schema is read by Arrow only.
            yield b"\n".join((table.schema.metadata or {}).values())
            for column in table.columns:
                if not pa.types.is_primitive(column.type):
                    yield "\n".join(map(str, column.to_pylist())).encode()
        case ".pdf":
            for stream in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
                try:
                    yield zlib.decompress(stream[1])
                except zlib.error:
                    continue  # not deflated, so the bytes are searched directly
        case ".html":
            for uri in re.finditer(rb"data:[^,\"']{0,200};base64,([A-Za-z0-9+/=]+)", data):
                yield base64.b64decode(uri[1] + b"==")


def redact(name: str, data: bytes, wanted: Iterable[Trace]) -> bytes:
    """The file without its traces, in text or in a table's provenance."""
    if Path(name).suffix in TEXT:
        return _replace(data, wanted)
    if Path(name).suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pq.read_table(io.BytesIO(data))
        metadata = table.schema.metadata or {}
        cleaned = {key: _replace(value, wanted) for key, value in metadata.items()}
        if cleaned != metadata:
            sink = pa.BufferOutputStream()
            pq.write_table(table.replace_schema_metadata(cleaned), sink, compression="zstd")
            return sink.getvalue().to_pybytes()
    return data


def _replace(data: bytes, wanted: Iterable[Trace]) -> bytes:
    for trace in wanted:
        # A backslash would start a group reference; no replacement has one.
        data = trace.pattern.sub(trace.replacement.encode(), data)
    return data
