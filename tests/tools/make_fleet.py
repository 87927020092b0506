"""Writes a fleet of saved probes for `llmsize plan --hosts`: python3 make_fleet.py FOLDER HOSTS CLASSES

Every class is one of the machines in tests/data/fleet with its memory grown step by step; its hosts differ by a few
megabytes, as real ones do. The same arguments write the same files. docs/PERFORMANCE.md has what planning them takes."""

import json
import pathlib
import sys

SAMPLES = pathlib.Path(__file__).resolve().parent.parent / "data/fleet"
GROWTH = 1.25  # Of memory from one class of the same machine to the next: more than the steps that sizes come in.
JITTER = 1 << 20


def grown(probe, factor, number):
    host = json.loads(json.dumps(probe))
    for place, key in (("memory", "total_bytes"), ("memory", "available_bytes"), ("effective", "memory_bytes")):
        host[place][key] = int(host[place][key] * factor)
    for place, key in (("memory", "available_bytes"), ("effective", "memory_bytes")):
        host[place][key] -= number % 16 * JITTER
    for node in host["numa"]["nodes"]:
        if node["total_bytes"]:
            node["total_bytes"] = int(node["total_bytes"] * factor)
    name = f"n{number:05}"
    host["identity"].update({"host_name": name, "machine_id": f"{number:032x}"})
    return name, host


def main():
    folder, hosts, classes = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    samples = [json.loads((SAMPLES / f"{name}.json").read_text()) for name in ("r1c1", "r1g1", "r1s1")]
    folder.mkdir(parents=True)
    for number in range(hosts):
        kind = number % classes
        name, host = grown(samples[kind % len(samples)], GROWTH ** (kind // len(samples)), number)
        (folder / f"{name}.json").write_text(json.dumps(host))


if __name__ == "__main__":
    main()
