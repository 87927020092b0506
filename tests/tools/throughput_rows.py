"""Reads the table of public decode measurements and attaches to each row what the predictor needs.

The table names models loosely, so layers, embeddings and cache per token come from MODELS below (facts of the
models' published configurations), and file sizes, where the row has none, from the file type's usual bits per weight.
"""
import csv
import json
import re
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"

# name pattern, layers, weights (millions) of an embedding that is only looked up, bytes of F16 cache per token
MODELS = [
    (r"llama.?7b|llama 7b v2|llama-2-7b", 32, 131, 524288), (r"mistral-7b|mistral 7b", 32, 134, 131072),
    (r"mistral-nemo", 40, 671, 163840), (r"(llama|hermes|r1-distill-llama).*70b|pepe_70b", 80, 1050, 327680),
    (r"405b", 126, 2101, 516096),
    (r"llama.?3.*8b|llama 8b|llama-8b|meta-llama-3|nemotron-nano-8b|pepe_8b", 32, 525, 131072),
    (r"llama-3.2-1b|llama 1b", 16, 0, 32768), (r"llama-3.2-3b|llama 3b", 28, 0, 114688),
    (r"codestral-22b", 56, 201, 229376), (r"(qwen2|r1-distill-qwen).*?14b", 48, 778, 196608),
    (r"(qwen2|distill-qwen).*7b|falcon3-7b|qwen2 7b", 28, 545, 57344),
    (r"(qwen2|distill-qwen|coder).*32b", 64, 778, 262144), (r"72b", 80, 1246, 327680),
    (r"qwen2.5.*0.5b", 24, 0, 12288), (r"distill-qwen-1.5b", 28, 233, 28672), (r"qwen2.5.*3b", 36, 0, 36864),
    (r"qwen3-0.6b|qwen3-1.7b", 28, 0, 114688), (r"qwen3-4b|jan-|eva-4b", 36, 0, 147456),
    (r"qwen3:?-?8b|sera-8b|bonsai-8b", 36, 622, 147456), (r"qwen3-14b|nousc", 40, 778, 163840),
    (r"qwen3-32b", 64, 778, 262144), (r"qwen3.*30b|qwen3moe \?b q4|omni-30b-a3b-(ins|thi)", 48, 311, 98304),
    (r"235b|qwen3moe \?b q2", 94, 622, 192512), (r"480b", 62, 933, 253952), (r"next|80b-a3b", 48, 311, 24576),
    (r"122b", 48, 763, 24576), (r"35b|36b", 40, 508, 20480), (r"gemma-2-27b", 46, 0, 376832),
    (r"gemma-3-27b", 62, 0, 90000), (r"27b", 64, 1271, 65536), (r"gemma-2-9b", 42, 0, 344064), (r"9b", 32, 1017, 32768),
    (r"4b-neo|qwen3.5-4b|fara1.5-4b|agents-a1-4b", 32, 0, 32768), (r"3\.5-(2b|0\.8b)", 24, 0, 12288),
    (r"gemma-2-2b", 26, 0, 106496), (r"gemma.?3.?4b", 34, 0, 20480), (r"gemma-3-12b", 48, 0, 65536),
    (r"gemma.?4.?26b|gemopus", 30, 0, 20480), (r"31b", 60, 0, 81920), (r"gemma.?4.?12b|grug-12", 48, 0, 40000),
    (r"gpt-oss.?20b", 24, 0, 24576), (r"gpt-oss.?120b", 36, 0, 36864),
    (r"deepseek2 16b|coder-v2-lite", 27, 210, 31104), (r"671b", 61, 927, 70272),
    (r"4\.7-flash|deepseek2 30b", 47, 317, 54144), (r"4.5-air", 46, 621, 188416), (r"glm-4.6", 92, 776, 376832),
    (r"scout", 48, 1034, 196608), (r"hunyuan-a13b", 32, 0, 131072), (r"dots", 62, 623, 0),
    (r"mistral-small|magistry|24b", 40, 671, 163840), (r"ministral-8b", 36, 537, 147456),
    (r"ministral-3-14b", 40, 671, 163840), (r"ministral-3-3b", 26, 0, 106496),
    (r"super-120b|nemotron 120b", 88, 537, 8192), (r"nemotron.*30b", 52, 352, 6144),
    (r"nano-4b|nemotron 4b", 42, 0, 16384), (r"minimax", 62, 614, 253952), (r"lfm2.*8b-a1b|tini", 24, 0, 24576),
    (r"lfm2.*1.2b|audio", 16, 0, 12288), (r"phi-3.5", 32, 98, 393216), (r"phi-4-mini", 32, 0, 131072),
    (r"phi-4", 40, 514, 204800), (r"phi-3-medium", 40, 164, 204800), (r"kimi-linear", 27, 377, 5000),
    (r"mellum|ernie", 28, 0, 0), (r"smollm2-1.7b", 24, 0, 196608), (r"smollm3", 36, 0, 73728)]
