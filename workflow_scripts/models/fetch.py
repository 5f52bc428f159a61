"""Download the hub models of a config, and lock the newest revisions to commits.

    snakemake models_fetch --configfile my.yaml

Models are stored in the hub's cache (`HF_HOME`, by default ~/.cache/huggingface), from which every
engine loads them at the same revision. Files that are already there are not downloaded again. A
model with `revision: latest` is resolved once (`models/lock.py`).
"""

from workflow_scripts.models import lock
from workflow_scripts.shared import files, job


class FetchError(RuntimeError):
    """A model whose newest commit cannot be found; the message names it."""


def newest(source: str) -> str:
    """The newest commit of a model on the hub. Raises `FetchError`."""
    from huggingface_hub import HfApi

    try:
        commit = HfApi().model_info(source).sha
    except Exception as error:  # of whichever HTTP library the hub's client uses
        raise FetchError(
            f"{source}: its newest commit cannot be read from the hub ({type(error).__name__}: "
            f"{error}); write one as `revision`, or run this where the hub can be reached"
        ) from error
    return str(commit)


def main(models: dict[str, dict[str, str]], fetched: str) -> None:
    """Download each model of `models` (name to source and revision) and write the list.

    Raises `FetchError` before anything is downloaded if a model cannot be resolved.
    """
    from huggingface_hub import snapshot_download

    locked = lock.read()
    wanted = {spec["source"] for spec in models.values() if spec["revision"] == lock.LATEST}
    if new := {source: newest(source) for source in sorted(wanted - locked.keys())}:
        lock.write(locked | new)
    exact = {}
    for name, spec in models.items():
        latest = spec["revision"] == lock.LATEST
        exact[name] = spec | ({"revision": (locked | new)[spec["source"]]} if latest else {})
        print(f"{name}: {spec['source']} at {exact[name]['revision']}")
        snapshot_download(spec["source"], revision=exact[name]["revision"])
    files.write_json(fetched, exact)


if __name__ == "__main__":
    job.run(snakemake, main)
