#!/usr/bin/env bash
# a plan made by hand
# Submits every server; further options go to sbatch. Where they answer is written into llmsize-addresses.
set -euo pipefail
cd "$(dirname "$0")"
time_limit=${LLMSIZE_TIME:-7-00:00:00}
for script in \
  llmsize-front.sbatch \
  llmsize-coder.sbatch \
  llmsize-warm-ram.sbatch; do
  sbatch --time="$time_limit" "$@" "$script"
done