LATENT_CACHES = {54144, 31104, 70272}  # models that keep keys only (MLA)
LAYERS_BY_BILLIONS = [(0.5, 16), (1.5, 20), (2.5, 26), (10, 34), (16, 42), (40, 60), (90, 80), (1e9, 90)]
# Parameters in billions where rows of a family give a rounded number.
BILLIONS = [
    (r"qwen2.*7b|distill-qwen-7b|infracelestial-7b", 7.62), (r"(qwen2|distill-qwen|qwen3|nousc).*14b", 14.77),
    (r"32b", 32.76), (r"falcon3-7b", 7.46), (r"ministral-8b", 8.02), (r"aya-exp", 8.03), (r"llama-3.2-1b", 1.24),
    (r"llama-3.2-3b", 3.21), (r"granite-4.1-8b|internlm3-8b", 8.8), (r"(llama|pepe|granite-3|nemotron-nano).*8b", 8.1),
    (r"(qwen3|sera|bonsai).*-?8b", 8.19), (r"mistral-7b", 7.25), (r"gemma-2-9b", 9.24), (r"gemma-2-2b", 2.61),
    (r"gemma-2-27b", 27.2), (r"gemma.?3.?4b", 3.88), (r"gemma-3-12b", 11.77), (r"gemma.?3.?27b", 27.0),
    (r"0\.8b", 0.87), (r"qwen3-0.6b", 0.6), (r"qwen3-1.7b", 1.72), (r"(qwen3-|jan|eva-)4b", 4.02),
    (r"(3\.5-|fara1.5-|agents-a1-)4b", 4.4), (r"3\.5-2b", 2.0),
    (r"(qwen3|fara1|omnicoder|tess|ornith|shepherd|copaw|qwythos|astrea|spatial).*9b", 9.3), (r"yi-1.5-9b", 8.83),
    (r"27b", 27.32), (r"24b", 23.57), (r"codestral", 22.2), (r"olmo-2-1124-13b", 13.7), (r"smollm2", 1.71),
    (r"phi-4-mini", 3.84), (r"llama-2-7b", 6.74), (r"internlm2_5-20b", 19.9)]
BITS = [("BF16", 16), ("F16", 16), ("Q8_K_XL", 9.2), ("Q8_0", 8.5), ("Q6_K", 6.57), ("Q5_K_S", 5.55), ("Q5_K", 5.7),
        ("Q5_0", 5.55), ("IQ4_NL", 4.6), ("IQ4_XS", 4.35), ("Q4_K_S", 4.6), ("Q4_K", 4.87), ("Q4_0", 4.6), ("MXFP4", 4.7),
        ("Q3_K_S", 3.6), ("Q3_K_XL", 4.2), ("Q3_K", 4.05), ("IQ3_XXS", 3.2), ("Q2_K", 3.2)]
