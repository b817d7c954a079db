#!/usr/bin/env bash
# ci/gate.sh BASE: compare the results with those of the commit at which this branch left BASE; exit code 3 refuses.
# Writes build/gate.md; $PLOT_URL is the address of the forest plot in it.
set -euo pipefail
cd "$(dirname "$0")/.."
left=$(git merge-base "$1" HEAD) || {
    echo "Git finds no common commit of '$1' and this branch. Fetch the whole history (fetch-depth or GIT_DEPTH: 0)." >&2
    exit 2
}
rm -f build/gate.md
if ! git cat-file -e "$left:./reports/metrics.json" 2>/dev/null; then
    echo "No results were committed at $left: there is nothing to hold."
    exit 0
fi
.venv/bin/python -m pipeline gate --against "$left" --markdown build/gate.md ${PLOT_URL:+--plot "$PLOT_URL"}
