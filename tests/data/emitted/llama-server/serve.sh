#!/usr/bin/env bash
# a plan made by hand
# HOT models have servers of their own, because the router evicts by count; each group of WARM ones has a router that
# keeps one loaded.
set -euo pipefail
engine=${LLAMA_SERVER:-llama-server}
here=$(cd "$(dirname "$0")" && pwd)

# model-front Q4_K_M, 4.00 GiB of memory; Model-front-Q4_K_M.gguf, 4000000000 bytes
"$engine" \
  --model '/srv/my models/Model-front-Q4_K_M.gguf' \
  --ctx-size 8192 \
  --kv-unified \
  --alias front,workers \
  --host 127.0.0.1 \
  --port 8080 &

# model-coder Q4_K_M, 4.00 GiB of memory; Model-coder-Q4_K_M.gguf, 4000000000 bytes
numactl --cpunodebind=1 --membind=1 "$engine" \
  --model '/srv/my models/Model-coder-Q4_K_M.gguf' \
  --ctx-size 8192 \
  --kv-unified \
  --alias coder \
  --host 127.0.0.1 \
  --port 8081 &

# WARM, one at a time (ram)
"$engine" \
  --models-preset "$here"/warm-ram.ini \
  --models-max 1 \
  --models-autoload \
  --host 127.0.0.1 \
  --port 8084 &

wait