# gpt-oss: routed weights per token at 4.25 bits, the rest (attention, output) in Q8_0 or F16.
GPT_OSS = {"20b": (2.39e9, 1.21e9), "120b": (3.58e9, 1.53e9)}
CORES = {
    "2x EPYC 9175F": 32, "2x EPYC 9254": 48, "2x Xeon E5-2690 v3": 24, "2x Xeon E5-2697A v4": 32,
    "AmpereOne A192-32X (512GB)": 192, "Apple M2 Max CPU": 8, "Core i9-13900K DDR5-6400": 24,
    "EPYC 9115/9135 12ch DDR5-5600": 16, "EPYC 9374F": 32, "EPYC 9554": 64, "EPYC 9655": 96, "Pi 5 - 16GB": 4,
    "Pi 5 - 8GB": 4, "Ryzen 9 7950X": 16, "Ryzen AI Max+ 395 CPU": 16, "Threadripper PRO 7965WX": 24,
    "Xeon Gold 6240": 18}
TENSOR_TYPES = {"BF16": "bf16", "F16": "f16", "Q8_0": "q8_0", "Q6_K": "q6_K", "Q5_K": "q5_K", "Q5_0": "q5_0",
                "Q4_K": "q4_K", "Q4_0": "q4_0", "IQ4_NL": "iq4_nl", "IQ4": "iq4_xs", "IQ5_K": "q5_K", "Q3_K": "q3_K",
                "Q2_K": "q2_K", "IQ3_S": "iq3_s", "IQ3_XXS": "iq3_xxs", "IQ3_K": "q4_K", "IQ2_KS": "q4_K",
                "IQ2_XXS": "iq2_xxs", "IQ2_XS": "iq2_xs", "IQ2": "iq2_s", "MXFP4": "mxfp4"}
# The table's 64 GB/s for this host is a measurement: two channels of its slowest supported memory make 76.8.
MEASURED_BANDWIDTH = {"Ryzen 9 7950X"}
MOST_OF_BANDWIDTH = 1.15  # a reading above this times the theoretical bandwidth is not what it says it is


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def plain(name):
    return re.sub(r"[ _:\-]", "", name.lower())


def gpu_index():
    entries = json.loads((DATA / "gpus.json").read_text())["entries"]
    names = [(plain(name), entry) for entry in entries for name in [entry["id"], *entry["aliases"]]]
    return sorted(names, key=lambda pair: -len(pair[0]))


def find_gpu(hardware, index):
    """The catalog's GPU that a row's loose name means."""
    if hardware.startswith("Mac Studio"):
        hardware = "M3 Ultra"
    if "A400)" in hardware and "A4000" not in hardware:
        hardware = "RTX A400"
    if hardware.startswith("Apple M1 Max 32"):
        hardware = "M1 Max"
    inner = re.search(r"\(((?:Nvidia|AMD|Intel|Radeon)[^)]*)\)", hardware)
    name = inner.group(1).replace("Nvidia ", "").replace("Spark", "GB10") if inner else hardware
    name = re.sub(r"\b(24|12|8|48)GB$", "", name).strip()
    for prefix in ("", "RTX ", "RX "):
        for alias, entry in index:
            if alias == plain(prefix + name):
                return entry
    return next((entry for alias, entry in index if len(alias) >= 5 and alias in plain(name)), None)


def chip_of(gpu):
    """One chip, whatever its number of cores enabled or memory."""
    return re.sub(r"(a100|h100).*", r"\1", re.sub(r"-\d+-core-gpu-?", "", gpu["id"]))


def model_facts(name, billions):
    for pattern, layers, embedding, cache in MODELS:
        if re.search(pattern, name):
            return layers, embedding * 1e6, cache
    layers = next(count for limit, count in LAYERS_BY_BILLIONS if billions <= limit)
    return layers, 0, layers * 4096


def file_bits(quant):
    return next((bits for word, bits in BITS if word in quant), None)


