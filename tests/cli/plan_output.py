"""Gives the files that `llmsize plan --emit` writes to the programs that read them, reads them back, and sizes each
command line again: every emitted byte must be the estimate engine's."""

import configparser
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

from command_line import BINARY, SOURCE, CommandLineCase, run

try:
    import yaml
    # The one in C reads several times as fast, where there is it.
    YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
except ImportError:
    yaml = YamlLoader = None
try:
    import jsonschema
except ImportError:
    jsonschema = None

OPTIONS = {
    name: option
    for option in json.loads((SOURCE / "tests/data/engine_options.json").read_text())["tools"]["llama-server"]
    for name in option["names"]
}

# The keys of llama-swap's configuration that llmsize writes. Source: config-schema.json and config.example.yaml of
# mostlygeek/llama-swap (2026-09); its schema lets unknown keys of a model pass, so they are listed here.
SWAP_KEYS = {"healthCheckTimeout", "startPort", "macros", "models", "matrix", "hooks"}
SWAP_MODEL_KEYS = {"cmd", "proxy", "checkEndpoint", "aliases", "ttl"}
SWAP_MATRIX_KEYS = {"vars", "evict_costs", "sets"}

# Options of the server that `estimate` takes by the same name, because they decide bytes.
SIZED = {"--ctx-size", "--parallel", "--kv-unified", "--batch-size", "--ubatch-size", "--cache-type-k", "--cache-type-v",
         "--flash-attn", "--cache-ram", "--load-mode", "--repack", "--no-repack"}
# These must be said on every command line, because their defaults decide memory and change between versions.
EXPLICIT = SIZED - {"--repack", "--no-repack"} | {"--ctx-checkpoints", "--fit", "--gpu-layers"}

FORMATS = {"json", "shell", "llama-swap", "llama-server", "systemd", "compose", "kubernetes", "slurm", "litellm"}

MACHINES = [("--ram", "128"), ("--ram", "512"), ("--ram", "16"), ("--ram", "64", "--load-mode", "mlock"),
            ("--ram", "128", "--gpu", "2x RTX 4090"), ("--ram", "256", "--numa", "2")]
# The numbers are checked on all of them; sanitizers, ten times as slow, look at what is done and not at what comes out.
if os.environ.get("LLMSIZE_SANITIZED"):
    MACHINES = MACHINES[3:]
# Locked memory with a folder of models, servers that share GPUs, a WARM group on a machine of two nodes.
CONTAINED = [("--ram", "64", "--load-mode", "mlock", "--models-dir", "/srv/a $(b) $c"),
             ("--ram", "128", "--gpu", "2x RTX 4090"), ("--ram", "256", "--numa", "2")]


def options_of(words):
    """{option: value or None} of a server's command line; fails on words that are neither."""
    options, words = {}, list(words)
    while words:
        name = words.pop(0)
        assert name in OPTIONS, f"llama-server has no option {name}"
        options[name] = words.pop(0) if "value" in OPTIONS[name] else None
    return options


def server_words(words):
    """What follows the program's name."""
    return words[next(i for i, word in enumerate(words) if word.endswith(("llama-server", "${engine}", "$engine"))) + 1:]


