#!/usr/bin/env python3
"""How far the speed predictor is from public measurements: `evaluate_throughput.py TABLE.csv`.

Prints the error of the shipped constants, of constants fitted without the hardware they are tried on, and of llmfit's
published formula on the same rows. docs/METHOD.md, "Throughput", quotes the output.
"""
import json
import math
import statistics
import sys
from collections import defaultdict

from throughput_rows import DATA, load, number

TABLE = {entry["id"]: entry for entry in json.loads((DATA / "throughput.json").read_text())["entries"]}
CPU = TABLE["cpu"]
# Classes that share constants because few chips of each were measured.
POOLS = {"cuda_a100": "hbm", "cuda_hopper": "hbm", "cuda_volta": "hbm", "rocm_rdna2": "rdna", "rocm_rdna3": "rdna",
         "rocm_rdna4": "rdna"}
FAMILIES = {"cuda": "cuda", "hbm": "cuda", "apple": "apple", "rocm": "amd", "rdna": "amd", "strix": "amd",
            "intel": "intel"}
EFFICIENCIES = [step / 100 for step in range(20, 103, 3)]
LAYER_MICROSECONDS = range(0, 240, 10)
RELATIVES = 0.2  # weight of rows of other classes in the same family
WEAK = 0.25  # a processor below this share of its bandwidth is misconfigured, and its rows fit nothing


def pool(item):
    return POOLS.get(item["cls"], item["cls"])


def family(item):
    return FAMILIES[pool(item).split("_")[0]]


def cache_factor(item):
    decode = TABLE[item["cls"]]["decode"]
    return decode["latent_kv_factor" if item["latent"] else "kv_factor"]


def gpu_speed(item, efficiency, microseconds):
    bytes_read = item["weights"] + item["cache"] * cache_factor(item)
    return 1 / (bytes_read / (efficiency * item["bandwidth"]) + item["layers"] * microseconds * 1e-6)


def fit(items, wanted):
    """Efficiency and time per layer with the least mean error; every hardware counts by the root of its rows, and
    other classes of the family a little, so that a class with few rows leans on its relatives."""
    rows_of = defaultdict(int)
    for item in items:
        rows_of[item["held"]] += 1
    prepared = [(item["weights"] + item["cache"] * cache_factor(item), item["bandwidth"], item["layers"] * 1e-6,
                 math.log(item["speed"]), rows_of[item["held"]] ** -0.5 * (1 if pool(item) == wanted else RELATIVES))
                for item in items]

    def total(efficiency, microseconds):
        return sum(weight * abs(-math.log(size / (efficiency * bandwidth) + layers * microseconds) - speed)
                   for size, bandwidth, layers, speed, weight in prepared)

    return min(((total(e, t), e, t) for e in EFFICIENCIES for t in LAYER_MICROSECONDS))[1:]


def usable_for_fit(item):
    slow_path = "BF16" in item["quant"] and "Vulkan" in item["row"]["backend"]
    return not (item["llamafile"] or item["deep"] or slow_path)


def fitted_without(items, item, known):
    key = (pool(item), item["experts"], item["held"])
    if key not in known:
        others = [o for o in items if usable_for_fit(o) and o["experts"] == item["experts"] and o["held"] != item["held"]]
        relatives = [o for o in others if family(o) == family(item)]
        known[key] = fit(relatives or others, pool(item))
    return known[key]


def source_group(item):
    source = item["row"]["source"]
    return "llmfit community" if "llmfit community" in source else source.split("/llm-bench")[0].split("__")[0][:60]


def shipped(item):
    decode = TABLE[item["cls"]]["decode"]
    kind = "experts" if item["experts"] else "dense"
    return gpu_speed(item, decode["efficiency_" + kind], decode["layer_microseconds_" + kind])


