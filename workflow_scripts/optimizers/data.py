"""Images and labels from scikit-learn's digits or MNIST-style files, checked and split.

Files come as a folder with the four idx files of MNIST (plain or gzipped), or as one `.npz` with
`x_train`, `y_train`, `x_test` and `y_test`.
"""

import gzip
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.optimizers.source import DIGITS, IDX, MNIST, MNIST_MD5, OTHER, paths
from workflow_scripts.shared import files, job, seeds

CLASSES = 10
IDX_UNSIGNED_BYTES = 0x08
MNIST_SIDE = 28  # pixels
SPLITS = ("train", "valid", "test")


class DataError(ValueError):
    """A data file that cannot be used; the message names the file and the problem."""


class Split(NamedTuple):
    """Inputs, shape (N, D) float32, and labels 0 to 9, shape (N,) int64."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]


def read_idx(path: str | Path) -> NDArray[np.uint8]:
    """The array of bytes in an idx file, in its shape. Raises `DataError` naming the file."""
    opener = gzip.open if str(path).endswith(".gz") else open
    try:
        with opener(path, "rb") as stream:
            content = stream.read()
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != IDX_UNSIGNED_BYTES:
        raise DataError(f"{path}: not an idx file of unsigned bytes")
    dimensions = content[3]
    header = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(content[4:header], ">u4").astype(int).tolist())
    if len(shape) != dimensions or len(content) != header + int(np.prod(shape)):
        raise DataError(
            f"{path}: the header gives shape {shape}, but {len(content) - header} bytes follow"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_npz(path: str | Path) -> dict[str, NDArray[Any]]:
    """The four arrays of an npz file, in their shapes. Raises `DataError` naming the file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in IDX if key not in archive]
            if missing:
                raise DataError(f"{path}: no array {', '.join(missing)}")
            return {key: archive[key] for key in IDX}
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: not an npz file ({error})") from error


def checked(images: NDArray, labels: NDArray, images_path: str, labels_path: str) -> Split:
    """Images, shape (N, height, width) or (N, D), and labels, shape (N,), as a `Split`.

    Raises `DataError` naming the file whose shape or values do not fit.
    """
    if images.ndim not in (2, 3) or 0 in images.shape:
        raise DataError(
            f"{images_path}: images have shape {images.shape}, "
            "expected (N, height, width) or (N, D)"
        )
    if labels.ndim != 1:
        raise DataError(f"{labels_path}: labels have shape {labels.shape}, expected (N,)")
    if len(images) != len(labels):
        raise DataError(f"{labels_path}: {len(labels)} labels for {len(images)} images")
    whole = labels.astype(np.int64)
    if (whole != labels).any() or whole.min() < 0 or whole.max() >= CLASSES:
        raise DataError(f"{labels_path}: labels must be whole numbers from 0 to {CLASSES - 1}")
    rows = images.reshape(len(images), -1).astype(np.float32)
    if not np.isfinite(rows).all():
        raise DataError(f"{images_path}: images hold NaN or infinity")
    return Split(rows, whole)


