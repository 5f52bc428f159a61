"""Where the images come from: the files that the rules depend on."""

from pathlib import Path

DIGITS = "digits"
IDX = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def paths(source: str) -> list[str]:
    """The files of a source: none for the digits, one `.npz`, or four idx files."""
    if source == DIGITS:
        return []
    folder = Path(source)
    if folder.suffix == ".npz":
        return [source]
    return [str(_idx_file(folder, name)) for name in IDX.values()]


def present(source: str) -> list[str]:
    """The existing files of a source; planning needs none, and the job reports missing ones."""
    return [path for path in paths(source) if Path(path).exists()]


def _idx_file(folder: Path, name: str) -> Path:
    zipped = folder / f"{name}.gz"
    return zipped if zipped.exists() else folder / name
