#!/usr/bin/env bash
# safetensors 0.8.0: how products with loaded tensors round depends on the length of the file's metadata.
#
# Expected: a file's free-text metadata has no influence on results. The same tensor, stored twice with
# different notes, gives the same bits when it is loaded and multiplied.
# Seen with torch 2.13.0 on x86-64: a loaded tensor lies in memory where the file's header ends, at any
# multiple of 8 bytes, while tensors of torch's own lie at multiples of 64. Vectorised matrix products add
# in another order for another alignment, so a matrix-vector product differs in its last bits between
# two files that hold equal tensors. Notes such as a commit or a date then change results. Copying the
# loaded tensor (`clone`) restores torch's alignment, and with it equal bits.
# Exits with 0 while alignments differ, else with 1; whether products differ too is printed, since it
# depends on the processor.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torch==2.13.0 safetensors==0.8.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import torch
from safetensors import safe_open
from safetensors.torch import save_file

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
matrix, vector = torch.randn(129, 67, generator=generator), torch.randn(67, generator=generator)
wanted = matrix @ vector
alignments, differing, copies = set(), 0, 0
for length in range(0, 64, 8):
    save_file({"matrix": matrix}, "file.safetensors", metadata={"note": "x" * length})
    with safe_open("file.safetensors", framework="pt") as stored:
        loaded = stored.get_tensor("matrix")
    assert torch.equal(loaded, matrix)
    alignments.add(loaded.data_ptr() % 64)
    differing += not torch.equal(loaded @ vector, wanted)
    copies += not torch.equal(loaded.clone() @ vector, wanted)
print("address modulo 64:", sorted(alignments), "torch's own:", matrix.data_ptr() % 64)
print(f"products that differ: {differing} of 8, after a copy: {copies} of 8")
sys.exit(alignments == {0})
PYTHON
