"""Finished parts of a long job, so that one that is killed repeats at most the part it was in."""

import json
import shutil
from collections.abc import Callable, Iterable
from typing import Any

from workflow_scripts.shared import files


class Parts:
    """Parts of a job in `work/`, found again by whatever determines them."""

    def __init__(self, kind: str, inputs: Iterable[str], **determinants: Any) -> None:
        """`inputs` are files, of which the contents count."""
        hashes = [files.file_hash(path) for path in inputs]
        self.folder = files.work_folder(kind, inputs=hashes, **determinants)

    def get(self, name: str, compute: Callable[[], Any]) -> Any:
        """The part `name`: as stored, or else computed and stored; plain values, lists, dicts."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            # Through text in both cases, so that a resumed job has the same types.
            files.write_text(path, json.dumps(compute(), default=_plain))
        return files.read_json(path)

    def clear(self) -> None:
        """Delete all parts, once the job's outputs are there."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _plain(value: Any) -> Any:
    """A number or truth value of NumPy as Python's own."""
    return value.item()
