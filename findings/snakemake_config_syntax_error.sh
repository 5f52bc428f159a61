#!/usr/bin/env bash
# Snakemake 9.27.1: a YAML syntax error in a config file is reported without file, line or column.
#
# Expected: the file's name and the line that the YAML parser names, as for an error in a Snakefile.
# Seen: "Config file is not valid JSON or YAML. In case of YAML, make sure to not mix whitespace and tab
# indentation." With several --configfile arguments it is not said which one. The parser's message, which
# names the line, is discarded. The file here has a bracket that is never closed.
# Exits with 0 while Snakemake behaves like this, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet snakemake==9.27.1
cd "$folder"
printf 'rule all:\n' > Snakefile
printf 'a: 1\n' > good.yaml
printf 'a: 1\nb: [2\nc: 3\n' > mistaken.yaml
seen=$("$folder/venv/bin/snakemake" --cores 1 --dry-run --configfile good.yaml mistaken.yaml 2>&1 || true)
echo "$seen"
grep -q "Config file is not valid JSON or YAML" <<< "$seen"
! grep -q -e "mistaken" -e "line 3" <<< "$seen"
