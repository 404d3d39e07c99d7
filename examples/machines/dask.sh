#!/bin/bash
# Dask on one machine: a scheduler, two workers, one load. On several, start the workers there, with LADEN_SAS (or an
# identity) in their environment, the source under the same path, and this version of laden: pip install 'laden[dask]'.
set -euo pipefail

address="tcp://127.0.0.1:${PORT:-8786}"
dask scheduler --host 127.0.0.1 --port "${PORT:-8786}" --no-dashboard &
dask worker "$address" --nworkers 2 --nthreads 1 --memory-limit 2GiB --no-dashboard &
trap 'kill $(jobs -p) 2>/dev/null' EXIT

# Exit code 3 is "complete, with findings".
laden load "$SOURCE" "$DEST" --yes --report none --findings laden-findings.csv --engine dask --scheduler "$address" \
  || [ $? -eq 3 ]
