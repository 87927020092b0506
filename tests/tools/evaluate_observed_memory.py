#!/usr/bin/env python3
"""Compares KV caches and recurrent states seen in public engine logs with llmsize's, from the catalog and without a file.

usage: evaluate_observed_memory.py BINARY TABLE.csv

Asked is every row that names a catalog model and states its context, cache types and a size. A log prints MiB with two
decimals, so equal means equal after rounding. The logs come from other builds than the one whose rules llmsize follows.
"""
import csv
import json
import subprocess
import sys


def size_in_mebibytes(binary, row, part):
    flags = ["-m", row["catalog_id"], "--quant", "Q4_K_M", "-c", row["n_ctx"], "-np", row["n_seq_max"] or "1",
             "-ub", row["n_ubatch"] or "512", "-ctk", row["cache_type_k"] or "f16",
             "-ctv", row["cache_type_v"] or row["cache_type_k"] or "f16", "--no-repack",
             "--kv-unified" if row["kv_unified"] in ("1", "true") else "--no-kv-unified"]
    answer = json.loads(subprocess.run([binary, "estimate", *flags, "--json"], capture_output=True, text=True).stdout)
    return answer["memory"][part] / 2**20 if "memory" in answer else answer["error"]["message"]


def main():
    binary, table = sys.argv[1:3]
    equal = asked = 0
    for row in csv.DictReader(open(table)):
        for column, part in (("kv_total_mib", "kv_bytes"), ("rs_total_mib", "state_bytes")):
            if not row["catalog_id"] or not row[column] or not row["n_ctx"]:
                continue
            asked += 1
            size = size_in_mebibytes(binary, row, part)
            if isinstance(size, float) and abs(size - float(row[column])) < 0.0051:
                equal += 1
                continue
            print(f"{row['catalog_id']} {part} at {row['n_ctx']} ({row['cache_type_k']}/{row['cache_type_v']}, np {row['n_seq_max']},"
                  f" {row['engine']} {row['build']}): said {size}, seen {row[column]}; {row['kv_check']} {row['notes'][:60]}")
    print(f"{equal} of {asked} equal")


main()
