"""Runs the built program as a person or a script would, and checks exit status, stdout and stderr.

Every document printed with --json is validated against its schema in docs/schema, so an output without a schema, or a
schema that the output has left behind, fails here.
"""

import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import jsonschema
except ImportError:
    jsonschema = None

BINARY = os.environ["LLMSIZE_BINARY"]
SOURCE = pathlib.Path(__file__).resolve().parents[2]
SCHEMAS = SOURCE / "docs" / "schema"


def run(*arguments, env=None, stdin=subprocess.DEVNULL):
    home = {"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", "XDG_DATA_DIRS": "/nonexistent", "PATH": os.environ["PATH"]}
    # Sanitizer and coverage settings must reach the program.
    home.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS") or k.startswith("GCOV")})
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=120, env={**home, **(env or {})}, stdin=stdin)


class CommandLineCase(unittest.TestCase):
    maxDiff = None
    # By the schema's path: reading and checking a schema takes ten times as long as validating with it.
    validators = {}

    def document(self, *arguments, status=0, env=None):
        """The JSON document of a command, checked against its schema; stderr must be empty."""
        result = run(*arguments, "--json", env=env)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertEqual(result.stderr, "")
        document = json.loads(result.stdout)
        self.check_schema(document)
        return document

    def check_schema(self, document):
        name = document["schema"]
        self.assertRegex(name, r"^llmsize\.[a-z_]+/1$")
        path = SCHEMAS / (name.split(".", 1)[1].split("/")[0] + ".schema.json")
        self.assertTrue(path.exists(), f"{name} has no schema in docs/schema")
        if jsonschema is None:
            self.skipTest("python3-jsonschema is not installed, so outputs are not validated")
        if path not in self.validators:
            schema = json.loads(path.read_text())
            kind = jsonschema.validators.validator_for(schema)
            kind.check_schema(schema)
            self.validators[path] = kind(schema)
        self.validators[path].validate(document)

    def failure(self, *arguments, status, says):
        """A failing command: one clear line on stderr, nothing on stdout, and the same as JSON."""
        result = run(*arguments)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertTrue(result.stderr.startswith("error: "), result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(says, result.stderr)
        document = self.document(*arguments, status=status)
        self.assertEqual(document["schema"], "llmsize.error/1")
        return document["error"]


class GeneralBehaviour(CommandLineCase):
    def test_a_bare_call_shows_the_three_lines_to_try(self):
        result = run()
        self.assertEqual(result.returncode, 0)
        for line in ("llmsize probe", "llmsize estimate --params 32 --quant Q4_K_M", "llmsize plan --ram 256"):
            self.assertIn(line, result.stdout)

    def test_version_names_the_engine_whose_rules_it_follows(self):
        result = run("--version")
        self.assertEqual(result.returncode, 0)
        self.assertIn("llama.cpp 0.5.0", result.stdout)

    def test_help_begins_with_examples(self):
        for command in ("probe", "estimate", "compare", "plan", "catalog"):
            page = run(command, "--help").stdout
            self.assertLess(page.index("Examples"), page.index("--json"), command)

    def test_an_unknown_command_suggests_the_nearest(self):
        self.assertIn("estimate", self.failure("estimat", status=2, says="estimat")["hint"])
        self.assertIn("--help", self.failure("--bogus", status=2, says="no flag --bogus")["hint"])

    def test_help_can_be_asked_for_as_a_command(self):
        self.assertEqual(run("help", "plan").stdout, run("plan", "--help").stdout)
        self.assertEqual(run("help").stdout, run("--help").stdout)
        self.assertIn("plan", self.failure("help", "plam", status=2, says="plam")["hint"])

    def test_an_unknown_flag_suggests_the_nearest(self):
        self.assertIn("--quant", self.failure("estimate", "--quantt", "Q4_0", status=2, says="--quantt")["hint"])

    def test_completions_parse_in_bash(self):
        script = run("--completions", "bash").stdout
        self.assertEqual(subprocess.run(["bash", "-n"], input=script, text=True).returncode, 0)
        self.failure("--completions", "tcsh", status=2, says="tcsh")

    def test_a_full_disk_behind_stdout_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([BINARY, "--version"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 1)


class Estimate(CommandLineCase):
    def test_parameters_alone_give_intervals(self):
        document = self.document("estimate", "--params", "32", "--quant", "Q4_K_M")
        low, high = document["artifact"]["tensor_bytes_low"], document["artifact"]["tensor_bytes_high"]
        self.assertLess(low, high)
        # Qwen2.5-32B at Q4_K_M, as published: 19.85 GB; its 32.76 B parameters make it slightly larger than 32 B.
        self.assertTrue(low < 19.85e9 * 32 / 32.76 < high, (low, high))
        text = run("estimate", "--params", "32", "--quant", "Q4_K_M").stdout
        self.assertIn("catalog", text)

    def test_active_parameters_say_mixture_of_experts(self):
        document = self.document("estimate", "--params", "235", "-A", "22", "--quant", "Q4_K_M")
        self.assertEqual(document["model"]["active_params"], 22_000_000_000)

    def test_a_catalog_model_is_exact(self):
        document = self.document("estimate", "-m", "qwen2.5-1.5b-instruct", "--quant", "Q4_K_M", "-c", "4096", "-np", "1", "--no-repack")
        # The engine's own dry run of the quantizer, and 28 layers * 2 * 256 values * 2 bytes * 4096 cells.
        self.assertEqual(document["artifact"]["tensor_bytes"], 980_097_536)
        self.assertEqual(document["memory"]["kv_bytes"], 28 * 2 * 256 * 2 * 4096)

    def test_names_with_total_and_active_parameters_are_understood(self):
        document = self.document("estimate", "-m", "Qwen3-235B-A22B")
        self.assertEqual(document["model"]["total_params"], 235_093_634_560)
        self.assertAlmostEqual(document["model"]["active_params"] / 22e9, 1, delta=0.03)

    def test_an_ollama_tag_names_model_and_quant(self):
        document = self.document("estimate", "-m", "qwen2.5-coder:14b-instruct-q4_K_M")
        self.assertEqual(document["artifact"]["quant"], "Q4_K_M")

    def test_a_named_budget_decides_the_exit_status(self):
        arguments = ["estimate", "-m", "qwen2.5-7b-instruct", "--quant", "Q4_K_M", "--cache-ram", "0"]
        self.assertEqual(self.document(*arguments, "--ram", "24GiB")["verdict"]["fits"], "resident")
        self.assertEqual(self.document(*arguments, "--ram", "2GiB", "--no-repack")["verdict"]["fits"], "pages_from_disk")
        self.document(*arguments, "--ram", "2GiB", "--no-repack", "--require", "resident", status=3)
        self.assertEqual(self.document(*arguments, "--ram", "256MiB", status=3)["verdict"]["fits"], "cannot")
        self.assertEqual(run(*arguments).returncode, 0)

    def test_nonsense_is_refused_with_the_flag_named(self):
        for arguments, says in (
            (["--params", "0"], "--params"),
            (["--params", "-7"], "--params"),
            (["--params", "NaN"], "--params"),
            (["--params", "1e400"], "--params"),
            (["--params", "32000000000"], "billion"),
            (["--params", "32", "--ram", "-5"], "--ram"),
            (["--params", "32", "--ram", "0"], "--ram"),
            (["--params", "32", "-c", "0"], "--ctx-size"),
            (["--params", "32", "-c", "99999999999999999999"], "--ctx-size"),
            (["--params", "32", "-np", "0"], "--parallel"),
            (["--params", "32", "-ctk", "q9"], "--cache-type-k"),
            (["--params", "32", "-fa", "maybe"], "--flash-attn"),
            (["--params", "7", "-A", "32"], "active"),
            (["--params", "7", "-m", "qwen2.5-7b-instruct"], "--model"),
            (["--params", "7", "--mmproj-auto"], "--params"),
            (["--params", "7", "--pure"], "--params"),
            (["--params", "7", "--kv-budget", "1GiB"], "--kv-budget"),
            (["--params", "7", "--isa", "avx1024"], "--isa"),
            (["--params", "7", "--gpu", "4090"], "4090 GiB"),
            (["--params", "7", "--vram", "2x RTX 4090"], "--vram"),
            (["--params", "7", "--ram", "8", "--host", "h.json"], "--host"),
            (["-m", "qwen3-8b", "--turn-tokens", "700"], "--turn-tokens"),
            (["-m", "qwen3-8b", "--method", "guide", "--args"], "--method guide"),
            ([], "nothing to size"),
            (["--quant"], "--quant"),
        ):
            with self.subTest(arguments=arguments):
                self.failure("estimate", *arguments, status=2, says=says)

    def test_the_next_flag_is_what_a_run_with_it_would_cost(self):
        # Windowed layers keep what they have, so twice the context takes far less than twice the cache.
        asked = ("estimate", "-m", "gemma-3-12b-it", "--ram", "2000")
        first = run(*asked).stdout.splitlines()[0]
        more = [self.document(*asked, "-c", str(tokens))["memory"]["total_bytes"] for tokens in (8192, 16384)]
        self.assertIn(f"-c 16384 doubles the context for {(more[1] - more[0]) / 2**20:.2f} MiB more", first)
        self.assertNotIn("-c 81920", run("estimate", "-m", "qwen3-8b", "-c", "40960", "--ram", "64").stdout)
        alone = run("estimate", "--params", "270M", "--ram", "8").stdout.splitlines()[0]
        self.assertIn("8.00 GiB of prompt cache", alone)
        self.assertIn("Next: --cache-ram 0", alone)

    def test_bare_sizes_have_one_context(self):
        for size in ("1", "7", "32"):
            answer = self.document("estimate", "--params", size, "--ram", "64")
            self.assertEqual(answer["run"]["context_tokens"], 8192)
            self.assertLessEqual(answer["memory"]["kv_active_bytes"], answer["memory"]["kv_bytes"])

    def test_unknown_names_suggest_near_ones(self):
        error = self.failure("estimate", "-m", "qwen2.5-7b-instrukt", status=1, says="qwen2.5-7b-instrukt")
        self.assertIn("qwen2.5-7b-instruct", error["hint"])
        self.failure("estimate", "-m", "qwen2.5-7b-instruct", "--quant", "Q9", status=2, says="Q9")
        # A part of a name, and a slip in one.
        self.assertIn("qwen3-30b-a3b", self.failure("estimate", "-m", "a3b-instruct-2507", status=1, says="a3b")["hint"])
        self.assertIn("rtx-4090", self.failure("estimate", "-m", "qwen3-8b", "--gpu", "GeForce 4090", status=1, says="4090")["hint"])

    def test_every_command_checks_what_names_a_machine(self):
        for command in (("estimate", "-m", "qwen3-8b"), ("compare", "qwen3-8b", "qwen3-4b"), ("fit",), ("plan",)):
            with self.subTest(command=command):
                for cpu in ("9654", "EPYC 9653"):
                    self.assertIn("amd-epyc-9654", self.failure(*command, "--ram", "64", "--cpu", cpu, status=2, says=cpu)["hint"])
                self.assertIn("RTX 4090", self.failure(*command, "--ram", "64", "--gpu", "4090", status=2, says="4090")["hint"])
                self.failure(*command, "--ram", "64", "--bandwidth", "1e9", status=2, says="--bandwidth")
                if command[0] != "plan":
                    self.assertIn("avx512f", self.failure(*command, "--isa", "foo", status=2, says="foo")["hint"])
                    self.assertIn("avx512f", self.failure(*command, "--isa", "avx512", status=2, says="avx512")["hint"])

    def test_flags_that_change_nothing_are_named(self):
        for flags, says in (
            (("-ngl", "10", "-ncmoe", "3", "-ts", "1,2"), "--gpu-layers, --tensor-split, --n-cpu-moe changes nothing"),
            (("--quant-draft", "Q8_0", "--draft-max", "5"), "--quant-draft changes nothing"),
            (("--experts-used", "3"), "qwen3-8b has no experts"),
            (("--tensor-type", "nosuch=q8_0"), "--tensor-type changes nothing"),
            (("--gpu", "24GiB", "-ot", "nosuch=CPU"), "--override-tensor changes nothing"),
        ):
            self.assertIn(says, " ".join(self.document("estimate", "-m", "qwen3-8b", "--ram", "64", *flags)["notes"]))

    def test_broken_files_give_one_clear_error(self):
        with tempfile.TemporaryDirectory() as folder:
            cases = {"empty.gguf": b"", "cut.gguf": b"GGUF\x03\0\0\0" + b"\xff" * 16, "text.gguf": b"not a model at all, but long enough to look at"}
            for name, content in cases.items():
                path = pathlib.Path(folder, name)
                path.write_bytes(content)
                self.failure("estimate", "-m", str(path), status=1, says=name)
            self.failure("estimate", "-m", folder, status=1, says="holds several models")
            self.failure("estimate", "-m", folder + "/none.gguf", status=1, says="none.gguf")

    def test_names_do_not_steer_the_terminal_and_files_are_printed_as_they_are(self):
        name = "a\x1b[2J\x07\u0085b"
        with tempfile.TemporaryDirectory() as folder:
            host = pathlib.Path(folder, "host.json")
            host.write_text(json.dumps({**self.document("probe", "--ram", "64"), "identity": {"host_name": name}}))
            for result in (run("estimate", "-m", f"{folder}/{name}.gguf"), run("estimate", "--host", str(host), "-m", "qwen3-8b", "--hosts", folder),
                           run("plan", "--hosts", folder, "--roles", folder + "/" + name), run("probe", "--diff", str(host), str(host)),
                           run("catalog", "show", "model", name)):
                text = result.stdout + result.stderr
                self.assertNotEqual(text, "")
                self.assertFalse([c for c in text if ord(c) < 32 and c not in "\n\t" or 127 <= ord(c) < 160], text)
        self.assertIn("/" + name, run("plan", "--ram", "64", "--emit", "shell", "--models-dir", "/" + name).stdout)

    def test_the_same_question_gets_the_same_bytes(self):
        arguments = ("estimate", "-m", "qwen2.5-7b-instruct", "--ram", "24", "--isa", "avx2", "--json")
        self.assertEqual(run(*arguments).stdout, run(*arguments).stdout)


class Devices(CommandLineCase):
    MODEL = ("estimate", "-m", "qwen2.5-1.5b-instruct", "--quant", "F16", "-c", "8192", "-np", "1", "--no-repack", "--ram", "64")

    def devices(self, *arguments, status=0):
        return {d["device"]: d for d in self.document(*self.MODEL, *arguments, status=status)["memory"]["devices"]}

    def test_two_gpus_hold_what_the_engine_places_there(self):
        devices = self.devices("-ngl", "999", "--gpu", "1000GiB,1000GiB", "-ts", "1,1")
        # The engine's own buffers for this model, split over two devices of 32-byte alignment.
        expected = {"CPU": (466_747_392, 0, 39_895_168), "GPU0": (1_404_088_320, 125_829_120, 110_665_728), "GPU1": (1_683_630_080, 109_051_904, 123_248_768)}
        for name, (weights, kv, compute) in expected.items():
            device = devices[name]
            self.assertEqual((device["weights_bytes"], device["kv_bytes"], device["compute_bytes"]), (weights, kv, compute), name)
        self.assertEqual(devices["GPU0"]["capacity_bytes"] - devices["GPU0"]["headroom_bytes"], 1_404_088_320 + 125_829_120 + 110_665_728)

    def test_a_known_gpu_brings_its_alignment_its_memory_and_its_speed(self):
        document = self.document(*self.MODEL, "--gpu", "2x RTX 4090")
        devices = {d["device"]: d for d in document["memory"]["devices"]}
        self.assertEqual(devices["GPU1"]["name"], "NVIDIA GeForce RTX 4090")
        self.assertEqual(devices["GPU1"]["capacity_bytes"], 24 << 30)
        self.assertEqual(document["run"]["gpu_layers"], 29)
        self.assertIsNotNone(document["throughput"]["decode_tokens_per_second"]["mid"])

    def test_layers_fit_themselves_to_the_gpu_unless_told(self):
        document = self.document(*self.MODEL, "--gpu", "3GiB")
        self.assertTrue(0 < document["run"]["gpu_layers"] < 29, document["run"]["gpu_layers"])
        self.assertEqual(document["verdict"]["fits"], "resident")
        failed = self.document(*self.MODEL, "--gpu", "3GiB", "-ngl", "all", status=3)
        self.assertEqual((failed["verdict"]["fits"], failed["verdict"]["bound_by"]), ("cannot", "GPU0"))
        self.assertEqual(self.document(*self.MODEL, "--gpu", "3GiB", "-ngl", "0")["verdict"]["bound_by"], "--ram")

    def test_a_saved_hosts_gpus_are_used_and_shared_memory_is_the_hosts(self):
        def gpu(name, free, unified):
            return {"name": name, "vendor": "NVIDIA", "memory_total_bytes": free, "memory_free_bytes": free, "unified": unified,
                    "pool_id": "system" if unified else "0", "backend": "cuda", "id": "0"}

        host = json.loads(run("probe", "--ram", "64", "--json").stdout)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "host.json")
            for name, free, unified, places in (("NVIDIA GeForce RTX 4090", 23 << 30, False, ["CPU", "GPU0"]), ("NVIDIA GB10", None, True, ["CPU"])):
                host["gpus"] = [gpu(name, free, unified)]
                path.write_text(json.dumps(host))
                arguments = ("estimate", "-m", "qwen2.5-1.5b-instruct", "--host", str(path), "--cache-ram", "0")
                document = json.loads(run(*arguments, "--json").stdout)
                self.check_schema(document)
                devices = {d["device"]: d for d in document["memory"]["devices"]}
                self.assertEqual(document["run"]["gpu_layers"], 29)
                self.assertEqual([p["device"] for p in document["verdict"]["places"]], places)
                self.assertEqual(devices["GPU0"]["headroom_bytes"] == devices["CPU"]["headroom_bytes"], unified)

    def test_parameters_alone_are_spread_like_a_model_of_that_size(self):
        document = self.document("estimate", "--params", "32", "--quant", "Q4_K_M", "--gpu", "24GiB", "--ram", "64")
        memory, places = document["memory"], {p["device"]: p for p in document["verdict"]["places"]}
        self.assertEqual(set(places), {"CPU", "GPU0"})
        held = sum(d["weights_bytes"] for d in memory["devices"] if "part_of" not in d)
        # Every model holds its embedding once or, tied, twice; rounding is below a kibibyte.
        self.assertAlmostEqual(held, memory["weights_bytes"], delta=memory["weights_bytes"] / 20)
        self.assertLess(memory["low_bytes"], memory["total_bytes"])
        self.assertLess(memory["total_bytes"], memory["high_bytes"])
        self.document("estimate", "--params", "70", "--gpu", "24GiB", "-ngl", "all", "--ram", "64", status=3)

    def test_memory_that_is_shared_is_counted_once(self):
        document = self.document(*self.MODEL, "--gpu", "Apple M2 Max")
        memory = document["memory"]
        self.assertEqual(memory["total_bytes"], memory["anonymous_bytes"] + memory["file_backed_bytes"])
        self.assertEqual([p["device"] for p in document["verdict"]["places"]], ["CPU"])

    def test_weights_and_caches_stay_where_they_are_told_to(self):
        self.assertEqual(self.devices("--gpu", "8GiB", "-nkvo")["GPU0"]["kv_bytes"], 0)
        kept = self.devices("--gpu", "8GiB", "-ot", r"blk\.0\.ffn=CPU")["CPU"]["weights_bytes"]
        self.assertGreater(kept, self.devices("--gpu", "8GiB")["CPU"]["weights_bytes"])
        self.assertNotIn("GPU1", self.devices("--gpu", "8GiB,8GiB", "-sm", "none"))

    def test_more_layers_than_there_are_mean_all(self):
        all_layers, more = (self.document(*self.MODEL, "--gpu", "24GiB", "-ngl", n)["run"] for n in ("all", "1000"))
        self.assertEqual(all_layers, more)

    def test_a_saved_probe_brings_the_gpus_that_were_stated(self):
        with tempfile.TemporaryDirectory() as folder:
            saved = pathlib.Path(folder, "host.json")
            saved.write_text(run("probe", "--ram", "64", "--gpu", "24GiB", "--memlock", "1MiB", "--json").stdout)
            places = self.document("estimate", "-m", "qwen3-8b", "--host", str(saved))["verdict"]["places"]
            locked = self.document("estimate", "-m", "qwen2.5-0.5b-instruct", "--gpu", "none", "--host", str(saved), "--mlock")
            self.assertIn("only 1.00 MiB may be locked", " ".join(locked["notes"]))
            self.assertEqual([(p["device"], p["budget_bytes"]) for p in places[1:]], [("GPU0", 24 << 30)])

    def test_devices_that_are_not_there_are_refused(self):
        error = self.failure(*self.MODEL, "--gpu", "RTX 4909", status=1, says="RTX 4909")
        self.assertIn("4090", error["hint"])
        for arguments, says in ((["--gpu", "2x"], "--gpu"), (["-ngl", "many"], "--gpu-layers"), (["--gpu", "8", "-ot", "x=GPU3"], "GPU3"),
                                (["--gpu", "8", "-ts", "1,1"], "--tensor-split"), (["-sm", "tensor"], "--split-mode")):
            with self.subTest(arguments=arguments):
                self.failure(*self.MODEL, *arguments, status=2, says=says)


class Sums(CommandLineCase):
    """What a person reads adds up: the parts to the totals, and the lines by device to what each memory needs."""

    PARTS = ("weights", "repacked", "kept_difference", "kv", "state", "compute", "output", "adapter", "projector", "draft", "runtime",
             "device_runtime", "orchestration")
    MODELS = (("-m", "qwen2.5-1.5b-instruct"), ("-m", "gemma-3-12b-it"), ("-m", "gemma-3n-e4b-it"), ("-m", "gemma-4-e2b-it"),
              ("-m", "qwen3-30b-a3b"), ("-m", "deepseek-v3"), ("-m", "glm-4.5-air", "--spec-type", "draft-mtp"), ("-m", "lfm2-1.2b"),
              ("-m", "qwen3-next-80b-a3b-instruct"), ("-m", "gpt-oss-20b"), ("-m", "qwen2.5-vl-7b-instruct", "--mmproj-auto"),
              ("-m", "qwen3-8b", "-md", "qwen3-0.6b", "--orchestration", "2GiB"), ("--params", "32", "--orchestration", "1GiB"),
              ("--params", "235", "-A", "22"))
    MODES = ((), ("--no-mmap",), ("--no-repack",), ("--mlock", "--isa", "avx512f,avx512_vnni,amx_tile,amx_int8"), ("--gpu", "RTX 4090"),
             ("--gpu", "RTX 4090", "-ngl", "10", "--no-mmap"), ("--gpu", "RTX 4090", "-ncmoe", "5"), ("--gpu", "24GiB,48GiB"),
             ("--gpu", "2x RTX 4090", "-nkvo"), ("--gpu", "GB10"))

    def end(self, memory, part, end):
        return memory["intervals"].get(part + "_bytes", {}).get(end, memory[part + "_bytes"])

    def check(self, document):
        memory = document["memory"]
        for total, end, more in (("total", "size", 0), ("low", "low", 0), ("high", "high", memory["prompt_cache_bytes"])):
            self.assertEqual(sum(self.end(memory, part, end) for part in self.PARTS) + more, memory[total + "_bytes"], total)
        devices = [d for d in memory["devices"] if "part_of" not in d]
        needs = {}
        for device in devices:
            place = "CPU" if device["unified"] else device["device"]
            needs[place] = needs.get(place, 0) + sum(device[part + "_bytes"] for part in ("weights", "kv", "state", "compute", "other"))
        self.assertEqual(needs, {place["device"]: place["need_bytes"] for place in document["verdict"]["places"]})
        self.assertEqual(sum(needs.values()), memory["high_bytes"])
        for part in ("weights", "kv", "state", "compute"):
            self.assertEqual(sum(device[part + "_bytes"] for device in devices), memory[part + "_bytes"], part)

    def test_every_part_is_shown(self):
        for model in self.MODELS:
            for mode in self.MODES:
                with self.subTest(model=model, mode=mode):
                    # Not checked against the schema each time, which takes longer than the estimate.
                    self.check(json.loads(run("estimate", *model, *mode, "--ram", "64", "--json").stdout))

    def test_a_person_reads_why(self):
        unmapped = run("estimate", "-m", "qwen3-8b", "--no-mmap", "--ram", "64").stdout
        self.assertNotIn("second copy", unmapped)
        self.assertIn("not kept", unmapped)
        everything = run("estimate", "-m", "glm-4.5-air", "--spec-type", "draft-mtp", "--embedding", "--explain", "--ram", "256").stdout
        for part in ("token vectors .* inside the scratch", "results .* inside the runtime", "orchestration +0 B", "draft .*\\n.*derived: next-token layers",
                     "flash attention on, mmap, embeddings"):
            self.assertRegex(everything, part)
        split = run("estimate", "-m", "qwen3-8b", "--gpu", "RTX 4090", "--ram", "64").stdout
        self.assertRegex(split, r"GPU runtime +499\.00 MiB")
        # The prompt cache's 8 GiB are in the host's line, as they are in what it says is left.
        self.assertRegex(split, r"(?m)^  CPU .* 8\.\d\d GiB +64\.00 GiB +55\.")


class EngineArguments(CommandLineCase):
    """`llmsize estimate … --args`: the engine's own flags, as its --help lists them (tests/data/engine_options.json)."""

    CASES = (
        (),
        ("-c", "32k", "-np", "2", "-b", "1024", "-ub", "256", "-ctk", "q8_0", "-ctv", "q8_0", "--no-repack", "--cache-ram", "0"),
        ("-fa", "off", "--kv-unified", "-np", "3", "--no-mmap", "--swa-full", "--embedding"),
        ("--gpu", "3GiB", "--mlock"),
        ("--gpu", "2x RTX 4090", "-ts", "3,1", "-sm", "row", "-nkvo", "--no-op-offload"),
        ("--gpu", "24GiB,24GiB", "-sm", "none", "-mg", "1", "-ot", r"\.ffn_down\.=CPU"),
        ("--gpu", "24GiB", "--spec-draft-n-max", "5", "-md", "qwen2.5-0.5b-instruct", "-ngld", "3"),
    )
    MODEL = ("-m", "qwen2.5-1.5b-instruct", "--quant", "Q8_0", "--ram", "64")

    def test_every_flag_is_one_that_the_engine_has(self):
        table = json.loads((SOURCE / "tests" / "data" / "engine_options.json").read_text())["tools"]["llama-server"]
        takes_value = {name: "value" in option for option in table for name in option["names"]}
        # Where --help shows choices instead of a placeholder the record has no value.
        takes_value["--spec-type"] = True
        for case in self.CASES + (("-m", "glm-4.5-air", "--spec-type", "draft-mtp"), ("-m", "qwen3-30b-a3b", "--gpu", "12GiB")):
            words = self.document("estimate", *self.MODEL, *case, "--args")["arguments"]
            while words:
                flag = words.pop(0)
                with self.subTest(flag=flag):
                    self.assertIn(flag, takes_value)
                if takes_value[flag]:
                    self.assertFalse(words.pop(0).startswith("--"), flag)

    def test_fed_back_it_gives_the_same_bytes(self):
        for case in self.CASES:
            with self.subTest(case=case):
                machine = tuple(w for flag in ("--gpu",) if flag in case for w in (flag, case[case.index(flag) + 1]))
                draft = ("-md", "qwen2.5-0.5b-instruct") if "-md" in case else ()
                first = self.document("estimate", *self.MODEL, *case)
                words = run("estimate", *self.MODEL, *case, "--args").stdout.split()
                again = self.document("estimate", *self.MODEL, *machine, *draft, *words)
                self.assertEqual(first["memory"], again["memory"])
                self.assertEqual(first["run"], again["run"])

    def test_what_the_user_must_add_is_said(self):
        result = run("estimate", *self.MODEL, "--gpu", "none", "-md", "qwen2.5-0.5b-instruct", "--args")
        self.assertIn("--gpu-layers 0", result.stdout)
        self.assertIn("--model FILE.gguf", result.stderr)
        self.assertIn("--model-draft FILE.gguf", result.stderr)
        self.assertEqual(len(self.document("estimate", *self.MODEL, "--args")["missing"]), 1)

    def test_a_file_is_named_and_what_is_no_server_is_refused(self):
        self.failure("estimate", "--params", "7", "--args", status=2, says="--args")
        self.failure("estimate", *self.MODEL, "--tool", "bench", "--args", status=2, says="--args")
        self.failure("estimate", *self.MODEL, "--lora", "/tmp/a b.gguf", "--args", status=1, says="a b.gguf")


class Inverse(CommandLineCase):
    MODEL = ("estimate", "-m", "qwen2.5-7b-instruct", "--cache-ram", "0", "--no-repack")

    def solved(self, quantity, *arguments, status=0):
        return self.document(*self.MODEL, *arguments, "--solve", quantity, status=status)

    def check_is_largest(self, quantity, flag, *budget):
        """The solution fits and the next step does not, by the shortfall that was said."""
        document = self.solved(quantity, *budget)
        solution = document["solve"]
        self.assertGreaterEqual(document["verdict"]["headroom_bytes"], 0)
        self.assertEqual(self.document(*self.MODEL, *budget, flag, solution["value"])["memory"], document["memory"])
        beyond = json.loads(run(*self.MODEL, *budget, flag, solution["next"]["value"], "--json").stdout)
        self.assertEqual(-beyond["verdict"]["headroom_bytes"], solution["next"]["shortfall_bytes"])
        self.assertGreater(solution["next"]["shortfall_bytes"], 0)
        return solution

    def test_the_largest_context_quant_and_split(self):
        self.check_is_largest("context", "-c", "--ram", "6")
        self.check_is_largest("quant", "--quant", "--ram", "10")
        self.check_is_largest("gpu-layers", "-ngl", "--ram", "64", "--gpu", "4GiB")

    def test_file_types_that_are_not_repacked_may_need_less(self):
        # Q8_0 keeps one copy of its weights and pages the rest; Q4_0 keeps a second, which cannot be dropped.
        solve = ("estimate", "-m", "qwen3-32b", "--ram", "16", "--solve", "quant")
        paging = self.document(*solve, "--require", "runs", "--cache-ram", "0")
        self.assertEqual((paging["solve"]["value"], paging["solve"]["require"]), ("F16", "runs"))
        for quant, status in (("Q4_0", 3), ("Q8_0", 0), ("F16", 0)):
            self.document("estimate", "-m", "qwen3-32b", "--ram", "16", "--cache-ram", "0", "--quant", quant, status=status)
        resident = self.document(*solve)["solve"]
        self.assertEqual(resident["require"], "resident")
        others = {other["flag"]: other["value"] for other in resident["others"]}
        without_cache = self.document(*solve, "--cache-ram", "0")["solve"]
        self.assertEqual(others["--cache-ram 0"], without_cache["value"])
        # llama.cpp tools/perplexity/README.md, Llama-3-8B, with an importance matrix.
        self.assertEqual(without_cache["loss"]["kl_divergence"], 0.111)

    def test_slots_each_get_the_context(self):
        document = self.solved("parallel", "--ram", "8", "-c", "4096")
        self.assertEqual(document["run"]["parallel"], int(document["solve"]["value"]))
        self.assertEqual(document["run"]["context_tokens_per_sequence"], 4096)

    def test_what_cannot_be_solved_says_so(self):
        self.assertIsNone(self.solved("context", "--ram", "1", status=3)["solve"]["value"])
        largest = self.solved("context", "--ram", "512")["solve"]
        self.assertIsNone(largest["next"]["value"])
        self.assertIn("trained", largest["no_next_because"])
        self.failure("estimate", "--params", "7", "--solve", "context", status=2, says="--solve")
        self.failure(*self.MODEL, "--ram", "8", "--solve", "gpu-layers", status=2, says="gpu-layers")

    def test_the_context_gate_counts_tokens_and_turns(self):
        gate = self.document(*self.MODEL, "--kv-budget", "1GiB", "--active-tokens", "2000", "--turn-tokens", "700")["gate"]
        # 28 layers * (4 heads * 128) * 2 tensors * 2 bytes = 57,344 bytes a token; 1 GiB holds 18,724, in blocks of 256.
        self.assertEqual((gate["bytes_per_token"], gate["tokens"]), (57_344, 18_688))
        self.assertEqual((gate["left_tokens"], gate["turns_left"]), (16_688, 23))

    def test_stress_fills_every_slot(self):
        document = self.document("estimate", "-m", "gemma-3-12b-it", "--stress", "--input-tokens", "6000", "--output-tokens", "1000", "--ram", "256")
        self.assertEqual(document["run"]["context_tokens"], 4 * 7000)
        stress = document["stress"]
        self.assertEqual(stress["need_bytes"], document["memory"]["high_bytes"] + stress["checkpoints_bytes"])
        self.assertGreater(stress["checkpoints_bytes"], 0)
        self.assertTrue(stress["fits_host"])
        self.failure(*self.MODEL, "-c", "4096", "--stress", "--input-tokens", "6000", status=2, says="--ctx-size")


class Speed(CommandLineCase):
    def decode(self, *flags, model="qwen3-30b-a3b"):
        return self.document("estimate", "-m", model, "--ram", "64", *flags)["throughput"]["decode_tokens_per_second"]

    def test_weights_that_page_are_as_fast_as_the_storage(self):
        paging = ("estimate", "-m", "qwen3-32b", "--ram", "16", "--no-repack", "--cache-ram", "0", "--bandwidth", "50", "-t", "8")
        unknown = self.document(*paging)["throughput"]
        for key in ("decode_tokens_per_second", "prefill_tokens_per_second"):
            self.assertEqual(unknown[key], {"low": None, "mid": None, "high": None})
        self.assertIn("--storage-speed", run(*paging).stdout)
        speed = self.document(*paging, "--storage-speed", "2", "--depth", "100")["throughput"]
        self.assertEqual(speed["assumed_active_tokens"], 100)
        # Every token reads all 19 GB of a dense model again, at 2 GB/s more than 9 s.
        reads = speed["storage"]["read_bytes_per_token"]
        self.assertAlmostEqual(reads["mid"] / 19.3e9, 1, places=2)
        self.assertLess(speed["decode_tokens_per_second"]["mid"], 2e9 / reads["mid"])
        # A micro-batch of 512 tokens shares one pass.
        self.assertEqual(speed["storage"]["read_bytes_per_prompt_token"]["mid"], reads["mid"] // 512)
        self.assertLess(speed["prefill_tokens_per_second"]["mid"], 512 * 2e9 / reads["mid"])
        # Repacked copies cannot be dropped; the way out is named.
        repacked = run("estimate", "-m", "qwen3-32b", "--ram", "12", "--cache-ram", "0").stdout
        self.assertIn("cannot run", repacked.splitlines()[0])
        self.assertIn("--no-repack", repacked.splitlines()[0])
        self.document("estimate", "-m", "qwen3-32b", "--ram", "12", "--cache-ram", "0", "--no-repack")
        # What a GPU holds does not page.
        split = self.document(*paging, "--ram", "8", "--gpu", "RTX 3060", "--storage-speed", "2")
        self.assertEqual(split["verdict"]["fits"], "pages_from_disk")
        host = split["memory"]["devices"][0]["weights_bytes"]
        self.assertLess(split["throughput"]["storage"]["read_bytes_per_token"]["high"], host)

    def test_it_is_unknown_until_a_flag_says_how_fast_the_memory_is(self):
        self.assertEqual(self.decode(), {"low": None, "mid": None, "high": None})
        self.assertIn("--bandwidth", run("estimate", "-m", "qwen3-30b-a3b", "--ram", "64").stdout)
        # 12 channels of 4,800 MT/s x 8 bytes: AMD's specification of the processor.
        self.assertEqual(self.decode("--cpu", "EPYC 9654"), self.decode("--bandwidth", "460.8"))
        self.failure("estimate", "-m", "qwen3-30b-a3b", "--ram", "64", "--cpu", "EPYC 9653", status=2, says="EPYC 9653")

    def test_sockets_threads_and_experts_change_it(self):
        one, two = self.decode("--cpu", "EPYC 9654"), self.decode("--cpu", "2x EPYC 9654")
        self.assertLess(two["mid"], 2 * one["mid"])
        self.assertLess(two["low"] / two["mid"], one["low"] / one["mid"])
        bandwidth = ("--bandwidth", "460.8")
        self.assertLess(self.decode(*bandwidth, "-t", "2")["mid"], self.decode(*bandwidth, "-t", "32")["mid"])
        self.assertGreater(self.decode(*bandwidth, "--experts-used", "4")["mid"], self.decode(*bandwidth)["mid"])
        few = self.document("estimate", "-m", "qwen3-30b-a3b", "--ram", "64", *bandwidth, "--experts-used", "4", "-t", "2")
        self.assertEqual(few["throughput"]["experts_used"], 4)
        self.assertTrue(any("of the memory bandwidth" in note for note in few["notes"]), few["notes"])
        split = self.decode("--bandwidth", "80", "--gpu", "RTX 4090", "-ngl", "24")["mid"]
        self.assertLess(self.decode("--bandwidth", "80")["mid"], split)
        self.assertLess(split, self.decode("--bandwidth", "80", "--gpu", "RTX 4090")["mid"])

    def test_methods_that_made_others_faster_come_with_source_and_baseline(self):
        sparse = self.document("estimate", "-m", "qwen3-30b-a3b", "--ram", "64")["acceleration"]
        self.assertIn("expert-reduction", {method["id"] for method in sparse if method["lossy"]})
        dense = self.document("estimate", "-m", "qwen3-8b", "--ram", "64", "--gpu", "RTX 4090")["acceleration"]
        self.assertEqual({method["id"] for method in dense}, {"draft-model-gpu", "prompt-lookup-grounded", "prompt-lookup-open"})
        for method in sparse + dense:
            self.assertLessEqual(method["factor"]["low"], method["factor"]["mid"])
            self.assertTrue(method["basis"]["factor"]["source"] and method["baseline"])
        text = run("estimate", "-m", "qwen3-8b", "--ram", "64", "--explain").stdout
        self.assertIn("they do not multiply", text)
        self.assertIn("baseline: ", text)


class SideBySide(CommandLineCase):
    def test_models_quants_and_settings_are_compared(self):
        items = self.document("compare", "qwen3-8b", "qwen3-14b:Q8_0", "qwen3-8b -c 65536 -ctk q8_0", "--ram", "64")["items"]
        self.assertEqual([i["estimate"]["model"]["id"] for i in items], ["qwen3-8b", "qwen3-14b", "qwen3-8b"])
        self.assertEqual(items[1]["estimate"]["artifact"]["quant"], "Q8_0")
        self.assertEqual(items[2]["estimate"]["run"]["cache_type_k"], "q8_0")
        alone = self.document("estimate", "-m", "qwen3-8b", "--ram", "64")
        self.assertEqual(items[0]["estimate"], alone)
        quants = self.document("compare", "-m", "qwen3-8b", "Q4_K_M", "Q8_0", "--ram", "64")["items"]
        self.assertEqual([i["estimate"]["artifact"]["quant"] for i in quants], ["Q4_K_M", "Q8_0"])
        self.assertIn("Q8_0", run("compare", "-m", "qwen3-8b", "Q4_K_M", "Q8_0").stdout)
        gpus = self.document("compare", "-m", "qwen3-8b", "--ram", "64", "Q8_0 --gpu 'RTX 4090'", 'Q8_0 --gpu "2x RTX 3090"')["items"]
        self.assertEqual([[d.get("name") for d in i["estimate"]["memory"]["devices"] if "part_of" not in d][1:] for i in gpus],
                         [["NVIDIA GeForce RTX 4090"], ["NVIDIA GeForce RTX 3090"] * 2])
        self.failure("compare", "qwen3-8b", "qwen3-8b --gpu 'RTX 4090", status=2, says="quote")

    def test_an_item_that_cannot_be_sized_is_an_error_that_names_it(self):
        self.failure("compare", "qwen3-8b", "qwen3-9000b", "--ram", "64", status=1, says="qwen3-9000b")
        self.failure("compare", "qwen3-8b", status=2, says="two")

    def test_saved_hosts_are_asked_which_of_them_runs_it(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, ram in (("large", "512"), ("small", "16")):
                pathlib.Path(folder, name + ".json").write_text(run("probe", "--ram", ram, "--json").stdout)
            pathlib.Path(folder, "torn.json").write_text("{")
            hosts = {h["host"]: h for h in self.document("estimate", "-m", "qwen3-32b", "--quant", "Q8_0", "--hosts", folder)["hosts"]}
            self.assertIsNotNone(hosts["torn"]["error"])
            self.assertEqual(set(hosts), {"large", "small", "torn"})
            self.failure("estimate", "-m", "qwen3-32b", "--hosts", folder, "--ram", "8", status=2, says="--hosts")
            # The inverse is asked of each host; what is about one host is refused.
            asked = ("estimate", "-m", "qwen3-32b", "--hosts", folder, "--solve", "quant", "--cache-ram", "0")
            alone = self.document("estimate", "-m", "qwen3-32b", "--host", folder + "/large.json", "--solve", "quant", "--cache-ram", "0")
            solved = {h["host"]: h["estimate"] for h in self.document(*asked)["hosts"]}
            self.assertEqual(solved["large"]["solve"]["value"], alone["solve"]["value"])
            self.assertNotEqual(solved["small"]["solve"]["value"], alone["solve"]["value"])
            self.assertIn("quant " + alone["solve"]["value"], run(*asked).stdout)
            self.assertRegex(run("estimate", "-m", "qwen3-32b", "--hosts", folder, "--stress").stdout, r"(?m)^large .* \d+\.\d+ GiB +\S")
            for flags in (("--args",), ("--explain",), ("--kv-budget", "1GiB"), ("--host", folder + "/large.json")):
                self.failure("estimate", "-m", "qwen3-32b", "--hosts", folder, *flags, status=2, says="--hosts")
            # --host names a budget, in which solving means memory.
            self.document("estimate", "-m", "qwen3-235b-a22b", "--host", folder + "/small.json", "--solve", "quant", "--cache-ram", "0", status=3)
            both = self.document("compare", "-m", "qwen3-8b", f"Q4_K_M --host {folder}/large.json", f"Q4_K_M --host {folder}/small.json")
            budgets = [item["estimate"]["verdict"]["budget_bytes"] for item in both["items"]]
            self.assertGreater(budgets[0], 10 * budgets[1])
            self.failure("compare", "qwen3-8b", "qwen3-4b --args", status=2, says="--args")
        self.failure("estimate", "-m", "qwen3-32b", "--hosts", "/nonexistent", status=1, says="/nonexistent")


class Catalog(CommandLineCase):
    def test_kinds_and_entries_are_listed(self):
        self.assertGreaterEqual(len(self.document("catalog", "list", "models")["entries"]), 200)
        kinds = {k["kind"] for k in self.document("catalog", "list")["kinds"]}
        self.assertTrue({"model", "architecture", "file_type", "tensor_type", "role", "tier", "gpu", "cpu"} <= kinds, kinds)

    def test_filters_narrow_the_list(self):
        entries = self.document("catalog", "list", "model", "--architecture", "mamba")["entries"]
        self.assertTrue(entries and all("mamba" in e["id"] for e in entries))

    def test_the_embedded_catalogs_are_valid(self):
        self.assertEqual(self.document("catalog", "validate")["problems"], [])

    def test_a_users_catalog_overrides_by_id_and_broken_entries_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            own = self.document("catalog", "show", "model", "qwen2.5-0.5b-instruct")["entry"]
            own["name"] = "My Qwen"
            catalog = {"kind": "model", "entries": [own, {"id": "broken", "architecture": 7}]}
            pathlib.Path(folder, "mine.json").write_text(json.dumps(catalog))
            pathlib.Path(folder, "torn.json").write_text('{"kind": "model", ')
            shown = run("--catalog", folder, "catalog", "show", "model", "qwen2.5-0.5b-instruct")
            self.assertIn("My Qwen", shown.stdout)
            self.assertIn("mine.json#/entries/0", shown.stdout)
            report = run("--catalog", folder, "catalog", "validate")
            self.assertEqual(report.returncode, 1)
            self.assertIn("mine.json#/entries/1", report.stdout)
            self.assertIn("torn.json", report.stdout)
            self.assertEqual(run("--catalog", folder, "estimate", "-m", "qwen2.5-7b-instruct").returncode, 0)

    def test_a_word_too_many_is_not_taken_for_something_looked_at(self):
        self.failure("catalog", "validate", "nosuch", status=2, says="nosuch")
        self.failure("catalog", "list", "model", "extra", status=2, says="extra")

    def test_a_missing_catalog_folder_is_an_error(self):
        self.failure("--catalog", "/nonexistent/catalog", "catalog", "list", status=1, says="/nonexistent/catalog")


class Schemas(CommandLineCase):
    def test_every_schema_is_itself_valid(self):
        if jsonschema is None:
            self.skipTest("python3-jsonschema is not installed")
        for path in sorted(SCHEMAS.glob("*.schema.json")):
            with self.subTest(path=path.name):
                jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))

    def test_every_catalog_file_keeps_its_schema(self):
        if jsonschema is None:
            self.skipTest("python3-jsonschema is not installed")
        for path in sorted((SOURCE / "data").rglob("*.json")):
            document = json.loads(path.read_text())
            schema = SCHEMAS / (document["kind"] + ".schema.json")
            with self.subTest(path=path.name):
                self.assertTrue(schema.exists(), f"{path.name}: kind {document['kind']} has no schema")
                jsonschema.validate(document, json.loads(schema.read_text()))


    def test_capabilities_name_models_that_exist(self):
        models = {e["id"] for path in (SOURCE / "data/models").glob("*.json") for e in json.loads(path.read_text())["entries"]}
        for capability in json.loads((SOURCE / "data/model_capabilities.json").read_text())["entries"]:
            self.assertLessEqual(set(capability["models"]), models, capability["id"])
            for part in capability["names"]:
                self.assertTrue(any(part in model for model in models), f"{capability['id']}: no model is called {part}")

    def test_memory_rates_agree_with_bus_and_clock(self):
        """Bandwidths of data/gpus.json against bus width x rate per pin, written down apart (tests/data/gpu_memory.csv, from
        the makers' specifications); makers round 8,192 GB/s to 8 TB/s. Processors: no faster memory than its kind has."""
        gpus = {e["id"]: e for e in json.loads((SOURCE / "data/gpus.json").read_text())["entries"]}
        with open(SOURCE / "tests/data/gpu_memory.csv") as file:
            rows = {row["id"]: int(row["bus_bits"]) * float(row["gigatransfers_per_second"]) / 8 for row in csv.DictReader(file)}
        self.assertEqual(set(rows), set(gpus))
        for name, rate in rows.items():
            self.assertAlmostEqual(gpus[name]["bandwidth_gb_per_second"] / rate, 1, delta=0.025, msg=name)
        fastest = {"DDR3": 1866, "DDR4": 3200, "DDR5": 6400, "LPDDR5X": 8533}
        for cpu in json.loads((SOURCE / "data/cpus.json").read_text())["entries"]:
            self.assertLessEqual(cpu["mega_transfers_per_second"], fastest[cpu["memory_type"]], cpu["id"])


class Probe(CommandLineCase):
    def test_this_host_is_probed(self):
        document = self.document("probe")
        self.assertGreater(document["memory"]["total_bytes"], document["memory"]["available_bytes"])
        self.assertGreaterEqual(document["effective"]["threads"], 1)
        self.assertIn(document["tier"]["id"], ("dev_only", "minimal", "basic", "standard", "production", "full"))

    def test_a_fact_can_be_overridden(self):
        document = self.document("probe", "--ram", "251", "--cores", "64", "--isa", "avx2,avx512f")
        self.assertEqual(document["memory"]["basis"]["total_bytes"]["basis"], "override")
        self.assertEqual((document["tier"]["id"], document["cpu"]["physical_cores"]), ("standard", 64))
        self.assertTrue(document["cpu"]["avx512"])
        self.assertIn("256 GB", document["tier"]["note"])

    def test_an_empty_recorded_tree_leaks_nothing_of_this_host(self):
        with tempfile.TemporaryDirectory() as folder:
            document = self.document("probe", "--root", folder)
        self.assertIsNone(document["memory"]["total_bytes"])
        self.assertIsNone(document["cpu"]["logical_online"])
        self.assertIsNone(document["cpu"]["isa"])
        self.assertEqual(document["gpus"], [])

    def replay(self, folder, *arguments, **options):
        """What a recording's run answered, and the folder that the recording unpacks to."""
        archive, tree = pathlib.Path(folder, "host.tar"), pathlib.Path(folder, "tree")
        live = run("probe", "--dump", str(archive), "--json", *arguments, **options)
        self.assertEqual(live.returncode, 0, live.stderr)
        tree.mkdir()
        subprocess.run(["tar", "-xf", archive, "-C", tree], check=True)
        return live.stdout, tree

    def test_a_dump_replays_to_the_same_document(self):
        with tempfile.TemporaryDirectory() as folder:
            # What was measured is part of it, and so is which folder was looked at.
            measuring = ("--bench", "memory", "--bench-seconds", "0.02", "--llc", "1MiB", "--model-dir", folder)
            live, tree = self.replay(folder, *measuring, env={"XDG_DATA_HOME": folder})
            self.assertEqual(run("probe", "--json", "--root", str(tree), "--llc", "1MiB").stdout, live)
            machine = pathlib.Path("/etc/machine-id")
            if machine.exists() and machine.read_text().strip():
                self.assertNotIn(machine.read_text().strip().encode(), (tree.parent / "host.tar").read_bytes())
        recorded, plain = json.loads(live), self.document("probe", "--llc", "1MiB")
        # Recording changes nothing but the moment and the folder.
        for section in ("identity", "cpu", "dimms", "gpus", "platform", "tier"):
            self.assertEqual(recorded[section], plain[section], section)

    def test_a_dump_without_identity_says_nothing_of_which_machine_it_is(self):
        with tempfile.TemporaryDirectory() as folder:
            named, tree = self.replay(folder)
            # Of a recording, too, names and ids can be left out.
            again = run("probe", "--root", str(tree), "--no-identity", "--json").stdout
            pathlib.Path(folder, "more").mkdir()
            live, bare = self.replay(pathlib.Path(folder, "more"), "--root", str(tree), "--no-identity")
            self.assertEqual(live, again)
            self.assertEqual(run("probe", "--json", "--root", str(bare)).stdout, live)
            identity = json.loads(named)["identity"]
            for name in ("host_name", "machine_id"):
                self.assertIsNone(json.loads(live)["identity"][name])
            if identity["machine_id"]:
                self.assertNotIn(identity["machine_id"].encode(), (bare.parent / "host.tar").read_bytes())
        page = run("probe", "--markdown", "--no-identity").stdout
        self.assertIn("up to", page)
        self.assertNotIn(identity["machine_id"] or "no id", page)

    def test_a_dump_follows_links_and_replaces_nothing_but_files(self):
        with tempfile.TemporaryDirectory() as folder:
            pipe, link, target = (pathlib.Path(folder, name) for name in ("pipe", "link.tar", "target.tar"))
            os.mkfifo(pipe)
            self.failure("probe", "--dump", str(pipe), status=1, says="regular file")
            self.assertTrue(pipe.is_fifo())
            link.symlink_to("target.tar")
            for _ in ("made", "replaced"):
                self.assertEqual(run("probe", "--dump", str(link)).returncode, 0)
                self.assertTrue(link.is_symlink())
                self.assertGreater(target.stat().st_size, 0)
            self.assertEqual(len(list(pathlib.Path(folder).iterdir())), 3)
            self.assertIn(f"files in {target}.", run("probe", "--dump", str(target)).stdout)

    def test_a_named_gpu_brings_what_the_catalog_knows(self):
        gpus = self.document("probe", "--gpu", "2x RTX 4090,RTX 3090=20GiB,8GiB")["gpus"]
        self.assertEqual([g["memory_total_bytes"] for g in gpus], [24 << 30, 24 << 30, 20 << 30, 8 << 30])
        # NVIDIA's data sheet: 384 bits x 21 GT/s.
        self.assertEqual(gpus[0]["bandwidth_bytes_per_second"], 1_008_000_000_000)
        shared = self.document("probe", "--gpu", "MI300A")["gpus"][0]
        self.assertEqual((shared["unified"], shared["pool_id"], shared["memory_free_bytes"]), (True, "system", None))
        self.assertIn("rtx-4090", self.failure("probe", "--gpu", "RTX 409", status=1, says="RTX 409")["hint"])

    def test_nonsense_about_a_host_is_wrong_usage(self):
        for arguments, says in (
            (["--isa", "avx512"], "no instruction set"),
            (["--storage", "foo"], "none of its values"),
            (["--bandwidth", "0"], "not a number"),
            (["--cpu-quota", "0"], "not a number"),
            (["--ram", "16", "--available", "100"], "more than the machine's"),
            (["--cpus", "1", "--cores", "8"], "contradict"),
            (["--cpus", "2", "--cores", "2", "--numa", "4"], "more than the 2 CPUs"),
            (["--fact", "memory.total_bytes=abc"], "whole number of bytes"),
        ):
            with self.subTest(arguments=arguments):
                self.failure("probe", *arguments, status=2, says=says)

    def test_at_exactly_256_both_names_of_the_guide_are_given(self):
        page = run("probe", "--ram", "256").stdout
        self.assertIn("PRODUCTION", page)
        self.assertIn("STANDARD", page)

    def test_saved_measurements_are_used_for_estimates(self):
        with tempfile.TemporaryDirectory() as folder:
            home = {"XDG_DATA_HOME": folder}
            # A small stated cache makes the buffer small, so that measuring takes a moment only.
            document = self.document("probe", "--bench", "memory", "--bench-seconds", "0.05", "--llc", "1MiB", "--save", env=home)
            measured = document["memory"]["measured_bandwidth_bytes_per_second"]
            self.assertGreater(measured, 0)
            self.assertTrue(pathlib.Path(folder, "llmsize", "host.json").exists())
            again = self.document("probe", env=home)
            self.assertEqual(again["memory"]["measured_bandwidth_bytes_per_second"], measured)
            self.assertEqual(again["memory"]["basis"]["measured_bandwidth_bytes_per_second"]["basis"], "measured")
            speed = self.document("estimate", "-m", "qwen3-8b", "--quant", "Q4_K_M", env=home)["throughput"]
            self.assertIsNotNone(speed["decode_tokens_per_second"]["mid"])
            pathlib.Path(folder, "llmsize", "host.json").write_text("damage")
            self.assertIn("not used", run("probe", env=home).stdout)
        self.failure("probe", "--bench", "memory", "--root", "/", status=2, says="recorded")

    def test_the_tightest_of_nested_control_groups_binds(self):
        base = pathlib.Path("/sys/fs/cgroup/memory")
        limit = "memory.limit_in_bytes"
        if not base.is_dir():
            base, limit = pathlib.Path("/sys/fs/cgroup"), "memory.max"
        outer = base / f"llmsize-test-{os.getpid()}"
        inner = outer / "inner"
        try:
            outer.mkdir()
            if limit == "memory.max":
                (outer / "cgroup.subtree_control").write_text("+memory")
            inner.mkdir()
            (outer / limit).write_text("268435456")
            (inner / limit).write_text("536870912")
            probe = subprocess.run([BINARY, "probe", "--json"], capture_output=True, text=True, timeout=120,
                                   preexec_fn=lambda: (inner / "cgroup.procs").write_text(str(os.getpid())))
        except OSError as error:
            self.skipTest(f"control groups cannot be made here: {error}")
        finally:
            for folder in (inner, outer):
                if folder.is_dir():
                    folder.rmdir()
        document = json.loads(probe.stdout)
        self.assertEqual(document["limits"]["memory_max_bytes"], 268435456)
        self.assertEqual(document["limits"]["bound_by"], str(outer / limit))
        self.assertIn(str(outer / limit), document["effective"]["bound_by"])

    def test_two_saved_probes_are_compared(self):
        with tempfile.TemporaryDirectory() as folder:
            saved = pathlib.Path(folder, "host.json")
            saved.write_text(run("probe", "--json").stdout)
            self.assertIn("same facts", run("probe", "--diff", str(saved), str(saved)).stdout)
            self.assertTrue(self.document("probe", "--diff", str(saved), str(saved))["same"])
            other = pathlib.Path(folder, "other.json")
            other.write_text(run("probe", "--cores", "2", "--cpus", "7", "--json").stdout)
            facts = {d["fact"]: d["after"] for d in self.document("probe", "--diff", str(saved), str(other))["differences"]}
            self.assertEqual(facts["/cpu/logical_online"], 7)
            saved.write_text("{")
            self.failure("probe", "--diff", str(saved), str(saved), status=1, says="saved probe")

    def test_an_intel_card_is_named_by_its_device_number(self):
        with tempfile.TemporaryDirectory() as folder:
            device = pathlib.Path(folder, "sys/class/drm/card1/device")
            device.mkdir(parents=True)
            for name, text in (("vendor", "0x8086\n"), ("device", "0xe20b\n"), ("uevent", "DRIVER=xe\nPCI_SLOT_NAME=0000:03:00.0\n"),
                               ("lmem_total_bytes", "12884901888\n")):
                (device / name).write_text(text)
            gpu = self.document("probe", "--root", folder)["gpus"][0]
        # 192 bits x 19 GT/s.
        self.assertEqual((gpu["name"], gpu["bandwidth_bytes_per_second"]), ("Intel Arc B580", 456_000_000_000))

    def test_a_missing_tree_is_an_error(self):
        self.failure("probe", "--root", "/nonexistent", status=1, says="/nonexistent")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
