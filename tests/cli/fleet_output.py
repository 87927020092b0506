"""Plans for folders of hosts: what `llmsize plan --hosts` states must be what the plans of the hosts say, and docs/FLEET.md
must do what it shows."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from command_line import BINARY, SOURCE, CommandLineCase, run
from plan_output import YamlLoader, yaml


class FleetPlan(CommandLineCase):
    """Three classes of made-up machines, r1c1 … r1c4, r1g1 … r1g3, r1s1 and r1s2."""

    RACK = SOURCE / "tests/data/fleet"

    def fleet(self, folder, copies=(), **changes):
        """A folder of saved probes: copies of the rack's files by name, each another machine unless it says otherwise."""
        for number, (name, source) in enumerate(copies):
            host = json.loads((self.RACK / f"{source}.json").read_text())
            host["identity"] = {"host_name": name, "machine_id": f"{number:032x}"}
            for place, values in changes.get(name, {}).items():
                host[place].update(values)
            (pathlib.Path(folder) / f"{name}.json").write_text(json.dumps(host))
        return folder

    @classmethod
    def setUpClass(cls):
        """The hosts without GPUs, whose plans take less time."""
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.quick = cls.folder.name
        for path in cls.RACK.glob("r1[cs]*.json"):
            shutil.copy(path, cls.quick)

    def test_the_racks_files_are_saved_probes(self):
        for path in self.RACK.iterdir():
            self.check_schema(json.loads(path.read_text()))

    def test_alike_hosts_get_the_plan_of_one_of_them(self):
        for source in ("r1c1", "r1g1"):
            with tempfile.TemporaryDirectory() as folder:
                plan = self.document("plan", "--hosts", self.fleet(folder, [(f"n{i}", source) for i in range(3)]))
                alone = self.document("plan", "--host", f"{folder}/n0.json")
            self.assertEqual(len(plan["groups"]), 1)
            group = plan["groups"][0]
            self.check_schema(group["plan"])
            self.assertEqual(group["hosts"], ["n0", "n1", "n2"])
            for key in ("budget", "roles", "instances", "pools", "ladder", "objective", "next_step"):
                self.assertEqual(group["plan"][key], alone[key], key)
            self.assertEqual({role["role"]: role["replicas"] for role in plan["roles"]},
                             {role["role"]: 3 if role["instance"] else 0 for role in alone["roles"]})

    def test_gpus_that_differ_by_what_a_display_holds_work_together(self):
        roles = '{"roles": [{"id": "a", "candidates": ["qwen3-32b"]}]}'
        with tempfile.TemporaryDirectory() as folder:
            path, host = pathlib.Path(folder) / "roles.json", pathlib.Path(folder) / "host.json"
            path.write_text(roles)
            probe = json.loads((self.RACK / "r1g1.json").read_text())
            for held, together in ((300 << 20, True), (3 << 30, False)):
                changed = json.loads(json.dumps(probe))
                changed["gpus"][0]["memory_free_bytes"] -= held
                host.write_text(json.dumps(changed))
                plan = self.document("plan", "--host", str(host), "--roles", str(path), "--pin", "a=qwen3-32b:Q6_K")
                pools = {pool["id"]: pool for pool in plan["pools"]}
                self.assertEqual("gpu0+gpu1" in pools, together)
                if together:
                    self.assertEqual(pools["gpu0+gpu1"]["capacity_bytes"], changed["gpus"][0]["memory_free_bytes"])

    def test_ids_of_classes_do_not_depend_on_the_other_hosts(self):
        whole = self.document("plan", "--hosts", str(self.RACK))
        self.assertEqual([len(c["hosts"]) for c in whole["classes"]], [3, 4, 2])
        self.assertTrue(whole["classes"][0]["id"].startswith("ram128-2x-rtx-4090-"))
        with tempfile.TemporaryDirectory() as folder:
            part = self.document("plan", "--hosts", self.fleet(folder, [("z", "r1s2"), ("a", "r1c4")]))
        self.assertEqual([c["id"] for c in part["classes"]], [c["id"] for c in whole["classes"][1:]])

    def test_replicas_are_served_by_distinct_hosts_and_the_rest_stay_free(self):
        plan = self.document("plan", "--hosts", self.quick, "--replicas", "frontdoor=5", "--replicas", "workers=4")
        by_role = {role["role"]: role for role in plan["roles"]}
        self.assertEqual(plan["assignment"]["method"], "exact")
        for role, wanted in (("frontdoor", 5), ("workers", 4), ("ingest", 1)):
            hosts = [host["name"] for host in plan["hosts"] if role in host["roles"]]
            self.assertEqual(len(set(hosts)), wanted)
            self.assertEqual(by_role[role]["replicas"], wanted)
        self.assertEqual(plan["free_host_count"], sum(host["group"] is None for host in plan["hosts"]))
        placed = [host for group in plan["groups"] for host in group["hosts"]]
        self.assertEqual(len(placed), len(set(placed)))
        for group in plan["groups"]:
            self.assertEqual({role["role"] for role in group["plan"]["roles"]}, set(group["roles"]))
            self.assertTrue(all(pool["headroom_bytes"] >= 0 for pool in group["plan"]["pools"]))
        self.document("plan", "--hosts", self.quick, "--replicas", "frontdoor=10", status=3)
        none = self.document("plan", "--hosts", self.quick, "--replicas", "frontdoor=0")
        self.assertFalse(any("frontdoor" in host["roles"] for host in none["hosts"]))
        self.failure("plan", "--hosts", self.quick, "--replicas", "nobody=1", status=2, says="nobody")
        self.failure("plan", "--replicas", "frontdoor=2", status=2, says="--hosts")

    def test_roles_that_do_not_fit_together_are_served_on_different_hosts_and_what_a_loss_costs_is_true(self):
        roles = '{"roles": [{"id": "a", "candidates": ["qwen3-32b"]}, {"id": "b", "candidates": ["qwen2.5-72b-instruct"]}]}'
        with tempfile.TemporaryDirectory() as folder:
            path, hosts = pathlib.Path(folder) / "roles.json", pathlib.Path(folder) / "hosts"
            path.write_text(roles)
            hosts.mkdir()
            flags = ("plan", "--hosts", self.fleet(hosts, [("one", "r1s1"), ("two", "r1s1")]), "--roles", str(path),
                     "--pin", "a=qwen3-32b:Q6_K", "--pin", "b=qwen2.5-72b-instruct:Q4_K_M", "--margin", "0")
            own = self.document(*flags, status=3)
            self.assertEqual([role["replicas"] for role in own["roles"]], [2, 0])
            spread = self.document(*flags, "--replicas", "1")
            self.assertEqual([role["replicas"] for role in spread["roles"]], [1, 1])
            # Both fall away until planned anew; then the more important one is served, and the other is lost.
            loss = spread["losses"][0]
            self.assertEqual((loss["vanished"], loss["lost"]), (["a", "b"], ["b"]))
            self.assertIn("one more host", loss["remedies"][0])
            size, unit = re.match(r"([\d.]+) ([MG]iB) more for models on a host", loss["remedies"][1]).groups()
            more = float(size) * {"MiB": 2**20, "GiB": 2**30}[unit]
            (hosts / "two.json").unlink()
            one = json.loads((hosts / "one.json").read_text())
            used = one["effective"]["memory_bytes"]
            for extra, status in ((more * 0.99, 3), (more * 1.01, 0)):
                one["effective"]["memory_bytes"] = one["memory"]["total_bytes"] = int(used + extra)
                (hosts / "one.json").write_text(json.dumps(one))
                self.document(*flags, "--replicas", "1", status=status)

    def test_a_demand_is_served_by_as_many_streams_as_it_takes(self):
        speed = None
        for demand, replicas in ((1, 1), (60, None)):
            plan = self.document("plan", "--hosts", self.quick, "--demand", f"workers={demand}")
            row = next(role for role in plan["roles"] if role["role"] == "workers")
            speeds = [instance["decode_tokens_per_second"] for group in plan["groups"] for _ in group["hosts"]
                      for instance in group["plan"]["instances"] if "workers" in instance["roles"]]
            self.assertEqual(len(speeds), row["replicas"])
            self.assertAlmostEqual(sum(speeds), row["decode_tokens_per_second"], places=3)
            self.assertGreaterEqual(sum(speeds), demand)
            # None of them is superfluous.
            self.assertLess(sum(speeds) - max(speeds), demand)
        self.document("plan", "--hosts", self.quick, "--demand", "workers=100000", status=3)
        unknown = {"memory": {"bandwidth_bytes_per_second": None}, "cpu": {"model": None}}
        with tempfile.TemporaryDirectory() as folder:
            self.fleet(folder, [("a", "r1s1")], a=unknown)
            self.failure("plan", "--hosts", folder, "--demand", "workers=10", status=2, says="--bandwidth")
            self.document("plan", "--hosts", folder, "--demand", "workers=5", "--bandwidth", "100")

    def test_a_saved_fleet_plan_is_checked_against_new_probes(self):
        with tempfile.TemporaryDirectory() as folder:
            hosts, saved = pathlib.Path(folder) / "hosts", pathlib.Path(folder) / "fleet.json"
            shutil.copytree(self.quick, hosts)
            flags = ("plan", "--hosts", str(hosts))
            saved.write_text(json.dumps(self.document(*flags, "--replicas", "frontdoor=3")))
            plan = json.loads(saved.read_text())
            check = self.document(*flags, "--check", str(saved))
            self.assertTrue(check["fits"])
            self.assertEqual({h["name"]: h["group"] for h in check["hosts"]},
                             {h["name"]: h["group"] for h in plan["hosts"]})
            serving = [host["name"] for host in plan["hosts"] if host["roles"]]
            idle = next(host["name"] for host in plan["hosts"] if not host["roles"])
            # One host is gone, another has half of its memory in use, a free one is renamed, and one is new.
            (hosts / f"{serving[0]}.json").unlink()
            busy = json.loads((hosts / f"{serving[1]}.json").read_text())
            busy["effective"]["memory_bytes"] //= 4
            (hosts / f"{serving[1]}.json").write_text(json.dumps(busy))
            (hosts / f"{idle}.json").rename(hosts / "renamed.json")
            self.fleet(hosts, [("newcomer", "r1s1")])
            check = self.document(*flags, "--check", str(saved), status=3)
            status = {host["name"]: host["status"] for host in check["hosts"]}
            self.assertEqual([status[name] for name in (serving[0], serving[1], idle)],
                             ["missing", "does_not_fit", "free"])
            self.assertEqual(check["new_hosts"], ["newcomer"])
            self.assertIn(f"{idle} is now called renamed.", check["notes"])
            page = run(*flags, "--check", str(saved)).stdout.splitlines()[0]
            self.assertIn(f"{serving[0]} has no probe; it served", page)
            self.assertIn(f"{serving[1]} would lose", page)
            self.failure("plan", "--ram", "64", "--check", str(saved), status=1, says="many hosts")
            for broken, says in (({**plan, "groups": 3}, "/groups"), ({**plan, "hosts": [{"name": 1}]}, "/hosts/0/name"),
                                 ({**plan, "groups": []}, "names no group"), ([], "fleet_plan")):
                saved.write_text(json.dumps(broken))
                self.failure(*flags, "--check", str(saved), status=1, says=says)

    def test_each_group_of_hosts_gets_files_of_its_own(self):
        flags = ("plan", "--hosts", self.quick, "--replicas", "frontdoor=3")
        plan = self.document(*flags)
        self.assertEqual(json.loads(run(*flags, "--emit", "json").stdout), plan)
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out"
            self.assertEqual(run(*flags, "--emit", "shell", "--out", str(out)).returncode, 0)
            self.assertEqual(sorted(os.listdir(out)), sorted(group["id"] for group in plan["groups"]))
            for group in plan["groups"]:
                script = (out / group["id"] / "serve.sh").read_text()
                self.assertEqual(set(re.findall(r"^serve_(\w+)\(\)", script, re.M)),
                                 {i["id"] for i in group["plan"]["instances"] if i["command"]})
                self.assertIn("--host 0.0.0.0", script)
        self.failure("plan", "--ram", "64", "--pin-hosts", status=2, says="--hosts")
        self.failure(*flags, "--emit", "cobol", status=2, says="cobol")

    def test_orchestrators_are_told_the_hosts_of_every_group(self):
        if yaml is None:
            self.skipTest("python3-yaml is not installed, so files for orchestrators are not parsed")
        flags = ("--hosts", self.quick, "--replicas", "2")
        groups = self.document("plan", *flags, status=run("plan", *flags).returncode)["groups"]
        self.assertTrue(any(len(group["hosts"]) > 1 for group in groups))
        for pinned in ((), ("--pin-hosts",)):
            files = {form: self.fleet_files(form, *flags, *pinned) for form in ("kubernetes", "slurm", "litellm")}
            entries = {}
            for group in groups:
                hosts = group["hosts"]
                for item in yaml.load_all(files["kubernetes"][group["id"] + ".yaml"], YamlLoader):
                    self.assertEqual(item["metadata"]["labels"]["llmsize.dev/class"], group["id"])
                    if item["kind"] != "Deployment":
                        continue
                    pod = item["spec"]["template"]["spec"]
                    self.assertEqual(item["spec"]["replicas"], len(hosts))
                    self.assertEqual("nodeSelector" in pod, not pinned)
                    self.assertEqual("nodeAffinity" in pod["affinity"], bool(pinned))
                    self.assertEqual(set(hosts), set(re.findall(r"'(r1\w+)'", str(pod["affinity"]))) if pinned else set(hosts))
                for name, script in files["slurm"].items():
                    if name.startswith(group["id"] + "/"):
                        self.assertIn(f"\n#SBATCH --nodes={len(hosts)}\n", script)
                        self.assertEqual(f"\n#SBATCH --constraint={group['id']}\n" in script, not pinned)
                        self.assertEqual(f"\n#SBATCH --nodelist={','.join(hosts)}\n" in script, bool(pinned))
                for instance in group["plan"]["instances"]:
                    for role in instance["roles"] if instance["command"] else []:
                        entries.setdefault(role, []).extend(hosts)
            config = yaml.load(files["litellm"]["config.yaml"], YamlLoader)
            given = {}
            for model in config["model_list"]:
                host = re.fullmatch(r"http://(\w+):\d+/v1", model["litellm_params"]["api_base"])[1]
                given.setdefault(model["model_name"], []).append(host)
            self.assertEqual(given, entries)
            labels = {f"kubectl label node --overwrite {host} llmsize.dev/class={group['id']}"
                      for group in groups for host in group["hosts"]}
            self.assertEqual(set(files["kubernetes"].get("label-nodes.sh", "").splitlines()[4:]), set() if pinned else labels)

    def fleet_files(self, form, *flags):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out"
            run("plan", *flags, "--emit", form, "--out", str(out))
            return {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}

    def test_a_host_whose_name_is_none_is_not_written_anywhere(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(SOURCE / "tests/data/fleet/r1s1.json", f"{folder}/a $(b).json")
            self.failure("plan", "--hosts", folder, "--emit", "slurm", status=1, says="name of a host")

    def test_bad_files_are_all_named_and_left_out_only_when_told(self):
        total = 1 << 36
        with tempfile.TemporaryDirectory() as folder:
            self.fleet(folder, [("a", "r1s1"), ("b", "r1s1"), ("liar", "r1s2")],
                       liar={"memory": {"total_bytes": total, "available_bytes": total + 1}})
            (pathlib.Path(folder) / "broken.json").write_text("{")
            (pathlib.Path(folder) / "deep.json").write_text("[" * 100000)
            (pathlib.Path(folder) / "folder.json").mkdir()
            (pathlib.Path(folder) / "notes.txt").write_text("not a probe")
            again = json.loads((pathlib.Path(folder) / "a.json").read_text())
            (pathlib.Path(folder) / "again.json").write_text(json.dumps(again))
            error = self.failure("plan", "--hosts", folder, status=1, says="5 of 7 host files")
            for name in ("broken.json", "deep.json", "folder.json", "liar.json", "again.json: the same machine as a.json"):
                self.assertIn(name, error["message"])
            self.assertIn("--skip-bad", error["hint"])
            plan = self.document("plan", "--hosts", folder, "--skip-bad")
            self.assertEqual([host["name"] for host in plan["hosts"]], ["a", "b"])
            self.assertEqual(sorted(bad["file"] for bad in plan["left_out"]),
                             ["again.json", "broken.json", "deep.json", "folder.json", "liar.json"])
        with tempfile.TemporaryDirectory() as folder:
            self.failure("plan", "--hosts", folder, status=1, says="no saved probe")
            (pathlib.Path(folder) / "broken.json").write_text("{")
            self.failure("plan", "--hosts", folder, "--skip-bad", status=1, says="1 of 1 host files")
        self.failure("plan", "--hosts", "/nonexistent", status=1, says="/nonexistent")
        self.failure("plan", "--hosts", str(self.RACK), "--ram", "64", status=2, says="--hosts")


@unittest.skipIf(os.environ.get("LLMSIZE_SANITIZED"), "docs/FLEET.md is followed without sanitizers, where it takes a minute less")
class FleetGuide(CommandLineCase):
    """docs/FLEET.md, as a reader would follow it."""

    def lines_in_order(self, wanted, page):
        """Each line of an excerpt follows the one before it; an ellipsis stands for anything."""
        pattern = ".*?".join("^" + ".*?".join(re.escape(part) for part in line.split("…")) + "$"
                             for line in wanted.splitlines() if line != "…")
        self.assertRegex(page, re.compile(pattern, re.M | re.S), wanted)

    def test_its_commands_do_what_it_says(self):
        guide = (SOURCE / "docs/FLEET.md").read_text()
        steps = re.findall(r"<!-- fleet: run ?(\d*) -->\n```sh\n(.*?)```\n```\n(.*?)```", guide, re.S)
        self.assertEqual(len(steps), guide.count("<!-- fleet: run"))
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(SOURCE / "tests/data/fleet", f"{folder}/probes")
            os.symlink(BINARY, f"{folder}/llmsize")
            for status, command, page in steps:
                result = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, text=True,
                                        capture_output=True, timeout=120,
                                        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": "/nonexistent"})
                self.assertEqual(result.returncode, int(status or 0), command + result.stderr)
                self.lines_in_order(page, result.stdout)


if __name__ == "__main__":
    unittest.main()
