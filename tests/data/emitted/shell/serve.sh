#!/usr/bin/env bash
# a plan made by hand
# Without arguments: starts every HOT server and waits. With a name, its own or a role's: runs that server.
set -euo pipefail
engine=${LLAMA_SERVER:-llama-server}

# model-front Q4_K_M, 4.00 GiB of memory; Model-front-Q4_K_M.gguf, 4000000000 bytes
serve_front() {
  exec "$engine" \
    --model '/srv/my models/Model-front-Q4_K_M.gguf' \
    --ctx-size 8192 \
    --kv-unified \
    --alias front,workers \
    --host 127.0.0.1 \
    --port 8080
}

# model-coder Q4_K_M, 4.00 GiB of memory; Model-coder-Q4_K_M.gguf, 4000000000 bytes
serve_coder() {
  exec numactl --cpunodebind=1 --membind=1 "$engine" \
    --model '/srv/my models/Model-coder-Q4_K_M.gguf' \
    --ctx-size 8192 \
    --kv-unified \
    --alias coder \
    --host 127.0.0.1 \
    --port 8081
}

# model-general Q4_K_M, 4.00 GiB of memory; Model-general-Q4_K_M.gguf, 4000000000 bytes
serve_general() {
  exec "$engine" \
    --model '/srv/my models/Model-general-Q4_K_M.gguf' \
    --ctx-size 8192 \
    --kv-unified \
    --alias general \
    --host 127.0.0.1 \
    --port 8082
}

# model-coding Q4_K_M, 9.00 GiB of memory; Model-coding-Q4_K_M.gguf, 4000000000 bytes
serve_coding() {
  exec "$engine" \
    --model '/srv/my models/Model-coding-Q4_K_M.gguf' \
    --ctx-size 8192 \
    --kv-unified \
    --alias coding \
    --host 127.0.0.1 \
    --port 8083
}

case "${1:-}" in
  "")
    serve_front &
    serve_coder &
    wait
    ;;
  front|workers) serve_front ;;
  coder) serve_coder ;;
  general) serve_general ;;
  coding) serve_coding ;;
  *)
    echo "usage: $0 [front|workers|coder|general|coding]" >&2
    exit 2
    ;;
esac
# Of these only one fits at a time (ram): general coding
