#!/bin/bash
# A Slurm job array: five tasks send a share each, whichever nodes they get; a last job lands table and manifest.
#
#   job=$(sbatch --parsable --export=ALL,SOURCE=/scratch/padchest,DEST=https://ACCOUNT.blob.core.windows.net/padchest \
#     examples/machines/slurm.sh)
#   sbatch --dependency=afterok:$job --array=0 --export=ALL,SOURCE=...,DEST=...,LAST=1 examples/machines/slurm.sh
#
# LADEN_SAS comes from the environment, so that it stands in no command line.
#SBATCH --job-name=laden
#SBATCH --array=1-5
#SBATCH --cpus-per-task=2
#SBATCH --mem=2G
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

share=(--share auto)
if [ -n "${LAST:-}" ]; then share=(); fi
# Exit code 3 is "complete, with findings": the task has done its part.
laden load "$SOURCE" "$DEST" --yes --report none --findings "laden-findings-${SLURM_ARRAY_TASK_ID}.csv" "${share[@]}" \
  || [ $? -eq 3 ]
