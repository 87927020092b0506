"""What `llmsize fit` lists must be what `estimate` says of each row, in the order that docs/METHOD.md states, with nothing
left out that fits."""

import json
import math
import pathlib
import tempfile
import unittest

from command_line import SOURCE, CommandLineCase, run
from remote_models import gguf_bytes

QUANTS = ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"]
CATALOG = {entry["id"]: entry for path in (SOURCE / "data" / "models").glob("*.json")
           for entry in json.loads(path.read_text())["entries"]}


def fits(model, quant, *flags):
    return run("estimate", "-m", model, "--quant", quant, "--require", "resident", *flags).returncode == 0


class Rows(CommandLineCase):
    def rows(self, *flags, **more):
        return self.document("fit", *flags, **more)["rows"]

    def test_each_row_is_what_estimate_says_for_the_same_flags(self):
        filters = ("--min-params", "25")  # Of which two rows page from disk on the last machine.
        for flags in (("--ram", "32"), ("--ram", "64", "--gpu", "RTX 4090", "-c", "16384", "--bandwidth", "80"),
                      ("--ram", "24", "--cache-ram", "0", "--no-mmap", "-ctk", "q8_0", "-ctv", "q8_0"),
                      ("--ram", "12", "--cache-ram", "0", "--no-repack", "--bandwidth", "50", "--storage-speed", "3")):
            rows = self.rows(*flags, *filters, "--limit", "2")
            self.assertEqual(len(rows), 2)
            for row in rows:
                with self.subTest(flags=flags, model=row["model"]):
                    said = self.document("estimate", "-m", row["model"], "--quant", row["quant"], *flags)
                    self.assertEqual(row["memory"], {key: said["memory"][key] for key in row["memory"]})
                    self.assertEqual(row["verdict"], said["verdict"])
                    self.assertEqual(row["throughput"], said["throughput"])
                    self.assertEqual(row["gpu_layers"], said["run"]["gpu_layers"])
                    self.assertEqual(row["context_tokens"], said["run"]["context_tokens"])
                    self.assertEqual(row["file_bytes"], said["artifact"]["file_bytes"])

    def test_each_model_is_at_the_best_quant_that_fits(self):
        for row in self.rows("--ram", "32", "--limit", "6"):
            better = QUANTS[:QUANTS.index(row["quant"])]
            self.assertEqual([quant for quant in better if fits(row["model"], quant, "--ram", "32")], [], row["model"])

    def test_the_best_rows_are_the_first_of_all_and_nothing_that_fits_is_missing(self):
        every = self.rows("--ram", "20", "--require", "resident", "--all")
        self.assertEqual(self.rows("--ram", "20", "--limit", "7"), every[:7])
        self.assertTrue(self.document("fit", "--ram", "20", "--limit", "7")["more"])
        self.assertFalse(self.document("fit", "--ram", "20", "--require", "resident", "--all")["more"])
        listed = {row["model"] for row in every}
        unlisted = sorted(id for id, entry in CATALOG.items()
                          if id not in listed and entry.get("total_params") and "missing" not in entry)
        # The smallest of what is not listed are the likeliest mistakes.
        for model in sorted(unlisted, key=lambda id: CATALOG[id]["total_params"])[:8]:
            self.assertFalse(fits(model, "Q2_K", "--ram", "20"), model)

    def test_the_order_is_by_parameters_quant_and_date(self):
        def rank(row):
            losses = {entry["id"]: entry.get("kl_divergence", entry.get("kl_divergence_imatrix"))
                      for entry in json.loads((SOURCE / "data/quality.json").read_text())["entries"] if "id" in entry}
            active = CATALOG[row["model"]].get("active_params") or row["total_params"]
            value = math.sqrt(row["total_params"] * active) * math.exp(-losses[row["quant"]])
            year, month = (row["released"] or "2023-01").split("-")[:2]
            value *= 2 ** ((12 * (int(year) - 2023) + int(month) - 1) / 16)  # As docs/METHOD.md has it.
            self.assertAlmostEqual(row["rank"]["value"] / value, 1, places=2)
            return row["rank"]["value"]
        ranks = [rank(row) for row in self.rows("--ram", "48", "--limit", "30")]
        self.assertEqual(ranks, sorted(ranks, reverse=True))

    def test_a_shared_score_goes_before_size_where_it_is_asked_for(self):
        rows = self.rows("--ram", "512", "--order", "score", "--limit", "12")
        scored = [row for row in rows if row["rank"]["by"] == "score"]
        self.assertEqual(rows[:len(scored)], scored)
        self.assertGreater(len(scored), 3)
        self.assertEqual(len({row["score"]["benchmark"] for row in scored}), 1)
        values = [row["rank"]["value"] for row in scored]
        self.assertEqual(values, sorted(values, reverse=True))

    def test_every_model_whose_shape_is_known_is_sized(self):
        answer = self.document("fit", "--ram", "100000", "--all")
        # No public source states the window of DeepSeek-V4 Pro.
        self.assertEqual([note.split()[0] for note in answer["notes"] if " is left out" in note], ["deepseek-v4-pro"])

    def test_filters_narrow_the_table(self):
        code = self.rows("--ram", "64", "--capability", "code", "--all", "--require", "resident")
        self.assertIn("qwen2.5-coder-32b-instruct", {row["model"] for row in code})
        self.assertNotIn("llama-3.1-8b-instruct", {row["model"] for row in code})
        self.assertEqual({row["family"] for row in self.rows("--ram", "64", "--family", "gemma-3")}, {"Gemma 3", "Gemma 3n"})
        licensed = self.rows("--ram", "64", "--license", "apache-2.0")
        self.assertEqual({row["license"] for row in licensed}, {"apache-2.0", "Apache 2.0"})
        sized = self.rows("--ram", "64", "--min-params", "7", "--max-params", "9", "--quant", "q4_k_m")
        self.assertTrue(all(7e9 <= row["total_params"] <= 9e9 and row["quant"] == "Q4_K_M" for row in sized), sized)
        long = self.document("fit", "--ram", "64", "-c", "65536", "--min-params", "8", "--limit", "30")
        self.assertGreater(len(long["rows"]), 5)
        for row in long["rows"]:
            self.assertGreaterEqual(CATALOG[row["model"]]["hyperparameters"]["context_length"], 65536)
        self.assertTrue(any("context" in note for note in long["notes"]))
        fast = self.rows("--ram", "64", "--bandwidth", "50", "--min-speed", "6", "--limit", "5")
        self.assertEqual(len(fast), 5)
        for row in fast:
            self.assertGreaterEqual(row["throughput"]["decode_tokens_per_second"]["mid"], 6)
        # Bounds of the search leave none out that is fast enough.
        for machine in (("--ram", "12", "--bandwidth", "50"), ("--ram", "12", "--bandwidth", "50", "--gpu", "RTX 3060")):
            rows = [row for row in self.rows(*machine, "--all", "--quant", "Q4_K_M", "--require", "resident")
                    if row["throughput"]["decode_tokens_per_second"]["mid"] >= 15]
            self.assertEqual(self.rows(*machine, "--all", "--quant", "Q4_K_M", "--require", "resident", "--min-speed", "15"), rows)

    def test_the_exit_status_tells_whether_anything_fits(self):
        nothing = self.document("fit", "--ram", "1", status=3)
        self.assertEqual(nothing["rows"], [])
        self.assertIn("--cache-ram", nothing["next_step"])
        self.assertEqual(run("fit", "--limit", "1").returncode, 0)
        self.failure("fit", "--all", "--limit", "3", status=2, says="--limit")
        self.failure("fit", "--capability", "flying", status=2, says="flying")
        self.failure("fit", "--min-params", "9", "--max-params", "7", status=2, says="--min-params")
        self.failure("fit", "--quant", "Q9", "--ram", "8", status=2, says="Q9")
        self.failure("fit", "--family", "qwen99", "--ram", "8", status=2, says="Qwen3.5")
        self.failure("fit", "--license", "free", "--ram", "8", status=2, says="Apache 2.0")
        self.assertIn("--bandwidth", self.document("fit", "--ram", "8", "--min-speed", "5", status=3)["next_step"])
        self.failure("fit", "--local", "--family", "qwen", status=2, says="--local")

    def test_the_first_line_names_the_best_the_limit_and_the_next_flag(self):
        text = run("fit", "--ram", "32").stdout
        first, best = text.splitlines()[0], self.rows("--ram", "32", "--limit", "1")[0]
        for part in (best["model"], best["quant"], "bound by --ram", "Next: "):
            self.assertIn(part, first)
        self.assertLessEqual(max(len(line) for line in text.splitlines()[1:24]), 140)

    def test_files_on_this_disk_are_listed_as_they_are(self):
        with tempfile.TemporaryDirectory() as home:
            blobs = pathlib.Path(home, ".ollama", "models", "blobs")
            manifest = blobs.parent / "manifests" / "registry.ollama.ai" / "library" / "small" / "1b"
            for folder in (blobs, manifest.parent):
                folder.mkdir(parents=True)
            layer = {"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "a" * 64}
            manifest.write_text(json.dumps({"layers": [layer]}))
            with tempfile.TemporaryDirectory() as scratch:
                data = gguf_bytes(scratch)
            blobs.joinpath("sha256-" + "a" * 64).write_bytes(data)
            found = self.document("fit", "--local", "--ram", "16", env={"HOME": home})
            self.assertEqual([(row["model"], row["verdict"]["fits"]) for row in found["rows"]], [("ollama:small:1b", "resident")])

            folder = pathlib.Path(home, "files", "publisher")
            folder.mkdir(parents=True)
            folder.joinpath("small.gguf").write_bytes(data)
            folder.joinpath("torn.gguf").write_bytes(b"GGUF")
            found = self.document("fit", "--models-dir", str(folder.parent), "--ram", "16")
            self.assertEqual([row["model"] for row in found["rows"]], [str(folder / "small.gguf")])
            self.assertTrue(any("torn.gguf" in note for note in found["notes"]), found["notes"])
            self.assertEqual(self.document("fit", "--models-dir", str(blobs), "--ram", "16", status=3)["rows"], [])
            self.failure("fit", "--models-dir", home + "/none", status=1, says="/none")


if __name__ == "__main__":
    unittest.main()