def idx_md5(array: NDArray[np.uint8]) -> str:
    """MD5 of the uncompressed idx file that holds `array`, of any shape."""
    header = bytes([0, 0, IDX_UNSIGNED_BYTES, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + np.ascontiguousarray(array).tobytes()
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def name_of(source: str) -> str:
    """`DIGITS`, `MNIST` for arrays that are MNIST's by checksum, or `OTHER`.

    Raises `DataError` for a file that cannot be read.
    """
    if source == DIGITS:
        return DIGITS
    for key, array in arrays_of(source).items():
        content = array.astype(np.uint8)
        if key.startswith("x_") and content[0].size == MNIST_SIDE**2:
            content = content.reshape(-1, MNIST_SIDE, MNIST_SIDE)  # npz files may hold flat images
        if not np.array_equal(content.ravel(), array.ravel()) or idx_md5(content) != MNIST_MD5[key]:
            return OTHER
    return MNIST


def arrays_of(source: str) -> dict[str, NDArray[Any]]:
    """The four arrays of MNIST-style files by the keys of `IDX`, in their shapes."""
    if source.endswith(".npz"):
        return read_npz(source)
    return {key: read_idx(path) for key, path in zip(IDX, paths(source), strict=True)}


def read(source: str) -> tuple[Split, Split | None]:
    """Training and test images of a source; the digits have no test set of their own.

    Raises `DataError` for a file that cannot be used.
    """
    if source == DIGITS:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        return checked(images, labels, DIGITS, DIGITS), None
    arrays = arrays_of(source)
    files_of = paths(source) if len(paths(source)) > 1 else [source] * len(IDX)
    names = dict(zip(IDX, files_of, strict=True))
    parts = [
        checked(arrays[f"x_{part}"], arrays[f"y_{part}"], names[f"x_{part}"], names[f"y_{part}"])
        for part in ("train", "test")
    ]
    if parts[0].x.shape[1] != parts[1].x.shape[1]:
        raise DataError(
            f"{names['x_test']}: images have {parts[1].x.shape[1]} pixels, the training images "
            f"{parts[0].x.shape[1]}; expected the same number"
        )
    return parts[0], parts[1]


def split(source: str, valid: int, test: int, seed: int) -> dict[str, Split]:
    """Training, validation and test sets, scaled to mean 0 and variance 1 on the training set.

    The last `valid` images of a shuffled training set are held out for validation, and `test` more
    for testing where the source has no test set of its own. Raises `DataError` when too few are
    left.
    """
    train, own_test = read(source)
    order = seeds.generator(seed, "optimizers", "split").permutation(len(train.y))
    held = valid + (test if own_test is None else 0)
    if held >= len(order):
        raise DataError(
            f"{source}: {len(order)} images, too few to hold out {held}; lower "
            "optimizers.data.valid or optimizers.data.test"
        )
    at = {"train": order[:-held], "valid": order[-valid:]}
    parts = {name: Split(train.x[index], train.y[index]) for name, index in at.items()}
    between = order[-held:-valid]
    parts["test"] = own_test or Split(train.x[between], train.y[between])
    for which, part in parts.items():
        lacking = set(range(CLASSES)) - set(part.y.tolist())
        if lacking:
            raise DataError(f"{source}: the {which} set has no image of class {min(lacking)}")
    mean, sd = parts["train"].x.mean(), parts["train"].x.std()
    return {key: Split((part.x - mean) / sd, part.y) for key, part in parts.items()}


def load(path: str | Path) -> dict[str, Split]:
    """The three sets, as `main` wrote them."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: Split(archive[f"x_{name}"], archive[f"y_{name}"]) for name in SPLITS}


def unit(parts: dict[str, Split]) -> dict[str, Split]:
    """The sets with pixels from 0 to 1, the least and largest of the training set.

    The official power-propagation notebook divides pixels by 255, so that an empty pixel is 0 and
    its weights can be pruned for nothing.
    """
    least, largest = parts["train"].x.min(), parts["train"].x.max()
    return {key: Split((part.x - least) / (largest - least), part.y) for key, part in parts.items()}


def load_name(path: str | Path) -> str:
    """The name of the data that `main` wrote: `DIGITS`, `MNIST` or `OTHER`."""
    with np.load(path, allow_pickle=False) as archive:
        return str(archive["name"])


def main(data: str, source: str, valid: int, test: int, seed: int) -> None:
    """Write the three sets of `source` and their name to the npz file `data`.

    `valid` and `test` are the numbers of images held out.
    """
    parts = split(source, valid, test, seed)
    arrays: dict[str, Any] = {"name": np.array(name_of(source))}
    for name, part in parts.items():
        arrays |= {f"x_{name}": part.x, f"y_{name}": part.y}
    with files.atomic(data) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


if __name__ == "__main__":
    job.run(snakemake, main)
