#!/usr/bin/env bash
# Snakemake 9.27.1: numbers inside a nested `--config` value arrive as text.
#
# Expected: `--config size=1 'study={draws: 1}'` gives config["size"] == 1 and config["study"]["draws"]
# == 1, since both are YAML scalars, and a config file with the same lines gives two integers.
# Seen: config["size"] is the integer 1, config["study"]["draws"] is the text "1". The same holds for
# floats, true, false and null. Nested values are parsed with a YAML loader that resolves no types.
# Exits with 0 while Snakemake behaves like this, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet snakemake==9.27.1
cat > "$folder/Snakefile" <<'SNAKEFILE'
print("found", repr(config["size"]), *map(repr, config["study"].values()))
rule all:
SNAKEFILE
cd "$folder"
seen=$("$folder/venv/bin/snakemake" --cores 1 --dry-run --config size=1 'study={draws: 1, on: true}' 2>/dev/null | grep '^found')
echo "$seen"
[ "$seen" = "found 1 '1' 'true'" ]
