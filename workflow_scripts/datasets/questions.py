"""A file of questions from a data set on the model hub, as JSON lines.

    snakemake data/aime-2025.jsonl

JSON lines stay as they are; CSV and Parquet files are converted row by row. The commit, the licence
and the checksum are written beside the file, to `<name>.source.json`.
"""

import hashlib
from fnmatch import fnmatch
from pathlib import Path

from workflow_scripts.shared import datasets, files, job
from workflow_scripts.shared.datasets import QUESTIONS, Questions


class FetchError(ValueError):
    """A data set that cannot be fetched; the message says where to put the file by hand."""


def fetched(path: str, known: Questions) -> tuple[Path, str]:
    """The file in the hub's cache, and the commit that it is from. Raises `FetchError`."""
    from huggingface_hub import HfApi, hf_hub_download

    try:
        about = HfApi().dataset_info(known.hub, revision=known.revision)
        names = [each.rfilename for each in about.siblings or []]
        matching = [name for name in names if fnmatch(Path(name).name, known.file)]
        commit = str(about.sha)
        local = [
            hf_hub_download(known.hub, name, repo_type="dataset", revision=commit)
            for name in matching[:1]
        ]
    except Exception as error:  # of whichever HTTP library the hub's client uses
        raise FetchError(
            f"{path}: the hub's data set {known.hub} cannot be reached "
            f"({type(error).__name__}); put its file {known.file} there by hand, as JSON lines"
        ) from error
    if len(matching) != 1:
        raise FetchError(
            f"{path}: expected one file {known.file} in the data set {known.hub}, found "
            f"{', '.join(matching) or 'none'}; put the file there by hand"
        )
    return Path(local[0]), commit


def json_lines(path: Path) -> bytes:
    """The rows of a JSON-lines, CSV or Parquet file as JSON lines."""
    if path.suffix in (".jsonl", ".json"):
        return path.read_bytes()
    import pandas as pd

    read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
    return read(path).to_json(orient="records", lines=True, force_ascii=False).encode()


def main(dataset: str, questions: str) -> None:
    """Write a data set to the file `questions`, and its origin beside it.

    Raises `FetchError` if the hub cannot be reached, or for another checksum than the known one.
    """
    known = QUESTIONS[dataset]
    print(f"{dataset}: {known.hub}; licence: {known.licence}")
    local, commit = fetched(questions, known)
    with local.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if known.sha256 not in (None, digest):
        raise FetchError(
            f"{questions}: {known.file} of {known.hub} at {commit} has sha256 {digest}, expected "
            f"{known.sha256}; the data set has changed"
        )
    with files.atomic(questions) as temporary:
        temporary.write_bytes(json_lines(local))
    origin = known._asdict() | {"commit": commit, "sha256": digest}
    files.write_json(datasets.origin(questions), origin)


if __name__ == "__main__":
    job.run(snakemake, main)
