"""Compares `llmsize estimate` with the resident memory of a real load of about a gigabyte.

    resident_memory.py LLMSIZE_BINARY WORK_FOLDER

Each load has a process of its own. What Node itself holds, measured in that process before the load, is
subtracted. The context is filled before measuring, so that every page that a run touches has been touched.
Logits are asked for the last token of each batch only, as the server does: the package reserves scratch for all of
them, but pages that no run touches are not resident.
"""
import os
import statistics
import sys

import engine
import gguf_writer
import models

TOLERANCE = 0.03  # Of the whole load, anonymous and file-backed.
REPEATS = int(os.environ.get("LLMSIZE_ENGINE_REPEATS", "3"))
BASE = {"context": 1024, "batch": 512, "sequences": 1, "flash_attention": True, "cache_type": 1,
        "swa_full": False, "fill": True}
# name: (weights' type, mapped). On AVX2 and AVX-512, q4_0 is repacked and q8_0 is not.
LOADS = {"q8_0 mapped": ("q8_0", True), "q8_0 read": ("q8_0", False),
         "q4_0 mapped": ("q4_0", True), "q4_0 read": ("q4_0", False)}


def measure(package, job):
    """(anonymous, file-backed, model alone anonymous): medians of the growth over the empty process, in bytes."""
    anonymous, mapped, other_files, model_only = [], [], [], []
    for _ in range(REPEATS):
        _, (answer,) = engine.load(package, [job])
        if "error" in answer:
            raise RuntimeError(f"{answer['error']}: {answer['log'][-3:]}")
        start, end = answer["stages"]["start"], answer["stages"]["filled"]
        anonymous.append(end["anonymous"] - start["anonymous"])
        mapped.append(answer["mapped_bytes"])
        other_files.append(end["file_backed"] - start["file_backed"] - answer["mapped_bytes"])
        model_only.append(answer["stages"]["model"]["anonymous"] - start["anonymous"])
    return [statistics.median(values) for values in (anonymous, mapped, other_files, model_only)]


def main():
    if os.environ.get("LLMSIZE_ENGINE_LOAD") != "1":
        engine.skip("loads of a gigabyte need LLMSIZE_ENGINE_LOAD=1")
    binary, folder = sys.argv[1:3]
    package = os.path.join(folder, "package")
    engine.install(package)
    failed = False
    for name, (kind, mapped) in LOADS.items():
        path = os.path.join(folder, f"large-{kind}.gguf")
        if not os.path.exists(path):
            gguf_writer.write(path, *models.large(kind))
        job = {**BASE, "mmap": mapped, "model": path}
        memory = engine.estimate(binary, job, "server", ["--cache-ram", "0"])["memory"]
        anonymous, file_backed, libraries, model_only = measure(package, job)
        print(f"{name}: libraries and code {libraries:+.0f}, anonymous after the model alone {model_only:.0f}")
        whole = anonymous + file_backed
        for what, theirs in (("anonymous_bytes", anonymous), ("file_backed_bytes", file_backed),
                             ("total_bytes", whole)):
            ours = memory[what]
            failed = failed or abs(ours - theirs) > TOLERANCE * whole
            print(f"  {what}: process {theirs:.0f}, llmsize {ours}, {(ours - theirs) / whole:+.2%} of the load")
        parts = {key: memory[key] for key in ("weights_bytes", "repacked_bytes", "kv_bytes", "compute_bytes",
                                              "output_bytes", "runtime_bytes")}
        print(f"  parts: {parts}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