def cpu_speed(item, efficiency):
    decode = CPU["decode"]
    memory = (item["weights"] + item["cache"] * decode["kv_factor"]) / (efficiency * item["bandwidth"])
    cores = 0
    if item["threads"]:
        rate = CPU["weights_per_second_per_core"].get(item["type"], CPU["other_weights_per_second_per_core"])
        cores = item["params"] / (item["threads"] * rate)
    return 1 / (max(memory, cores) + item["layers"] * decode["layer_microseconds"] * 1e-6)


def cpu_efficiency_without(items, item):
    """Median over the other hosts of the share of bandwidth that their memory-bound rows reach."""
    def of(experts):
        hosts = defaultdict(list)
        for other in items:
            if other["chip"] == item["chip"] or other["measured"]:
                continue
            if other["sockets"] != item["sockets"] or other["experts"] != experts:
                continue
            seconds = 1 / other["speed"] - other["layers"] * CPU["decode"]["layer_microseconds"] * 1e-6
            rate = CPU["weights_per_second_per_core"].get(other["type"], CPU["other_weights_per_second_per_core"])
            bound_by_cores = other["threads"] and other["params"] / (other["threads"] * rate) > 0.6 * seconds
            share = (other["weights"] + other["cache"] * CPU["decode"]["kv_factor"]) / (seconds * other["bandwidth"])
            if not bound_by_cores and share > WEAK:
                hosts[other["chip"]].append(share)
        return statistics.median(statistics.median(shares) for shares in hosts.values()) if len(hosts) > 1 else None

    if item["measured"]:  # From another machine and another author: see the entry's source.
        return CPU["decode"]["measured_bandwidth"]["efficiency_experts" if item["experts"] else "efficiency_dense"]
    return of(item["experts"]) or of(not item["experts"])


def cpu_kind(item):
    return "measured_bandwidth" if item["measured"] else "two_sockets" if item["sockets"] == 2 else "one_socket"


def cpu_shipped(item):
    decode = CPU["decode"][cpu_kind(item)]
    return cpu_speed(item, decode["efficiency_experts" if item["experts"] else "efficiency_dense"])


def llmfit(item):
    """AlexsJones/llmfit: bandwidth / (active parameters x bytes) x 0.55 on GPUs, a constant / parameters on CPUs."""
    quant = item["quant"].replace("UD-", "")
    bytes_per = next((b for word, b in (("F16", 2), ("BF16", 2), ("Q8", 1), ("Q6", .75), ("Q5", .625), ("MXFP4", .53),
                                        ("Q3", .375), ("Q2", .25)) if quant.startswith(word)), 0.5)
    if item["gpu"]:
        return item["bandwidth"] / (item["params"] * bytes_per) * 0.55
    factor = next((f for word, f in (("F16", .6), ("BF16", .6), ("Q8", .8), ("Q6", .95), ("Q4_K_M", 1.15),
                                     ("Q4_0", 1.15), ("Q3_K_M", 1.25), ("Q2_K", 1.35)) if quant.startswith(word)), 1.0)
    arm = any(word in item["chip"] for word in ("Apple", "Ampere", "Pi "))
    return (90 if arm else 70) / (item["params"] / 1e9) * factor * (1.1 if (item["threads"] or 8) >= 8 else 1)


def spread(item):
    if item["gpu"]:
        decode = TABLE[item["cls"]]["decode"]
        return decode["low"], decode["high"]
    decode = CPU["decode"]
    prefix = {"measured_bandwidth": "measured_", "two_sockets": "two_sockets_", "one_socket": ""}[cpu_kind(item)]
    return decode[prefix + "low"], decode[prefix + "high"]


def prompt_rows(items):
    """The same rows with their prompt speed, where one was taken at a small depth under the engine itself."""
    rows = []
    for item in items:
        speed = number(item["row"]["pp_tps"])
        peak = item["gpu"] and item["gpu"].get(TABLE[item["cls"]]["prompt"]["peak"] + "_tflops")
        if speed and peak and not item["llamafile"] and not item["deep"]:
            rows.append(item | {"speed": speed, "peak": peak * 1e12})
    return rows


