"""A local conda channel with the packages that `envs/*.yaml` pin, from this Python and wheels.

For tests on this machine only: the interpreter uses the system's libraries, and a package is one
wheel unpacked for one version of Python, without its commands.

python -m tests.environments.channel FOLDER
"""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from workflow_scripts.shared.fingerprint import ROOT

NAME = "conda-forge"  # the channel named in the environment files
PLATFORMS = {"linux-x86_64": "linux-64", "linux-aarch64": "linux-aarch64"}
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/python{VERSION}/site-packages"
# Excluded from the standard library: tests, modules that need a display, other packages.
LEFT_OUT = {"test", "tests", "idlelib", "turtledemo", "__pycache__", "site-packages", "ensurepip"}
PARTS = {"purelib": f"{SITE}/", "platlib": f"{SITE}/", "data": ""}  # of a wheel's .data folder


class Entry(NamedTuple):
    """One file of a package; a symbolic link if it has a target."""

    path: str
    content: bytes = b""
    target: str = ""
    executable: bool = False


def pins(environment: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The file's pins for conda and for pip: versions by name."""
    of_conda, of_pip = {}, {}
    for entry in yaml.safe_load(environment.read_text())["dependencies"]:
        if isinstance(entry, dict):
            of_pip |= dict(pin.split("==") for pin in entry["pip"])
        else:
            of_conda |= dict([entry.split("=")])
    return of_conda, of_pip


def platform() -> str | None:
    """Conda's name of this platform; None if no channel can be built here.

    Debian's own Python searches for packages in other folders than conda's.
    """
    of_debian = "deb_system" in sysconfig.get_scheme_names()
    return None if of_debian else PLATFORMS.get(sysconfig.get_platform())


def build_wheels(environments: Iterable[Path], folder: Path) -> None:
    """Every package that the environments pin, with dependencies, at the locked versions."""
    wanted = {}
    for environment in environments:
        for found in pins(environment):
            wanted |= found
    del wanted["python"]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", folder]
    command += ["--constraint", ROOT / "constraints.txt"]
    command += [f"{name}=={version}" for name, version in wanted.items()]
    subprocess.run(list(map(str, command)), check=True)


def make(environments: list[Path], wheels: Path, folder: Path) -> None:
    """Write the channel `conda-forge` to `folder`: all that the environments need from conda."""
    at_hand = {parse_wheel_filename(path.name)[0]: path for path in wheels.glob("*.whl")}
    records = {subdir: {} for subdir in (platform(), "noarch")}
    place = folder / NAME / platform()
    place.mkdir(parents=True, exist_ok=True)
    version = sys.version.split()[0]
    records[platform()] |= write(place, "python", version, [], python_entries())
    done = {"python"}
    waiting = [canonicalize_name(name) for path in environments for name in pins(path)[0]]
    while waiting:
        name = waiting.pop()
        if name not in done:
            done.add(name)
            version, needed = described(at_hand[name])
            needs = ["python", *needed]
            records[platform()] |= write(place, name, version, needs, wheel_entries(at_hand[name]))
            waiting += needed
    for subdir, packages in records.items():
        index = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages}
        (folder / NAME / subdir).mkdir(exist_ok=True)
        (folder / NAME / subdir / "repodata.json").write_text(json.dumps(index))


def python_entries() -> Iterator[Entry]:
    """The interpreter, its library and the standard library."""
    executable = Path(sys.base_prefix, "bin", f"python{VERSION}")
    yield Entry(f"bin/python{VERSION}", executable.read_bytes(), executable=True)
    for name in ("python", "python3"):
        yield Entry(f"bin/{name}", target=f"python{VERSION}")
    for path in sorted(Path(sys.base_prefix, "lib").glob("libpython*.so*")):
        if path.is_symlink():
            yield Entry(f"lib/{path.name}", target=os.readlink(path))
        else:
            yield Entry(f"lib/{path.name}", path.read_bytes(), executable=True)
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*")):
        parts = path.relative_to(library).parts
        if path.is_file() and not LEFT_OUT & set(parts) and not parts[0].startswith("config-"):
            yield Entry(f"lib/python{VERSION}/{'/'.join(parts)}", path.read_bytes())


def wheel_entries(wheel: Path) -> Iterator[Entry]:
    """The wheel's files at their installed paths, without its commands."""
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            path = f"{SITE}/{info.filename}"
            if moved := re.fullmatch(r"[^/]+\.data/(\w+)/(.+)", info.filename):
                if moved[1] not in PARTS:
                    continue
                path = PARTS[moved[1]] + moved[2]
            if not info.is_dir():
                runs = bool(info.external_attr >> 16 & 0o100)
                yield Entry(path, archive.read(info), executable=runs)


def described(wheel: Path) -> tuple[str, list[str]]:
    """Version of a wheel, and the names of its dependencies on this platform."""
    with zipfile.ZipFile(wheel) as archive:
        named = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        found = PathDistribution(zipfile.Path(archive, named.removesuffix("METADATA")))
        needs = map(Requirement, found.requires or [])
        # The channel holds one version of each, which pip has resolved.
        here = [each for each in needs if not each.marker or each.marker.evaluate({"extra": ""})]
        return found.version, [canonicalize_name(each.name) for each in here]


def write(
    place: Path, name: str, version: str, needs: list[str], entries: Iterable[Entry]
) -> dict[str, dict]:
    """Write one package in conda's format 2; return its index record, by file name."""
    entries = list(entries)
    record = {"name": name, "version": version, "build": "0", "build_number": 0}
    record |= {"subdir": place.name, "depends": needs}
    paths = []
    for entry in entries:
        digest = hashlib.sha256(entry.content).hexdigest()
        paths.append({"_path": entry.path, "sha256": digest, "size_in_bytes": len(entry.content)})
        paths[-1]["path_type"] = "softlink" if entry.target else "hardlink"
    about = {
        "info/index.json": record,
        "info/paths.json": {"paths_version": 1, "paths": paths},
    }
    info = [Entry(path, json.dumps(value).encode()) for path, value in about.items()]
    info.append(Entry("info/files", "".join(f"{entry.path}\n" for entry in entries).encode()))
    stem = f"{name}-{version}-0"
    path = place / f"{stem}.conda"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        archive.writestr(f"pkg-{stem}.tar.zst", packed(entries))
        archive.writestr(f"info-{stem}.tar.zst", packed(info))
    content = path.read_bytes()
    sums = {kind: hashlib.new(kind, content).hexdigest() for kind in ("md5", "sha256")}
    return {path.name: record | sums | {"size": len(content)}}


def packed(entries: Iterable[Entry]) -> bytes:
    """A tar file, compressed by zstd."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for entry in entries:
            member = tarfile.TarInfo(entry.path)
            member.mode = 0o755 if entry.executable else 0o644
            member.size = len(entry.content)
            if entry.target:
                member.type, member.linkname = tarfile.SYMTYPE, entry.target
            archive.addfile(member, io.BytesIO(entry.content))
    compressed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(compressed, "zstd") as stream:
        stream.write(sink.getvalue())
    return compressed.getvalue().to_pybytes()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    listed = [path for path in sorted((ROOT / "envs").glob("*.yaml")) if path.stem != "vllm"]
    build_wheels(listed, folder / "wheels")
    make(listed, folder / "wheels", folder)
