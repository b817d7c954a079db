#!/usr/bin/env bash
# ci/cell.sh CELL ...: run cells (STAGE@NAME) and what they need, and push them with the run cache to the DVC remote.
# One job each of a matrix or an array, in a clone of its own; ci/reproduce.sh then finds them all and trains nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
export DVC_NO_ANALYTICS=1
PATH="$PATH:$PWD/.venv/bin" # an installed DVC first: those of setup-dvc know every kind of remote
if [ $# -eq 0 ] || [ -z "$(dvc config core.remote || true)" ]; then
    echo "Usage: ci/cell.sh CELL ..., where a DVC remote is set up: it carries the results (docs/operations.md)." >&2
    exit 2
fi
dvc pull --run-cache --allow-missing
PATH="$PWD/.venv/bin:$PATH" dvc repro --pull "$@"
dvc push --run-cache