def parse(row):
    """The row's quantities, or the reason why it cannot be used."""
    speed, bandwidth = number(row["tg_tps"]), number(row["mem_bw_gbs"])
    if not speed:
        return "no decode speed"
    if not bandwidth:
        return "no bandwidth"
    name, quant = row["model"].lower(), row["quant"].upper()
    if "mlx" in name or "mtp" in name:
        return "another engine, or drafting"
    if "e4b" in name or "e2b" in name:
        return "embeddings per layer of unknown size"
    total, active = number(row["params_b"]), number(row["active_params_b"])
    small = re.match(r"llama ([13])b", name)
    if total is None and small:
        total = active = {"1": 1.24, "3": 3.21}[small.group(1)]
    if total is None or active is None:
        return "no parameters"
    if number(row["ngl"]) == 0 and row["kind"] != "cpu":
        return "not on the GPU"
    gib = number(row["file_gib"])
    layers, embedding, cache = model_facts(name, total)
    for pattern, exact in BILLIONS:
        if gib is None and re.search(pattern, name) and abs(total / exact - 1) < 0.35:
            active, total = (active * exact / total if active > 0.8 * total else active), exact
            break
    bits = file_bits(quant)
    if gib is None and bits is None:
        return "no file size"
    size = gib * 2**30 if gib else total * 1e9 * bits / 8
    width = min(size * 8 / (total * 1e9), 16)
    weights = size * active / total - embedding * width / 8
    for key, (routed, rest) in GPT_OSS.items():
        if re.search("gpt-oss.?" + key, name):
            weights = routed * 4.25 / 8 + rest * (16 if "-f16" in name else 8.5) / 8
    if weights * speed / 1e9 > MOST_OF_BANDWIDTH * bandwidth:
        return "above the bandwidth"
    depth = number(row["depth"]) or 0
    if "localmaxxing" in row["source"]:
        depth = max(depth, number(row["n_prompt"]) or 0)  # its decode follows its prompt
    return {"row": row, "speed": speed, "bandwidth": bandwidth * 1e9, "weights": weights, "size": size,
            "params": active * 1e9, "layers": layers, "cache": cache * depth, "latent": cache in LATENT_CACHES,
            "experts": active < 0.8 * total, "quant": quant, "llamafile": "LocalScore" in row["backend"],
            "deep": depth >= 3000}


def place(item, index):
    """Adds the device; returns why the row cannot be used, or None."""
    row = item["row"]
    if row["kind"] == "cpu":
        item.update(gpu=None, chip=re.sub(r" - \d+GB", "", row["hardware"]), cls="cpu")
        cores = CORES.get(row["hardware"])
        threads = number(row["threads"]) or cores
        item["threads"] = min(threads, cores) if threads and cores else threads
        best = [key for key in TENSOR_TYPES if item["quant"].replace("SMOL-", "").startswith(key)]
        item["type"] = TENSOR_TYPES[max(best, key=len)] if best else None
        item["measured"] = row["hardware"] in MEASURED_BANDWIDTH
        item["sockets"] = 2 if row["hardware"].startswith("2") else 1
        return None
    gpu = find_gpu(row["hardware"], index)
    if gpu is None:
        return "GPU not in the catalog"
    item.update(gpu=gpu, chip=chip_of(gpu), cls=gpu["class"])
    if gpu["id"] == "rtx-a400":
        item["bandwidth"] = gpu["bandwidth_gb_per_second"] * 1e9  # the table has another card's
    if gpu.get("memory_gib") and item["size"] / 2**30 + item["cache"] / 2**30 + 0.4 > gpu["memory_gib"]:
        return "larger than the GPU's memory"
    return None


def load(path):
    index, items, reasons, seen = gpu_index(), [], {}, set()
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            item = parse(row)
            why = item if isinstance(item, str) else place(item, index)
            if why is None:
                key = (item["chip"], row["model"], row["quant"], row["tg_tps"], row["n_prompt"], row["threads"], row["depth"])
                why = "repeated" if key in seen else None
                seen.add(key)
            if why:
                reasons[why] = reasons.get(why, 0) + 1
            else:
                items.append(item)
    return items, reasons

