#!/usr/bin/env bash
# a plan made by hand
# Usage: label-nodes.sh NODE, the machine that was planned for.
set -euo pipefail
kubectl label node --overwrite "${1:?usage: label-nodes.sh NODE}" llmsize.dev/class=planned
