#!/usr/bin/env bash
# Fetch what was pushed to the DVC remote, with its run cache, then run only what nobody has run yet.
set -euo pipefail
cd "$(dirname "$0")/.."
export DVC_NO_ANALYTICS=1
pull=""
PATH="$PATH:$PWD/.venv/bin" # an installed DVC first: those of setup-dvc know every kind of remote
if [ -n "$(dvc config core.remote || true)" ]; then
    dvc pull --run-cache --allow-missing
    pull=--pull # also the outputs of what the run cache knows
else
    echo "No DVC remote is set up (docs/operations.md), so everything is run here." >&2
fi
PATH="$PWD/.venv/bin:$PATH" # from here on the pinned versions
python -m pipeline check
dvc repro $pull # without quotes, since it may be empty
if ! git diff --quiet HEAD -- dvc.lock reports/metrics.json; then
    echo "The committed results are not those of this commit: commit dvc.lock and reports of this run." >&2
fi
