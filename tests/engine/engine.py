"""The engine as packaged for Node: installs it into a build folder, runs it, and reads its log."""
import json
import os
import platform
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77  # The exit status that tests/engine/CMakeLists.txt declares.
INSTALL_SECONDS = 300
# Node's names of processors, by Python's.
PROCESSORS = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64"}
BUFFER = re.compile(r"(model|KV|RS|output|compute) buffer size =\s*([\d.]+) MiB")


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIPPED)


def wanted_version():
    with open(os.path.join(HERE, "package.json"), encoding="utf-8") as file:
        return json.load(file)["dependencies"]["node-llama-cpp"]


def installed_version(folder, package):
    try:
        with open(os.path.join(folder, "node_modules", package, "package.json"), encoding="utf-8") as file:
            return json.load(file)["version"]
    except OSError:
        return None


def install(folder):
    """Puts the pinned package and this processor's prebuilt library into `folder`, unless they are there."""
    if sys.platform != "linux" or platform.machine() not in PROCESSORS:
        skip(f"no resident-memory counters or prebuilt engine on {sys.platform} {platform.machine()}")
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed, so there is no engine to compare with")
    version = wanted_version()
    library = f"@node-llama-cpp/linux-{PROCESSORS[platform.machine()]}"
    if all(installed_version(folder, package) == version for package in ("node-llama-cpp", library)):
        return
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(HERE, "package.json"), folder)
    # Without the optional packages, which are other systems' libraries; without scripts, which would download
    # or compile an engine of another version.
    command = ["npm", "install", "--omit=optional", "--ignore-scripts", "--no-package-lock", "--no-save",
               "--no-audit", "--no-fund", f"{library}@{version}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        skip("the package registry does not answer")
    if done.returncode:
        skip(f"the package registry does not give node-llama-cpp {version}: {done.stderr.strip()[-300:]}")


def load(folder, jobs):
    """The engine's answers: (which engine, one answer per job)."""
    command = ["node", "--expose-gc", os.path.join(HERE, "load.mjs"), folder, json.dumps(jobs)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the engine's process failed: {done.stderr.strip()[-1000:]}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return lines[0], lines[1:]


def logged_mebibytes(log):
    """{kind: (sum in MiB, number of lines)} of the engine's "buffer size" lines."""
    sums = {}
    for line in log:
        found = BUFFER.search(line)
        if found:
            total, count = sums.get(found.group(1), (0.0, 0))
            sums[found.group(1)] = (total + float(found.group(2)), count + 1)
    return sums


def estimate(binary, job, tool="bench", more=()):
    """llmsize's answer for what `load` was asked. The package's micro-batch is its batch."""
    flash_attention = "on" if job["flash_attention"] else "off"
    cache_type = {1: "f16", 8: "q8_0"}[job["cache_type"]]
    command = [binary, "estimate", "-m", job["model"], "-c", str(job["context"]), "-b", str(job["batch"]),
               "-ub", str(job["batch"]), "-np", str(job["sequences"]), "--no-kv-unified", "-fa", flash_attention,
               "-ctk", cache_type, "-ctv", cache_type, "--tool", tool, "--json",
               "--mmap" if job["mmap"] else "--no-mmap", *(["--swa-full"] if job["swa_full"] else []), *more]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"llmsize failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)
