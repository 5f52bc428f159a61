"""Every reply of every model as its study read it, one table per study and model."""

from collections.abc import Mapping, Sequence
from typing import Any

from workflow_scripts.inference import readings
from workflow_scripts.shared import job, schemas, tables


def main(
    asked: Sequence[Mapping[str, Any]], readable: Sequence[str], provenance: dict[str, Any]
) -> None:
    """Write the tables `readable`, in the order of `asked`.

    Each entry of `asked` names a `study`, a `model`, the `tables` with its requests and replies,
    and what the study asks of it (`of_model`, from `kinds.asked`).
    """
    for entry, path in zip(asked, readable, strict=True):
        paths = readings.by_name(entry["tables"], entry["model"])
        frame = readings.reader(entry["study"])(paths, entry["of_model"])
        tables.write(frame, path, schemas.READINGS, provenance)


if __name__ == "__main__":
    job.run(snakemake, main)
