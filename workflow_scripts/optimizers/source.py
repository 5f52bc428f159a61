"""Where the images come from: the files that the rules depend on."""

from pathlib import Path

from workflow_scripts.shared import datasets

DIGITS = "digits"
IDX = dict(zip(("x_train", "y_train", "x_test", "y_test"), datasets.IDX, strict=True))

# MD5 of MNIST's four uncompressed idx files, as in SecML's loader (github.com/pralab/secml,
# src/secml/data/loader/c_dataloader_mnist.py, version 08522a7). Several other loaders give the
# same.
MNIST_MD5 = {
    "x_train": "6bbc9ace898e44ae57da46a324031adb",
    "y_train": "a25bea736e30d166cdddb491f175f624",
    "x_test": "2646ac647ad5339dbf082846283269ea",
    "y_test": "27ae3e4e09519cfbb04c329615203637",
}
MNIST, OTHER = "MNIST", "other images"  # names of the data, beside DIGITS


def named(source: str) -> str:
    """The name of the data that a source is meant to be; the files decide once they are read."""
    if source == DIGITS:
        return DIGITS
    return OTHER if Path(source).name == "fashion-mnist" else MNIST


def paths(source: str) -> list[str]:
    """The files of a source: none for the digits, one `.npz` file, or four idx files."""
    if source == DIGITS:
        return []
    folder = Path(source)
    if folder.suffix == ".npz":
        return [source]
    return [str(_idx_file(folder, name)) for name in IDX.values()]


def present(source: str) -> list[str]:
    """The files of a source that exist or that a rule fetches; the job reports missing ones."""
    return [path for path in paths(source) if Path(path).exists() or datasets.is_fetched(path)]


def _idx_file(folder: Path, name: str) -> Path:
    zipped = folder / f"{name}.gz"
    return zipped if zipped.exists() else folder / name
