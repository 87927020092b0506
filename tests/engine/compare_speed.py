"""Times `llmsize estimate` and node-llama-cpp's `inspect estimate` on one GGUF file, in turns.

    compare_speed.py LLMSIZE_BINARY WORK_FOLDER FILE.gguf

Whole processes, warm page cache, the same context. Prints medians, their ratio and the peak resident memory.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

import engine

RUNS = 21
CONTEXT = "8192"
KIBIBYTE = 1024


def timed(command):
    """Seconds of one process."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def peak_of(command):
    """Peak resident bytes of one process, by GNU time: a child of Python begins with Python's own 14 MB as its peak."""
    with tempfile.NamedTemporaryFile("r") as out:
        subprocess.run(["/usr/bin/time", "-o", out.name, "-f", "%M", *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return int(out.read()) * KIBIBYTE


def main():
    binary, folder, file = sys.argv[1:4]
    package = os.path.join(folder, "package")
    engine.install(package)
    client = os.path.join(package, "node_modules/node-llama-cpp/dist/cli/cli.js")
    commands = {"llmsize": [binary, "estimate", "-m", file, "-c", CONTEXT, "--json"],
                "node-llama-cpp": ["node", client, "inspect", "estimate", "--gpu", "false", "-c", CONTEXT, file]}
    samples = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            samples[name].append(timed(command))
    medians = {name: statistics.median(seconds) for name, seconds in samples.items()}
    for name, seconds in samples.items():
        print(f"{name}: median {medians[name] * 1000:.1f} ms (from {min(seconds) * 1000:.1f} to "
              f"{max(seconds) * 1000:.1f}), peak {peak_of(commands[name]) / 1e6:.0f} MB")
    print(f"ratio {medians['node-llama-cpp'] / medians['llmsize']:.0f}")


if __name__ == "__main__":
    main()
