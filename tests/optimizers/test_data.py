"""Data files are checked when loaded; an error names the file."""

import gzip
import hashlib

import numpy as np
import pytest

from workflow_scripts.optimizers import data, sparsity
from workflow_scripts.shared import config as config_files


def idx(array, code=8):
    header = bytes([0, 0, code, array.ndim]) + b"".join(
        int(n).to_bytes(4, "big") for n in array.shape
    )
    return header + array.astype(np.uint8).tobytes()


def images(count, side=5, seed=0):
    draws = np.random.default_rng(seed)
    return draws.integers(0, 256, (count, side, side), dtype=np.uint8)


def labels(count):
    return np.arange(count, dtype=np.uint8) % 10


def folder(tmp_path, zipped=False, **changes):
    arrays = {
        "x_train": images(60),
        "y_train": labels(60),
        "x_test": images(20, seed=1),
        "y_test": labels(20),
    } | changes
    for key, array in arrays.items():
        content = array if isinstance(array, bytes) else idx(array)
        if zipped:
            (tmp_path / f"{data.IDX[key]}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / data.IDX[key]).write_bytes(content)
    return str(tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_read(tmp_path, zipped):
    source = folder(tmp_path, zipped)
    train, test = data.read(source)
    assert train.x.shape == (60, 25)
    assert train.x[7].tolist() == images(60)[7].flatten().tolist()
    assert test.y.tolist() == labels(20).tolist()
    assert len(data.paths(source)) == 4
    parts = data.split(source, 30, 30, 1)
    assert [len(parts[name].y) for name in data.SPLITS] == [30, 30, 20]


def test_npz_is_read(tmp_path):
    path = tmp_path / "mnist.npz"
    arrays = {
        "x_train": images(60),
        "y_train": labels(60),
        "x_test": images(20),
        "y_test": labels(20),
    }
    np.savez(path, **arrays)
    assert data.read(str(path))[0].x.shape == (60, 25)
    assert data.paths(str(path)) == [str(path)]
    np.savez(path, x_train=images(60))
    with pytest.raises(data.DataError, match=r"mnist\.npz: no array y_train, x_test, y_test"):
        data.read(str(path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": labels(60)}, r"train-images-idx3-ubyte: images have shape \(60,\)"),
        ({"y_train": images(60)}, r"train-labels-idx1-ubyte: labels have shape \(60, 5, 5\)"),
        ({"y_train": labels(59)}, r"train-labels-idx1-ubyte: 59 labels for 60 images"),
        ({"y_test": labels(20) + 1}, r"t10k-labels-idx1-ubyte: labels must be whole numbers"),
        (
            {"x_test": images(20, 6)},
            r"t10k-images-idx3-ubyte: images have 36 pixels, the training images 25",
        ),
        ({"x_train": b"PNG"}, r"train-images-idx3-ubyte: not an idx file"),
        ({"x_train": idx(images(60))[:-3]}, r"gives shape \(60, 5, 5\), but 1497 bytes follow"),
        ({"x_train": idx(images(60), code=13)}, r"train-images-idx3-ubyte: not an idx file"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path, changes, message):
    with pytest.raises(data.DataError, match=message):
        data.read(folder(tmp_path, **changes))


def test_a_missing_file_and_too_few_images_are_reported(tmp_path):
    with pytest.raises(data.DataError, match="train-images-idx3-ubyte: cannot be read"):
        data.read(str(tmp_path))
    with pytest.raises(data.DataError, match="60 images, too few"):
        data.split(folder(tmp_path), 60, 0, 1)


def test_digits_are_split_without_overlap_and_scaled():
    parts = data.split("digits", 300, 300, 4)
    assert [len(parts[name].y) for name in data.SPLITS] == [1197, 300, 300]
    rows = np.concatenate([part.x for part in parts.values()])
    from sklearn.datasets import load_digits

    assert len(np.unique(rows, axis=0)) == len(np.unique(load_digits().data, axis=0))
    assert parts["train"].x.mean() == pytest.approx(0, abs=1e-4)
    assert parts["train"].x.std() == pytest.approx(1, abs=1e-4)


def test_sparsity_reads_pixels_from_0_to_1_as_the_official_notebook_does(tmp_path, monkeypatch):
    source = folder(tmp_path, x_train=images(300), y_train=labels(300))
    written = tmp_path / "data.npz"
    data.main(str(written), source, 100, 0, 1)
    raw, own_test = data.read(source)
    seen = {}

    class Seen(Exception):
        pass

    def train(form, settings, parts, seed, checkpoint):
        seen.update(parts)
        raise Seen

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sparsity, "train", train)
    config = config_files.merged([])["optimizers"]
    parts = (config["sparsity"], config["pruning"])
    with pytest.raises(Seen):
        sparsity.main(str(written), "table.parquet", *parts, 1, {"code": "any"})
    assert raw.x.max() == 255
    assert np.allclose(seen["test"].x, own_test.x / 255, atol=1e-6)
    held = {row.tobytes() for row in np.round(seen["valid"].x * 255)}
    assert held < {row.tobytes() for row in raw.x}


def test_mnist_is_known_by_its_checksums_only(tmp_path, monkeypatch):
    """Any other images, and MNIST with one changed pixel, are not MNIST."""
    (tmp_path / "idx").mkdir()
    source = folder(tmp_path / "idx")
    assert data.name_of(source) == "other images"
    assert data.name_of("digits") == "digits"
    written = {key: (tmp_path / "idx" / name).read_bytes() for key, name in data.IDX.items()}
    sums = {key: hashlib.md5(content).hexdigest() for key, content in written.items()}
    monkeypatch.setattr(data, "MNIST_MD5", sums)
    assert data.name_of(source) == "MNIST"
    (tmp_path / "zip").mkdir()
    assert data.name_of(folder(tmp_path / "zip", zipped=True)) == "MNIST"
    changed = images(60)
    changed[3, 2, 1] ^= 1
    (tmp_path / "other").mkdir()
    assert data.name_of(folder(tmp_path / "other", x_train=changed)) == "other images"


def test_flat_images_of_an_npz_file_are_known_too(tmp_path, monkeypatch):
    arrays = {
        "x_train": images(60, 28),
        "y_train": labels(60),
        "x_test": images(20, 28, 1),
        "y_test": labels(20),
    }
    sums = {key: hashlib.md5(idx(array)).hexdigest() for key, array in arrays.items()}
    monkeypatch.setattr(data, "MNIST_MD5", sums)
    flat = arrays | {key: arrays[key].reshape(-1, 784) / 1.0 for key in ("x_train", "x_test")}
    for name, held in (("square", arrays), ("flat", flat)):
        np.savez(tmp_path / f"{name}.npz", **held)
        assert data.name_of(str(tmp_path / f"{name}.npz")) == "MNIST"
    scaled = flat | {"x_train": flat["x_train"] / 255}
    np.savez(tmp_path / "scaled.npz", **scaled)
    assert data.name_of(str(tmp_path / "scaled.npz")) == "other images"


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "data.npz"
    data.main(str(path), "digits", 100, 100, 2)
    first = path.read_bytes()
    data.main(str(path), "digits", 100, 100, 2)
    assert path.read_bytes() == first
    assert set(data.load(path)) == set(data.SPLITS)
    assert data.load_name(path) == "digits"
