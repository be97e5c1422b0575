#!/bin/sh
# Build the wheel with the given Python, install it in a clean environment, and use it as a stranger would.
set -eu
python=$1
root=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$python" -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$place/dist" "$root"
"$python" -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --require-hashes --no-deps -r "$root/requirements.lock"
"$place/venv/bin/python" -m pip install --quiet --no-deps "$place"/dist/*.whl

cd "$place"
aios="$place/venv/bin/aios"
"$aios" --version
"$aios" plugins
"$aios" schema intent | "$place/venv/bin/python" -m json.tool > /dev/null
catalogue=$("$place/venv/bin/python" -c 'from aios import catalogue; print(catalogue.root())')
case $catalogue in "$place"/*) ;; *) echo "the wheel reads its catalogue from $catalogue" >&2; exit 1 ;; esac
"$aios" init
"$aios" hardware show nvidia-t4 > /dev/null
"$aios" hardware topology --fleet "$root/examples/mixed-fleet/fleet.yaml" > /dev/null
"$aios" validate "$catalogue"/intents
"$aios" model list > /dev/null
"$aios" plan "$root/examples/edge-boards/intent.yaml" > /dev/null
test -z "$(find "$catalogue" -name '*.py')"
"$aios" plan "$root/examples/digits/intent.yaml" --fleet fleet.yaml --json > plan.json
echo "wheel: ok"
