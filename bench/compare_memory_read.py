"""Compares the memory benchmark of `llmsize probe` with bench/stream_read, in turns.

    compare_memory_read.py LLMSIZE_BINARY STREAM_READ [ROUNDS]

Prints each round's two medians and best passes, and the ratios of the medians over all rounds. Other work on the machine
takes from either as chance has it; `chrt -f 50 python3 bench/compare_memory_read.py …` keeps it away, as root.
"""
import json
import os
import statistics
import subprocess
import sys


def main():
    binary, reference = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    host = json.loads(subprocess.run([binary, "probe", "--json"], check=True, capture_output=True).stdout)
    mebibytes = 4 * host["cpu"]["llc_bytes"] >> 20
    threads = host["cpu"]["physical_cores"]
    of_probe, of_reference = [], []
    for _ in range(rounds):
        line = subprocess.run([reference, str(mebibytes), str(threads), "5"], check=True, capture_output=True, text=True,
                              env={**os.environ, "OMP_PROC_BIND": "true"}).stdout
        of_reference.append([float(line.split(word)[1].split()[0]) for word in ("median ", "best ")])
        document = json.loads(subprocess.run([binary, "probe", "--bench", "memory", "--json"], check=True, capture_output=True).stdout)
        reading = next(r for r in document["benchmarks"]["memory.read"] if r["threads"] == threads)
        of_probe.append([reading["median"] / 1e9, max(reading["repetitions"]) / 1e9])
        print("median {:.2f}, best {:.2f} GB/s;".format(*of_probe[-1]), "reference: median {:.2f}, best {:.2f} GB/s".format(*of_reference[-1]))
    for column, word, pick in ((0, "medians", statistics.median), (1, "best passes", max)):
        probe, other = (pick(row[column] for row in rows) for rows in (of_probe, of_reference))
        print(f"{word}: {probe:.2f} and {other:.2f} GB/s, ratio {probe / other:.3f}")


if __name__ == "__main__":
    main()
