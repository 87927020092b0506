"""Compares the memory benchmark of `llmsize probe` with bench/stream_read, in turns.

    compare_memory_read.py LLMSIZE_BINARY STREAM_READ [ROUNDS]

Prints each round's two medians and the median of their ratios. A machine that does other work gives both their share of it,
so only ratios of neighbouring runs say anything there.
"""
import json
import statistics
import subprocess
import sys


def main():
    binary, reference = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    host = json.loads(subprocess.run([binary, "probe", "--json"], check=True, capture_output=True).stdout)
    mebibytes = 4 * host["cpu"]["llc_bytes"] >> 20
    threads = host["cpu"]["physical_cores"]
    ratios = []
    for _ in range(rounds):
        line = subprocess.run([reference, str(mebibytes), str(threads), "5"], check=True, capture_output=True, text=True).stdout
        of_reference = float(line.split("median ")[1].split()[0])
        probe = json.loads(subprocess.run([binary, "probe", "--bench", "memory", "--json"], check=True, capture_output=True).stdout)
        of_probe = next(r["median"] for r in probe["benchmarks"]["memory.read"] if r["threads"] == threads) / 1e9
        ratios.append(of_probe / of_reference)
        print(f"probe {of_probe:.2f} GB/s, reference {of_reference:.2f} GB/s, ratio {ratios[-1]:.3f}")
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
