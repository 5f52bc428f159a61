"""Exported trajectories on disk: one `.npz` per algorithm, read without JAX or TensorFlow.

Keys are `<split>/<nodes>/<stage>/<feature>` and `<split>/<nodes>/lengths`; `spec` and `provenance`
are JSON. Hints of all samples are concatenated; sample i has `lengths[i]` of them. A `.npz` is a
zip, so only the requested columns are read.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.clrs import specs
from workflow_scripts.shared import files

Columns = dict[str, NDArray[Any]]
LEVEL = 1  # of zlib: a quarter of the time of its usual level


class StoreError(ValueError):
    """A file without exported trajectories, or without the requested set; the message names it."""


def write(
    path: str | Path,
    spec: specs.Spec,
    sets: dict[tuple[str, int], Columns],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the sets of one algorithm, keyed by (split, nodes); equal sets give equal bytes.

    Columns have the shapes of `sampling.draw`.
    """
    arrays: Columns = {
        "spec": np.array(json.dumps(specs.to_json(spec))),
        "provenance": np.array(json.dumps(provenance or {}, sort_keys=True, default=str)),
    }
    for (split, nodes), columns in sets.items():
        arrays |= {f"{split}/{nodes}/{key}": column for key, column in columns.items()}
    # As `np.savez_compressed` writes them, at a level of compression that it does not offer.
    with (
        files.atomic(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive,
    ):
        for name, array in arrays.items():
            # By name: such an entry has a fixed time and the archive's level.
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


def read_spec(path: str | Path) -> specs.Spec:
    """The package's spec of the algorithm in the file."""
    with _open(path) as archive:
        return specs.from_json(json.loads(str(archive["spec"])))


def sets(path: str | Path) -> list[tuple[str, int]]:
    """The (split, nodes) in the file."""
    with _open(path) as archive:
        keys = [key.split("/") for key in archive.files if key.endswith("/lengths")]
    return [(split, int(nodes)) for split, nodes, _ in keys]


def read(path: str | Path, split: str, nodes: int) -> Columns:
    """The columns of one set, `<stage>/<feature>` and `lengths`, shaped as by `sampling.draw`.

    Raises `StoreError` if the file has no such set.
    """
    prefix = f"{split}/{nodes}/"
    with _open(path) as archive:
        found = {
            key.removeprefix(prefix): archive[key]
            for key in archive.files
            if key.startswith(prefix)
        }
    if not found:
        raise StoreError(f"{path}: expected a set {split!r} of {nodes} nodes, found {sets(path)}")
    return found


def _open(path: str | Path) -> Any:
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path}: expected exported trajectories ({error}); delete it and run again"
        ) from error
    if "spec" not in archive.files:
        raise StoreError(
            f"{path}: expected exported trajectories, found no spec; delete it and run again"
        )
    return archive
