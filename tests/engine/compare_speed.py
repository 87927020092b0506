"""Times `llmsize estimate` and node-llama-cpp's `inspect estimate` on one GGUF file, in turns.

    compare_speed.py LLMSIZE_BINARY WORK_FOLDER FILE.gguf

Whole processes, warm page cache, the same context. Prints medians, their ratio and the peak resident memory.
"""
import os
import statistics
import sys
import time

import engine

RUNS = 21
CONTEXT = "8192"
KIBIBYTE = 1024


def timed(command):
    """(seconds, peak resident bytes) of one process."""
    begin = time.perf_counter()
    child = os.fork()
    if child == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        os.execvp(command[0], command)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"{command[0]} failed")
    return time.perf_counter() - begin, usage.ru_maxrss * KIBIBYTE


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
    medians = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in samples.items()}
    for name, runs in samples.items():
        seconds = [value for value, _ in runs]
        print(f"{name}: median {medians[name] * 1000:.1f} ms (from {min(seconds) * 1000:.1f} to "
              f"{max(seconds) * 1000:.1f}), peak {max(peak for _, peak in runs) / 1e6:.0f} MB")
    print(f"ratio {medians['node-llama-cpp'] / medians['llmsize']:.0f}")


if __name__ == "__main__":
    main()
