"""Download the hub models of a config, for machines whose jobs have no network.

    snakemake models_fetch --configfile my.yaml

Models are stored in the hub's cache (`HF_HOME`, by default ~/.cache/huggingface), from which every
engine loads them at the same revision. Files that are already there are not downloaded again.
"""

from typing import Any

from workflow_scripts.shared import files, job


def main(models: dict[str, dict[str, Any]], fetched: str) -> None:
    """Download each model of `models` (name to source and revision) and write the list."""
    from huggingface_hub import snapshot_download

    for name, spec in models.items():
        print(f"{name}: {spec['source']} at {spec['revision']}")
        snapshot_download(spec["source"], revision=spec["revision"])
    files.write_json(fetched, models)


if __name__ == "__main__":
    job.run(snakemake, main)
