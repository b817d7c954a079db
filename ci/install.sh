#!/usr/bin/env bash
# Make .venv with the pinned versions, and the extras of $EXTRAS (such as demo,s3).
set -euo pipefail
cd "$(dirname "$0")/.."
make .venv/installed EXTRAS="${EXTRAS:-demo}"
