"""Compares `llmsize estimate` with what the packaged engine says it allocates, to the byte.

    compare_buffers.py LLMSIZE_BINARY WORK_FOLDER
"""
import os
import sys

import engine
import gguf_writer
import models

MEBIBYTE = 1024 * 1024
LOG_ROUNDING = 0.005  # The log prints two decimals.

BASE = {"context": 4096, "batch": 512, "sequences": 1, "flash_attention": True, "cache_type": 1, "mmap": True,
        "swa_full": False}
# name: (weights' type, differences from BASE)
SETTINGS = {
    "default": ("q8_0", {}),
    "no flash attention": ("q8_0", {"flash_attention": False}),
    "four sequences": ("q8_0", {"sequences": 4, "context": 8192, "batch": 256}),
    "quantized cache": ("q8_0", {"cache_type": 8}),
    "whole window": ("f16", {"swa_full": True, "batch": 128}),
    "repacked, mapped": ("q4_0", {}),
    "repacked, read": ("q4_0", {"mmap": False}),
}


# What anonymous and file-backed bytes hold besides weights.
NOT_WEIGHTS = ("kv_bytes", "state_bytes", "compute_bytes", "output_bytes", "runtime_bytes")
LOGGED = {"KV": "kv_bytes", "RS": "state_bytes", "output": "output_bytes", "compute": "compute_bytes"}


def held_weights(memory):
    """Every buffer that holds weights: mapped, read, and repacked."""
    return memory["anonymous_bytes"] + memory["file_backed_bytes"] - sum(memory[key] for key in NOT_WEIGHTS)


def differences(answer, estimate):
    """(what differs, in words; whether scratch was given as an interval)."""
    memory = estimate["memory"]
    cache = memory["kv_bytes"] + memory["state_bytes"]
    compute = answer["context_bytes"] - cache
    spread = memory.get("intervals", {}).get("compute_bytes")
    low, high = (spread["low"], spread["high"]) if spread else (memory["compute_bytes"],) * 2
    found = []
    if answer["model_bytes"] != held_weights(memory):
        found.append(f"weights: engine {answer['model_bytes']}, llmsize {held_weights(memory)}")
    if not low <= compute <= high:
        found.append(f"context and compute: engine {answer['context_bytes']}, llmsize {cache} and {low} to {high}")
    logged = engine.logged_mebibytes(answer["log"])
    for kind, key in LOGGED.items():
        if key == "compute_bytes" and spread:
            continue
        total, lines = logged.get(kind, (0.0, 0))
        if abs(memory[key] / MEBIBYTE - total) > LOG_ROUNDING * max(lines, 1) + 1e-9:
            found.append(f"{kind} buffer: engine {total:.2f} MiB, llmsize {memory[key] / MEBIBYTE:.4f} MiB")
    return found, spread is not None


def make_jobs(folder):
    jobs = []
    for family, make in models.FAMILIES.items():
        for setting, (kind, change) in SETTINGS.items():
            path = os.path.join(folder, f"{family}-{kind}.gguf")
            if not os.path.exists(path):
                gguf_writer.write(path, *make(kind))
            jobs.append((f"{family}, {setting}", {**BASE, **change, "model": path}))
    return jobs


def main():
    binary, folder = sys.argv[1:3]
    package = os.path.join(folder, "package")
    engine.install(package)
    files = os.path.join(folder, "models")
    os.makedirs(files, exist_ok=True)
    jobs = make_jobs(files)
    which, answers = engine.load(package, [job for _, job in jobs])
    print(f"llama.cpp {which['release']} of node-llama-cpp {engine.wanted_version()}: {which['system']}")
    failed = len(answers) != len(jobs)
    for (name, job), answer in zip(jobs, answers):
        if "error" in answer:
            found, interval = [answer["error"], *answer["log"][-3:]], False
        else:
            found, interval = differences(answer, engine.estimate(binary, job))
        failed = failed or bool(found)
        verdict = "DIFFERS" if found else "within its interval" if interval else "exact"
        print("\n    ".join([f"{name}: {verdict}", *found]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