class EmittedPlan(CommandLineCase):
    def needs(self, program):
        if shutil.which(program) is None:
            self.skipTest(f"{program} is not installed, so its check of the files does not run")

    answers = {}

    def answer(self, *command):
        """The document that a command prints; asked once, because several tests ask for the same one and it never varies."""
        if command not in self.answers:
            self.answers[command] = json.dumps(self.document(*command))
        return json.loads(self.answers[command])

    def plan(self, *flags):
        return self.answer("plan", *flags)

    def emit(self, form, *flags):
        result = run("plan", "--emit", form, *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    written = {}

    def files(self, form, *flags):
        """The files of a format; written once, because several tests read the same ones."""
        if (form, *flags) not in self.written:
            self.written[(form, *flags)] = self.write(form, *flags)
        return dict(self.written[(form, *flags)])

    def write(self, form, *flags):
        with tempfile.TemporaryDirectory() as folder:
            target = pathlib.Path(folder) / "out"
            result = run("plan", "--emit", form, "--out", str(target), *flags)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(os.listdir(folder), ["out"])
            return {str(path.relative_to(target)): path.read_text() for path in target.rglob("*") if path.is_file()}

    def check_command(self, plan, instances, words):
        """Known options only, every explicit one there, and the bytes that estimate gives for them. Takes what the command
        serves out of `instances`: two may run the same model."""
        options = options_of(words)
        self.assertLessEqual(EXPLICIT, set(options))
        source = options.get("--model") or options.get("--hf-repo")
        instance = next(i for i in instances
                        if i["context_tokens"] == int(options["--ctx-size"])
                        and i["parallel"] == int(options["--parallel"])
                        and (source.endswith(i["file"]["name"]) or source == f"{i['file']['repository']}:{i['quant']}"))
        flags = [word for name, value in options.items() if name in SIZED for word in (name, value) if word is not None]
        if options.get("--device", "none") != "none":
            devices = options["--device"].split(",")
            pool = next(p for p in plan["pools"] if p["id"] == instance["pool"])
            flags += ["--gpu", ",".join([pool["label"]] * len(devices)), "-ngl", options["--gpu-layers"],
                      "-ncmoe", options["--n-cpu-moe"]]
            if "--tensor-split" in options:
                flags += ["-ts", options["--tensor-split"]]
        if instance["projector_bytes"] > 0:
            self.assertTrue({"--mmproj", "--mmproj-auto"} & set(options))
            flags.append("--mmproj-auto")
        sized = self.answer("estimate", "-m", instance["model"], "--quant", instance["quant"], "--isa", "avx2", *flags)
        if options.get("--device", "none") == "none":
            self.assertEqual(sized["memory"]["high_bytes"], instance["memory_bytes"], instance["id"])
        else:
            needs = {place["device"]: place["need_bytes"] for place in sized["verdict"]["places"]}
            self.assertEqual(needs.pop("CPU"), instance["host_bytes"], instance["id"])
            self.assertEqual(max(needs.values()), instance["device_bytes"], instance["id"])
        instances.remove(instance)
        draft = options.get("--spec-draft-model") or options.get("--spec-draft-hf")
        if draft:
            instances.remove(next(i for i in instances if draft.endswith(i["file"]["name"])
                                  or draft == f"{i['file']['repository']}:{i['quant']}"))

    def check_all(self, plan, commands):
        left = list(plan["instances"])
        for words in commands:
            self.check_command(plan, left, words)
        self.assertEqual([i["id"] for i in left], [])

    def test_the_json_format_is_the_plan(self):
        self.assertEqual(self.emit("json", "--ram", "64"), run("plan", "--ram", "64", "--json").stdout)

    def test_plans_state_command_lines_that_size_alike(self):
        for flags in MACHINES:
            plan = self.plan(*flags)
            self.check_all(plan, [i["command"] for i in plan["instances"] if i["command"]])

    def test_the_shell_script_parses_and_its_commands_size_alike(self):
        for flags in MACHINES:
            script = self.emit("shell", *flags)
            self.assertEqual(subprocess.run(["bash", "-n"], input=script, text=True).returncode, 0)
            commands = [server_words(shlex.split(command)) for command in re.findall(r"exec (.*?)\n}", script, re.S)]
            commands = [[word for word in words if word != "\n"] for words in commands]
            self.check_all(self.plan(*flags), [self.memory_words(words) for words in commands])

    @staticmethod
    def memory_words(words):
        """Without alias, host and port."""
        kept = list(words)
        for name in ("--alias", "--host", "--port"):
            at = kept.index(name)
            del kept[at:at + 2]
        return kept

    def test_the_shell_script_starts_a_server_by_the_name_of_any_of_its_roles(self):
        plan = self.plan("--ram", "128")
        shared = [(i["id"], role) for i in plan["instances"] for role in i["roles"]]
        self.assertTrue(any(instance != role for instance, role in shared))
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder) / "serve.sh"
            script.write_text(self.emit("shell", "--ram", "128", "--engine", "echo"))
            for instance, role in shared:
                started = subprocess.run(["bash", str(script), role], capture_output=True, text=True)
                self.assertEqual(started.returncode, 0, started.stderr)
                self.assertEqual(started.stdout, subprocess.run(["bash", str(script), instance], capture_output=True,
                                                                text=True).stdout)

    def test_a_plan_without_servers_writes_nothing_and_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            target = pathlib.Path(folder) / "out"
            for form in FORMATS - {"json"}:
                result = run("plan", "--ram", "1", "--emit", form, "--out", str(target))
                self.assertEqual((result.returncode, result.stdout), (3, ""))
                self.assertIn("no server", result.stderr)
                self.assertEqual(os.listdir(folder), [])
            self.assertEqual(run("plan", "--ram", "1", "--emit", "json", "--out", str(target)).returncode, 3)
            self.assertEqual(os.listdir(target), ["plan.json"])

    def test_the_scripts_pass_shellcheck(self):
        self.needs("shellcheck")
        for form in ("shell", "llama-server", "slurm", "kubernetes"):
            for name, script in self.files(form, "--ram", "512", "--models-dir", "/srv/models of 'mine'").items():
                if script.startswith("#!"):
                    result = subprocess.run(["shellcheck", "-"], input=script, text=True, capture_output=True)
                    self.assertEqual(result.stdout, "", name + result.stdout)

    def test_llama_swap_reads_names_that_it_has(self):
        if yaml is None:
            self.skipTest("python3-yaml is not installed, so config.yaml is not parsed")
        for flags in MACHINES:
            config = yaml.safe_load(self.emit("llama-swap", *flags))
            self.assertLessEqual(set(config), SWAP_KEYS)
            self.assertLessEqual(set(config["matrix"]), SWAP_MATRIX_KEYS)
            self.assertEqual(sorted(config["matrix"]["vars"].values()), sorted(config["models"]))
            for name in config["matrix"]["vars"]:
                self.assertRegex(name, r"^[a-zA-Z0-9]{1,8}$")
                self.assertGreaterEqual(config["matrix"]["evict_costs"][name], 1)
            self.assertEqual(set(re.findall(r"\w+", config["matrix"]["sets"]["plan"])), set(config["matrix"]["vars"]))
            commands = []
            for model in config["models"].values():
                self.assertLessEqual(set(model), SWAP_MODEL_KEYS)
                commands.append(self.memory_words(server_words(shlex.split(model["cmd"]))))
            plan = self.plan(*flags)
            self.check_all(plan, commands)
            hot = {i["id"] for i in plan["instances"] if i["tier"] == "HOT"}
            self.assertLessEqual(set(config.get("hooks", {}).get("on_startup", {}).get("preload", [])), hot)

    def test_presets_are_options_of_the_server_and_leave_the_count_to_the_router(self):
        files = self.files("llama-server", "--ram", "512")
        self.assertEqual(subprocess.run(["bash", "-n"], input=files["serve.sh"], text=True).returncode, 0)
        self.assertIn("--models-max 1", files["serve.sh"])
        plan = self.plan("--ram", "512")
        warm = {role for i in plan["instances"] if i["tier"] == "WARM" for role in i["roles"]}
        presets = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        presets.read_string("[global]\n" + files["warm-ram.ini"])
        sections = set(presets.sections()) - {"global"}
        self.assertEqual(sections, warm)
        for section in sections:
            words = []
            for key, value in presets[section].items():
                if key == "load-on-startup":
                    continue
                option = "--" + key
                self.assertIn(option, OPTIONS)
                words += [option, value] if "value" in OPTIONS[option] else [option]
            # Roles that share an instance have a section each.
            self.check_command(plan, list(plan["instances"]), words)

    def preset_commands(self, plan, text):
        """Command lines of a router's models, one for each instance; its roles have a section each."""
        presets = configparser.ConfigParser(delimiters=("=",), interpolation=None)
        presets.read_string("[global]\n" + text)
        for instance in plan["instances"]:
            if instance["id"] not in presets:
                continue
            words = []
            for key, value in presets[instance["id"]].items():
                if key != "load-on-startup":
                    words += ["--" + key, value] if "value" in OPTIONS["--" + key] else ["--" + key]
            for role in instance["roles"]:
                self.assertEqual(dict(presets[role]), dict(presets[instance["id"]]))
            yield words

    def check_processes(self, plan, processes, presets):
        """Every instance is served by one of the command lines, or by a router's preset."""
        commands = [self.memory_words(words) for words in processes if "--models-preset" not in words]
        for words in processes:
            if "--models-preset" in words:
                options = options_of(words)
                self.assertEqual(options["--models-max"], "1")
                commands += self.preset_commands(plan, presets[options["--models-preset"].rsplit("/", 1)[-1]])
        self.check_all(plan, commands)

    def limit_of(self, plan, processes, presets):
        """What a container or job of these processes must be given: docs/METHOD.md, "Serving a plan"."""
        host = 0
        for words in processes:
            if "--models-preset" in words:
                text = presets[options_of(words)["--models-preset"].rsplit("/", 1)[-1]]
                members = [i for i in plan["instances"] if f"\n[{i['id']}]\n" in text]
                host += max(i["host_bytes"] for i in members) + 256 * 2**20
            else:
                roles = options_of(words)["--alias"].split(",")
                host += sum(i["host_bytes"] for i in plan["instances"] if i["id"] in roles or i["id"] in self.drafts(words, plan))
        return host + 64 * 2**20 + host // 4096 * 8

    @staticmethod
    def drafts(words, plan):
        options = options_of(words)
        source = options.get("--spec-draft-model") or options.get("--spec-draft-hf")
        return [i["id"] for i in plan["instances"] if source and not i["command"] and (
            source.endswith(i["file"]["name"]) or source == f"{i['file']['repository']}:{i['quant']}")]

    def test_compose_is_accepted_and_its_containers_size_alike(self):
        if yaml is None:
            self.skipTest("python3-yaml is not installed, so compose.yaml is not parsed")
        for flags in CONTAINED:
            plan, files = self.plan(*flags), self.files("compose", *flags)
            services = yaml.load(files["compose.yaml"].replace("$$", "$"), YamlLoader)["services"]
            self.check_processes(plan, [s["command"] for s in services.values()], files)
            for service in services.values():
                self.assertEqual(service["mem_limit"], self.limit_of(plan, [service["command"]], files))
                self.assertEqual(service["memswap_limit"], service["mem_limit"])
                options = options_of(service["command"])
                self.assertIn(options["--port"], service["ports"][0].split(":")[1:])
                self.assertEqual("memlock" in service.get("ulimits", {}), "mlock" in flags)
                devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices", [])
                named = options.get("--device", "none")
                numbers = [] if named == "none" else named.split(",")
                # Docker gives a container the GPUs asked for, numbered from 0.
                self.assertEqual(numbers, [f"CUDA{i}" for i in range(len(devices[0]["device_ids"]) if devices else 0)])
                self.assertEqual(service["image"].endswith("-cuda"), bool(devices))

    def test_docker_compose_accepts_the_file(self):
        self.needs("docker-compose")
        for flags in CONTAINED:
            with tempfile.TemporaryDirectory() as folder:
                for name, text in self.files("compose", *flags).items():
                    (pathlib.Path(folder) / name).write_text(text)
                result = subprocess.run(["docker-compose", "-f", f"{folder}/compose.yaml", "config", "-q"],
                                        capture_output=True, text=True)
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def objects(self, *flags):
        files = self.files("kubernetes", *flags)
        return [o for name, text in files.items() if name.endswith(".yaml") for o in yaml.load_all(text, YamlLoader)]

    @staticmethod
    def pod_commands(container):
        """What the kubelet and the shell make of the container's words."""
        words = [re.sub(r"\$\$", "$", word) for word in container["args"]]
        if "command" not in container:
            return [words]
        return [shlex.split(line)[1:-1] for line in words[0].splitlines() if line.startswith("/app/llama-server")]

    def test_kubernetes_objects_follow_the_published_schema(self):
        if yaml is None or jsonschema is None:
            self.skipTest("python3-yaml or python3-jsonschema is missing, so Kubernetes objects are not validated")
        schema = json.loads((SOURCE / "tests/data/kubernetes_schema.json").read_text())
        validators = {kind: jsonschema.Draft202012Validator({"$ref": "#/$defs/" + definition, "$defs": schema["$defs"]})
                      for kind, definition in schema["kinds"].items()}
        for flags in CONTAINED:
            for item in self.objects(*flags):
                validators[f"{item['apiVersion']} {item['kind']}"].validate(item)
        broken = self.objects("--ram", "64")[0]
        broken["spec"]["template"]["spec"]["containers"][0]["resource"] = {}
        self.assertFalse(validators["apps/v1 Deployment"].is_valid(broken))

    def test_kubernetes_pods_size_alike_and_are_reached_by_role(self):
        if yaml is None:
            self.skipTest("python3-yaml is not installed, so Kubernetes objects are not parsed")
        for flags in CONTAINED:
            plan, objects = self.plan(*flags), self.objects(*flags)
            pods = [o["spec"]["template"] for o in objects if o["kind"] == "Deployment"]
            presets = {name: text for o in objects if o["kind"] == "ConfigMap" for name, text in o["data"].items()}
            processes, gpus = [], 0
            for pod in pods:
                container = pod["spec"]["containers"][0]
                commands = self.pod_commands(container)
                processes += commands
                resources = container["resources"]
                self.assertEqual(resources["requests"], resources["limits"])
                self.assertRegex(resources["limits"]["cpu"], r"^[1-9]\d*$")
                self.assertEqual(int(resources["limits"]["memory"]), self.limit_of(plan, commands, presets))
                gpus += int(resources["limits"].get("nvidia.com/gpu", 0))
                self.assertEqual(pod["spec"]["nodeSelector"], {"llmsize.dev/class": "planned"})
            self.check_processes(plan, processes, presets)
            # A device plugin hands a GPU to one pod, so together they ask for no more than there are.
            self.assertLessEqual(gpus, 2 if "--gpu" in flags else 0)
            served = {}
            for service in (o for o in objects if o["kind"] == "Service"):
                matching = [pod for pod in pods if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()]
                self.assertEqual(len(matching), 1)
                port = service["spec"]["ports"][0]["targetPort"]
                served[service["metadata"]["name"]] = next(
                    words for words in self.pod_commands(matching[0]["spec"]["containers"][0])
                    if options_of(words)["--port"] == str(port))
            local = [r["role"] for r in plan["roles"] if r["status"] in ("placed", "shared")]
            inside = {draft for words in processes for draft in self.drafts(words, plan)}
            self.assertEqual(set(served), {"llmsize-" + role.replace("_", "-") for role in local if role not in inside})

    def test_the_probe_of_a_cluster_gives_a_file_for_every_node(self):
        files = self.files("kubernetes", *CONTAINED[0])
        with tempfile.TemporaryDirectory() as folder:
            world = pathlib.Path(folder)
            for name in ("probe.yaml", "collect-probes.sh"):
                (world / name).write_text(files[name])
            for directory in ("bin", "tmp", "host/proc"):
                (world / directory).mkdir(parents=True)
            (world / "host/proc/meminfo").write_text("MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n")
            # A cluster of two nodes whose pods have their /tmp and /host here.
            (world / "bin/kubectl").write_text("""#!/bin/bash
                case $1 in
                get) printf 'pod-1 node-a\\npod-2 node-b\\n' ;;
                exec)
                  while [ "$1" != -- ]; do shift; done
                  shift
                  words=("${@//\\/tmp/$WORLD/tmp}")
                  exec "${words[@]//\\/host/$WORLD/host}" ;;
                *) echo "$1" >>"$WORLD/told" ;;
                esac""")
            (world / "bin/kubectl").chmod(0o755)
            result = subprocess.run(["bash", str(world / "collect-probes.sh"), str(world / "probes")], text=True,
                                    capture_output=True, env={"PATH": f"{world}/bin:{os.environ['PATH']}", "LLMSIZE": BINARY,
                                                              "WORLD": folder, "HOME": "/nonexistent"})
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual((world / "told").read_text().split(), ["apply", "rollout", "delete"])
            self.assertEqual(sorted(os.listdir(world / "probes")), ["node-a.json", "node-b.json"])
            for path in (world / "probes").iterdir():
                probe = json.loads(path.read_text())
                self.check_schema(probe)
                self.assertEqual(probe["memory"]["total_bytes"], 8 << 30)

    def test_kubectl_reads_the_objects(self):
        self.needs("kubectl")
        for flags in CONTAINED:
            text = self.files("kubernetes", *flags)["servers.yaml"]
            result = subprocess.run(["kubectl", "annotate", "--local", "-f", "-", "read=yes", "-o", "name"], input=text,
                                    capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual(len(result.stdout.split()), text.count("\n---\n"))

    def test_slurm_scripts_size_alike(self):
        for flags in CONTAINED:
            plan, files = self.plan(*flags), self.files("slurm", *flags)
            processes, gpus = [], 0
            for name, text in files.items():
                self.assertEqual(subprocess.run(["bash", "-n"], input=text, text=True).returncode, 0, name)
                if not name.endswith(".sbatch"):
                    continue
                self.assertIn(name, files["submit.sh"])
                commands = [shlex.split(words) for words in re.findall(r'"\$engine" (.*?) &\n', text, re.S)]
                commands = [[word for word in words if word != "\n"] for words in commands]
                presets = {n.split("/")[-1]: body for n, body in
                           re.findall(r'cat >"\$presets"/(\S+) <<\'END_OF_PRESETS\'\n(.*?)END_OF_PRESETS', text, re.S)}
                limit = -(-self.limit_of(plan, commands, presets) // 2**20)
                self.assertIn(f"\n#SBATCH --mem={limit}M\n", text)
                gpus += int((re.search(r"--gres=gpu:(\d+)", text) or [0, 0])[1])
                processes += [self.memory_words(words) for words in commands if "--models-preset" not in words]
                for preset in presets.values():
                    processes += self.preset_commands(plan, preset)
            self.check_all(plan, processes)
            self.assertLessEqual(gpus, 2 if "--gpu" in flags else 0)

    def test_litellm_sends_each_role_to_the_port_that_serves_it(self):
        if yaml is None:
            self.skipTest("python3-yaml is not installed, so config.yaml is not parsed")
        for flags in CONTAINED:
            files = self.files("litellm", *flags)
            compose = self.files("compose", *flags)
            serves = {}
            for service in yaml.load(compose["compose.yaml"], YamlLoader)["services"].values():
                options = options_of(service["command"])
                roles = options["--alias"].split(",") if "--alias" in options else re.findall(
                    r"^\[(.*)\]$", compose[options["--models-preset"].rsplit("/", 1)[-1]], re.M)
                serves.update({role: f"http://127.0.0.1:{options['--port']}/v1" for role in roles})
            config = yaml.safe_load(files["config.yaml"])
            self.assertEqual(set(config), {"model_list", "router_settings"})
            self.assertEqual({m["model_name"]: m["litellm_params"]["api_base"] for m in config["model_list"]}, serves)
            for model in config["model_list"]:
                self.assertEqual(model["litellm_params"]["model"], "openai/" + model["model_name"])
                self.assertEqual(set(model["litellm_params"]), {"model", "api_base", "api_key"})
            self.assertEqual(json.loads(files["roles.json"]), {role: [url] for role, url in serves.items()})

    def test_units_pass_systemd_and_limit_what_was_planned(self):
        self.needs("systemd-analyze")
        for flags in (("--ram", "512", "--models-dir", "/srv/models 100%"), ("--ram", "64", "--load-mode", "mlock")):
            plan, files = self.plan(*flags), self.files("systemd", *flags)
            units = {name: text for name, text in files.items() if name.endswith(".service")}
            with tempfile.TemporaryDirectory() as folder:
                for name, text in units.items():
                    (pathlib.Path(folder) / name).write_text(text)
                result = subprocess.run(["systemd-analyze", "verify", *(f"{folder}/{name}" for name in units)],
                                        capture_output=True, text=True)
                # Units of the test machine itself are not ours.
                ours = [line for line in result.stderr.splitlines() if "llmsize" in line]
                self.assertEqual(ours, [])
            limits = sum(int(re.search(r"MemoryMax=(\d+)", text)[1]) for name, text in units.items()
                         if not name.startswith("llmsize-warm"))
            self.assertEqual(limits, sum(pool["hot_bytes"] for pool in plan["pools"]))

    def test_hostile_paths_stay_one_word(self):
        path = "/srv/a b'$(touch x);\"`"
        script = self.emit("shell", "--ram", "16", "--models-dir", path)
        words = shlex.split(re.search(r"exec (.*?)\n}", script, re.S)[1])
        self.assertTrue(any(word.startswith(path + "/") for word in words), words)
        self.failure("plan", "--ram", "16", "--models-dir", "a\nb", status=2, says="line break")

    def test_folders_are_written_whole_or_not_at_all(self):
        with tempfile.TemporaryDirectory() as folder:
            occupied = pathlib.Path(folder) / "occupied"
            occupied.mkdir()
            (occupied / "mine").write_text("kept")
            error = self.failure("plan", "--ram", "16", "--emit", "shell", "--out", str(occupied), status=1,
                                 says="could not be written")
            self.assertIn("does not exist yet", error["hint"])
            self.assertEqual(os.listdir(folder), ["occupied"])
            self.assertEqual(os.listdir(occupied), ["mine"])
            self.failure("plan", "--ram", "16", "--out", folder + "/none/deeper", status=1, says="could not be written")
        self.failure("plan", "--ram", "16", "--emit", "cobol", status=2, says="cobol")

    def roles(self, text, **expected):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "roles.json"
            path.write_text(text)
            if expected:
                return self.failure("plan", "--ram", "64", "--roles", str(path), **expected)
            return self.document("plan", "--ram", "64", "--roles", str(path))

    def test_a_file_of_roles_changes_and_adds_to_the_catalogs(self):
        plan = self.roles("""{"roles": ["frontdoor", {"id": "workers", "context_tokens": 4096, "parallel": 2},
            {"id": "reviewer", "like": "coder_escalation", "priority": 3, "candidates": ["qwen3-8b"]},
            {"id": "planner", "cloud": true}]}""")
        self.assertEqual([role["role"] for role in plan["roles"]], ["frontdoor", "workers", "reviewer", "planner"])
        self.assertEqual(plan["roles"][3]["status"], "cloud")
        models = {i["id"]: i for i in plan["instances"]}
        self.assertEqual(models["reviewer"]["model"], "qwen3-8b")
        self.assertEqual((models["workers"]["context_tokens"], models["workers"]["parallel"]), (4096, 2))

    def test_servers_that_map_one_file_share_its_pages_and_private_copies_do_not(self):
        role = '{"id": "%s", "candidates": ["qwen3-32b"], "context_tokens": %d, "load_mode": "%s"}'
        text = '{"roles": [%s]}' % ",".join(role % one for one in (
            ("long", 32768, "mmap"), ("short", 4096, "mmap"), ("own", 4096, "none")))
        with tempfile.TemporaryDirectory() as folder:
            roles, saved = pathlib.Path(folder) / "roles.json", pathlib.Path(folder) / "plan.json"
            roles.write_text(text)
            flags = ("--ram", "96", "--roles", str(roles))
            plan = self.plan(*flags)
            self.check_all(plan, [i["command"] for i in plan["instances"]])
            self.assertEqual([i["run"]["load_mode"] for i in plan["instances"]], ["mmap", "mmap", "none"])
            self.assertEqual(len({i["quant"] for i in plan["instances"]}), 1)
            # What `estimate` counts as backed by the file exists once for the two that map it.
            mapped = self.document("estimate", "-m", "qwen3-32b", "--quant", plan["instances"][0]["quant"],
                                   "--isa", "avx2", "--load-mode", "mmap")["memory"]["file_backed_bytes"]
            pool = plan["pools"][0]
            self.assertEqual(pool["shared_bytes"], mapped)
            self.assertEqual(pool["hot_bytes"], sum(i["memory_bytes"] for i in plan["instances"]) - mapped)
            self.assertIn("mapped by several is counted once", run("plan", *flags).stdout)
            saved.write_text(json.dumps(plan))
            check = self.document("plan", "--check", str(saved), "--ram", "96")
            self.assertEqual(check["pools"][0]["headroom_bytes"], pool["headroom_bytes"])
            roles.write_text(text.replace("mmap", "none"))
            self.assertEqual(self.document("plan", *flags)["pools"][0]["shared_bytes"], 0)

    def test_a_role_that_states_only_needs_gets_the_catalogs_models_for_them(self):
        plan = self.roles('{"roles": [{"id": "eyes", "needs": ["vision"]}, {"id": "hands", "needs": ["code"], "tier": "WARM"}]}')
        catalog = json.loads((SOURCE / "data" / "roles.json").read_text())["entries"]
        for instance, need in zip(plan["instances"], ("vision", "code")):
            known = {c["model"] for role in catalog if need in role["needs"] for c in role.get("candidates", [])}
            self.assertIn(instance["model"], known)
        self.assertEqual([i["id"] for i in plan["instances"]], ["eyes", "hands"])
        self.roles('{"roles": [{"id": "x", "needs": ["telepathy"]}]}', status=1, says="telepathy")
        self.roles('{"roles": [{"id": "x", "needs": ["vision", "code"]}]}', status=1, says="vision, code")

    def test_hostile_role_files_are_clear_errors(self):
        cases = {
            "": "no JSON", "[": "no JSON", "[]": '"roles"', "null": '"roles"', '{"roles": []}': '"roles"',
            '{"roles": [5]}': "/roles/0", '{"roles": ["nobody"]}': "nobody", '{"roles": [{"id": "../etc", "like": "workers"}]}': "no name",
            '{"roles": [{"id": "x"}]}': "candidates", '{"roles": [{"id": "x", "candidates": ["gpt-9"]}]}': "gpt-9",
            '{"roles": [{"id": "x", "like": "workers", "parallel": 1e9}]}': "parallel",
            '{"roles": [{"id": "x", "like": "workers", "weight": -1}]}': "weight",
            '{"roles": [{"id": "x", "like": "workers", "load_mode": "magic"}]}': "load_mode",
            '{"roles": [{"id": "x", "like": "workers", "load_mode": 5}]}': "load_mode",
            '{"roles": ["workers", "workers"]}': "twice",
            '{"roles": [{"id": "workers", "context": 4096}]}': "/roles/0/context",
            '{"roles": [{"id": "a", "candidates": [{"model": "qwen3-8b", "capability": 0.5, "quant": "Q8_0"}]}]}': "/roles/0/candidates/0/quant",
            '{"roles": [{"id": "workers", "required": 1}]}': "true or false",
            '{"roles": [{"id": "workers", "needs": "vision"}]}': "list of texts",
            '{"roles": [{"id": "a", "candidates": [{"model": "qwen3-8b", "capability": 7}]}]}': "capability",
        }
        for text, says in cases.items():
            self.roles(text, status=1, says=says)
        self.roles('{"roles": [%s]}' % ",".join(['"workers"'] * 17), status=2, says="17 roles")
        self.roles("[" * 100_000, status=1, says="no JSON")
        self.failure("plan", "--ram", "64", "--roles", "/nonexistent.json", status=1, says="nonexistent")

    def test_a_saved_plan_is_checked_on_another_machine(self):
        with tempfile.TemporaryDirectory() as folder:
            saved = pathlib.Path(folder) / "plan.json"
            saved.write_text(run("plan", "--ram", "128", "--json").stdout)
            same = self.document("plan", "--check", str(saved), "--ram", "128")
            self.assertTrue(same["fits"])
            for instance in same["instances"]:
                self.assertEqual(instance["memory_bytes"], instance["planned_bytes"])
            smaller = self.document("plan", "--check", str(saved), "--ram", "64", status=3)
            self.assertLess(smaller["pools"][0]["headroom_bytes"], 0)
            self.assertTrue(smaller["lost_roles"])
            self.assertNotIn("frontdoor", smaller["lost_roles"])
            self.assertIn("no longer fits", run("plan", "--check", str(saved), "--ram", "64").stdout)

    def test_saved_plans_that_contradict_themselves_are_refused(self):
        plan = json.loads(run("plan", "--ram", "64", "--json").stdout)
        with tempfile.TemporaryDirectory() as folder:
            saved = pathlib.Path(folder) / "plan.json"
            for change, says in (({"instances": []}, "there is no instance"),
                                 ({"instances": plan["instances"][:1] * 2}, "stands twice")):
                saved.write_text(json.dumps({**plan, **change}))
                self.failure("plan", "--check", str(saved), "--ram", "64", status=1, says=says)
            saved.write_text(json.dumps(plan)[:-40])
            self.failure("plan", "--check", str(saved), "--ram", "64", status=1, says="no JSON")
            self.failure("plan", "--check", str(saved), "--ram", "64", "--emit", "shell", status=2, says="--emit")
            self.failure("plan", "--ram", "64", "--host", str(saved), status=2, says="--host")

    def test_contexts_stay_within_what_models_were_trained_for_unless_asked(self):
        flags = ("--ram", "32", "--roles", "hybrid_routing", "--pin", "gatekeeper=phi-3-mini-4k-instruct:Q4_K_M")
        plan = self.plan(*flags)
        self.assertEqual({i["context_tokens"] for i in plan["instances"] if "4k" in i["model"]}, {4096})
        self.assertFalse([use for use in plan["spare_uses"] if "gatekeeper" in use])
        longer = self.plan(*flags, "-c", "gatekeeper=8192")
        self.assertTrue(any("trained for 4,096" in note for note in longer["notes"]))

    def test_filters_that_name_nothing_say_so(self):
        self.failure("plan", "--ram", "64", "--exclude", "nosuch", status=2, says="nosuch")
        foo = self.document("plan", "--ram", "64", "--license", "foo", status=3)
        self.assertTrue(any("--license foo" in note and "apache" in note for note in foo["notes"]))
        folded, spelled = (self.document("plan", "--ram", "64", "--license", name) for name in ("Apache-2.0", "apache 2.0"))
        self.assertEqual(folded["roles"], spelled["roles"])
        slow = self.document("plan", "--ram", "64", "--min-speed", "10", status=3)
        self.assertIn("--bandwidth", slow["next_step"]["text"])

    def test_the_next_step_up_says_how_much_ram_it_takes(self):
        plan = self.plan("--ram", "64")
        grown = (64 << 30) + plan["next_step"]["ram_bytes"]
        larger = self.plan("--ram", str(grown) + "B")
        placed = lambda p: sum(role["instance"] is not None for role in p["roles"])
        better = placed(larger) > placed(plan) or larger["objective"]["value"] > plan["objective"]["value"]
        self.assertTrue(better, plan["next_step"])

    def test_a_plan_over_gpus_and_nodes_is_checked_against_them(self):
        for flags, fewer in ((("--ram", "64", "--gpu", "2x RTX 4090"), ("--ram", "64", "--gpu", "RTX 4090")),
                             (("--ram", "128", "--numa", "2"), ("--ram", "64", "--numa", "2"))):
            with tempfile.TemporaryDirectory() as folder:
                saved = pathlib.Path(folder) / "plan.json"
                saved.write_text(run("plan", *flags, "--json").stdout)
                same = self.document("plan", "--check", str(saved), *flags)
                self.assertTrue(same["fits"])
                for instance in same["instances"]:
                    self.assertEqual(instance["memory_bytes"], instance["planned_bytes"])
                self.assertTrue(self.document("plan", "--check", str(saved), *fewer, status=3)["lost_roles"])

    def test_two_saved_plans_are_compared(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for ram in ("64", "128"):
                paths.append(f"{folder}/{ram}.json")
                pathlib.Path(paths[-1]).write_text(run("plan", "--ram", ram, "--json").stdout)
            self.assertTrue(self.document("plan", "--diff", paths[0], paths[0])["same"])
            difference = self.document("plan", "--diff", *paths)
            self.assertIn("worker_vision", [change["role"] for change in difference["roles"]])
            self.failure("plan", "--diff", paths[0], status=2, says="--diff")
            self.failure("plan", paths[0], status=2, says="--diff")

    def test_hostile_plan_files_are_clear_errors(self):
        good = json.loads(run("plan", "--ram", "16", "--json").stdout)
        broken = [("", "no JSON"), ("{}", "no llmsize.plan/1"), ('{"schema": "llmsize.plan/1"}', "/host")]
        for key, value, says in (("memory_bytes", -1, "/instances/0/memory_bytes"), ("memory_bytes", 2**64, "memory_bytes"),
                                 ("context_tokens", 1e300, "context_tokens"), ("tier", "LUKEWARM", "tier"), ("run", [], "run"),
                                 ("roles", {"a": 1}, "roles"), ("model", "gpt-9", "gpt-9"), ("quant", "Q99", "Q99")):
            changed = json.loads(json.dumps(good))
            changed["instances"][0][key] = value
            broken.append((json.dumps(changed), says))
        with tempfile.TemporaryDirectory() as folder:
            for number, (text, says) in enumerate(broken):
                path = pathlib.Path(folder) / f"{number}.json"
                path.write_text(text)
                self.failure("plan", "--check", str(path), "--ram", "64", status=1, says=says)

    def test_filters_say_what_they_left_out(self):
        plan = self.document("plan", "--ram", "64", "--min-quality", "0.99", status=3)
        self.assertIn("quality", plan["roles"][0]["reason"])
        self.document("plan", "--ram", "64", "--min-speed", "20", status=3)  # Speed is unknown without a bandwidth.
        plan = self.document("plan", "--ram", "64", "--min-speed", "20", "--bandwidth", "200", "--storage-rate", "2")
        for instance in plan["instances"]:
            self.assertGreaterEqual(instance["decode_tokens_per_second"], 20)
            self.assertAlmostEqual(instance["load_seconds"], instance["file"]["bytes"] / 2e9)
        self.failure("plan", "--ram", "64", "-c", "nobody=4096", status=2, says="nobody")


if __name__ == "__main__":
    unittest.main()