def prompt_shipped(item):
    prompt = TABLE[item["cls"]]["prompt"]
    efficiency = prompt["efficiency_experts" if item["experts"] else "efficiency_dense"]
    return efficiency * item["peak"] / (2 * item["params"])


def prompt_spread(item):
    prompt = TABLE[item["cls"]]["prompt"]
    return prompt["low"], prompt["high"]


def report(title, items, predict, spread=spread):
    errors = sorted(abs(predict(item) / item["speed"] - 1) for item in items)
    inside = sum(spread(i)[0] * predict(i) <= i["speed"] <= spread(i)[1] * predict(i) for i in items)
    hosts = defaultdict(list)
    for item in items:
        hosts[item["chip"]].append(abs(predict(item) / item["speed"] - 1))
    by_host = statistics.median(statistics.median(values) for values in hosts.values())
    print(f"{title:58} rows {len(items):4}  hardware {len(hosts):3}  median {statistics.median(errors):6.1%}  "
          f"90th {errors[int(0.9 * len(errors))]:6.1%}  by hardware {by_host:6.1%}  in range {inside / len(items):4.0%}")


def main():
    items, reasons = load(sys.argv[1])
    print("not used:", ", ".join(f"{why} {count}" for why, count in sorted(reasons.items())))
    gpus, cpus = [i for i in items if i["gpu"]], [i for i in items if not i["gpu"]]
    plain = [i for i in gpus if not i["llamafile"]]
    for item in gpus:
        item["held"] = item["chip"]
    known = {}
    strict = {id(i): gpu_speed(i, *fitted_without(gpus, i, known)) for i in gpus}
    chips = defaultdict(set)
    for item in gpus:
        chips[pool(item)].add(item["chip"])
    for item in gpus:
        item["held"] = item["chip"] if len(chips[pool(item)]) > 1 else source_group(item)
    known = {}
    held = {id(i): gpu_speed(i, *fitted_without(gpus, i, known)) for i in gpus}
    efficiencies = {}
    for item in cpus:
        key = (item["chip"], item["sockets"], item["experts"])
        efficiencies.setdefault(key, cpu_efficiency_without(cpus, item))
    cpu_held = {id(i): cpu_speed(i, efficiencies[(i["chip"], i["sockets"], i["experts"])]) for i in cpus}
    sound = [i for i in cpus if i["chip"] != "EPYC 9655"]

    report("GPU, chip left out (a lone chip of its class: its source)", plain, lambda i: held[id(i)])
    report("GPU, chip left out always", plain, lambda i: strict[id(i)])
    report("GPU, shipped constants", plain, shipped)
    report("GPU, llmfit", plain, llmfit)
    report("GPU with llamafile rows, chip left out", gpus, lambda i: held[id(i)])
    report("GPU with llamafile rows, shipped constants", gpus, shipped)
    report("GPU with llamafile rows, llmfit", gpus, llmfit)
    report("CPU, host left out", cpus, lambda i: cpu_held[id(i)])
    report("CPU, host left out, without the misconfigured EPYC 9655", sound, lambda i: cpu_held[id(i)])
    report("CPU, shipped constants", cpus, cpu_shipped)
    report("CPU, shipped, without the misconfigured EPYC 9655", sound, cpu_shipped)
    report("CPU, llmfit", cpus, llmfit)
    everything = plain + cpus
    report("All but llamafile, left out", everything, lambda i: held[id(i)] if i["gpu"] else cpu_held[id(i)])
    report("GPU prompts, shipped constants", prompt_rows(plain), prompt_shipped, prompt_spread)
    if "--classes" in sys.argv:
        for name in sorted({pool(i) for i in plain}):
            report("  " + name, [i for i in plain if pool(i) == name], shipped)


if __name__ == "__main__":
    main()
