#!/usr/bin/env bash
# Writes tests/data/fleet anew: make_rack.sh LLMSIZE FOLDER. The machines are made up; what the probe says of them is not.
set -euo pipefail
llmsize=$1 folder=$2
nothing=$(mktemp -d)
trap 'rmdir "$nothing"' EXIT
mkdir -p "$folder"

# host NAME OPTION…: a probe of no machine, with everything stated.
host() {
  local name=$1 id
  shift
  id=$(printf 'made-up host %s' "$name" | sha256sum | cut -c1-32)
  "$llmsize" probe --json --root "$nothing" --fact "identity.host_name=$name" --fact "identity.machine_id=$id" "$@" \
    >"$folder/$name.json"
}

# What is available differs by a few megabytes, as between real machines of one kind.
for i in 1 2 3 4; do
  host "r1c$i" --ram 251.5 --available "$((250200 + i * 7))MiB" --cpu-model "AMD EPYC 9354 32-Core Processor" \
    --cores 32 --cpus 64 --packages 1 --isa avx2,avx512f,avx512_vnni --storage nvme --storage-speed 5
done
for i in 1 2 3; do
  gpus=()
  for gpu in 0 1; do
    gpus+=(--fact "gpus.$gpu.memory_total_bytes=25757220864"
      --fact "gpus.$gpu.memory_free_bytes=$((25390000000 - i * 1048576))"
      --fact "gpus.$gpu.vendor=nvidia" --fact "gpus.$gpu.backend=cuda")
  done
  host "r1g$i" --ram 125.6 --available "$((122800 + i * 5))MiB" --cpu-model "AMD Ryzen Threadripper PRO 5975WX 32-Cores" \
    --cores 32 --cpus 64 --packages 1 --isa avx2 --gpu "NVIDIA GeForce RTX 4090,NVIDIA GeForce RTX 4090" "${gpus[@]}" \
    --storage nvme --storage-speed 3
done
for i in 1 2; do
  host "r1s$i" --ram 62.6 --available "$((60100 + i * 3))MiB" --cpu-model "Intel(R) Xeon(R) E-2388G CPU @ 3.20GHz" \
    --cores 8 --cpus 16 --packages 1 --isa avx2,avx512f --bandwidth 51.2 --storage ssd --storage-speed 0.5
done
