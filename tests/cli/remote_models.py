"""Models by remote name, against a hub on the loopback interface: one that behaves and several that do not.

Whatever the server does, the program must answer or give one clear error within its timeout, keep nothing of a failed
transfer in its cache, and show the token to nobody but the hub.
"""

import http.server
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engine"))
import gguf_writer  # noqa: E402
import models  # noqa: E402

BINARY = os.environ["LLMSIZE_BINARY"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SECRET = "hf_secret"
STALL_SECONDS = 1


def gguf_bytes(folder, kind="q8_0", vocabulary=models.VOCABULARY):
    path = pathlib.Path(folder, f"{kind}-{vocabulary}.gguf")
    metadata, tensors = models.llama(kind)
    metadata.update(gguf_writer.tokenizer(vocabulary))
    tensors = [(name, (models.EMBEDDING, vocabulary), kind) if name in ("token_embd.weight", "output.weight") else (name, shape, kind)
               if len(shape) > 1 else (name, shape, "f32") for name, shape, kind in tensors]
    gguf_writer.write(path, metadata, tensors)
    return path.read_bytes()


def safetensors_bytes(tensors):
    """`tensors`: name -> (dtype, shape, bytes per element)."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, width) in tensors.items():
        size = width
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`; `server.fault` names what it does wrong."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, dict(self.headers)))
        fault = server.fault
        if isinstance(fault, int):
            server.left -= 1
            if server.left >= 0:
                return self.answer(fault, **({"Retry_After": "0"} if fault == 429 else {}))
        if fault == "stalls everywhere":
            return time.sleep(STALL_SECONDS * 4)
        if self.path.startswith("/api/models/org/model/revision/main"):
            files = [{"rfilename": name, "size": len(data)} for name, data in server.files.items()]
            return self.answer(200, json.dumps({"sha": COMMIT, "siblings": files}).encode())
        prefix = f"/org/model/resolve/{COMMIT}/"
        stored = self.path.startswith("/storage/")
        name = self.path[len("/storage/"):] if stored else self.path.removeprefix(prefix)
        if (not stored and not self.path.startswith(prefix)) or name not in server.files:
            return self.answer(404)
        if server.storage and not stored:
            return self.answer(302, Location=f"{server.storage}/storage/{name}")
        self.file(server.files[name], fault)

    def file(self, data, fault):
        wanted = self.headers.get("Range")
        if fault == "redirects without end":
            return self.answer(302, Location=self.path)
        if fault == "redirects to nowhere":
            return self.answer(302, Location="file:///etc/passwd")
        if not wanted or fault == "no ranges":
            return self.answer(200, data)
        first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
        last = min(last, len(data) - 1)
        part = data[first:last + 1]
        said = f"bytes {first}-{last}/{len(data)}"
        if fault == "another part":
            return self.answer(206, part, Content_Range=f"bytes {first + 1}-{last + 1}/{len(data) + 2}")
        if fault == "nonsense range":
            return self.answer(206, part, Content_Range="bytes five-six/seven")
        if fault == "another length":
            return self.answer(206, part, Content_Range=f"bytes {first}-{last}/{len(data) + 12345}")
        if fault == "too much":
            return self.answer(206, part + bytes(4 << 20), Content_Range=said)
        if fault == "too little":
            return self.answer(206, part[:-100], Content_Range=said)
        if fault == "cut" and len(part) > 600_000:
            self.close_connection = True
            return self.answer(206, part[:len(part) // 2], Content_Range=said, Content_Length=str(len(part)))
        if fault == "cut before any byte":
            self.close_connection = True
            return self.answer(206, b"", Content_Range=said, Content_Length=str(len(part)))
        if fault == "stalls":
            self.answer(206, part[:1000], Content_Range=said, Content_Length=str(len(part)))
            return time.sleep(STALL_SECONDS * 4)
        if fault == "not a model":
            return self.answer(206, bytes(len(part)), Content_Range=said)
        return self.answer(206, part, Content_Range=said)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Clients that hang up are what some of these tests are about."""


class Loopback:
    def __init__(self, files, fault="", storage="", times=1 << 30):
        self.server = Server(("127.0.0.1", 0), Hub)
        self.server.files, self.server.fault, self.server.storage = files, fault, storage
        self.server.left, self.server.requests = times, []
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def requests(self):
        return self.server.requests


class RemoteModels(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = gguf_bytes(cls.folder.name)
        cls.files = {"README.md": b"#", "model-Q4_K_M.gguf": gguf_bytes(cls.folder.name, "q4_0"), "model-Q8_0.gguf": cls.model}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)

    def run_program(self, *arguments, hub="http://127.0.0.1:9", **more):
        env = {"HOME": self.home.name, "XDG_DATA_DIRS": "/nonexistent", "PATH": os.environ["PATH"], "HF_ENDPOINT": hub,
               "HF_HUB_DOWNLOAD_TIMEOUT": str(STALL_SECONDS), "no_proxy": "127.0.0.1", "HF_TOKEN": SECRET, **more}
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS") or k.startswith("GCOV")})
        return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, env=env)

    def estimate(self, name, hub, *arguments, **more):
        result = self.run_program("estimate", "-m", name, "--json", "--ram", "64GiB", *arguments, hub=hub, **more)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return json.loads(result.stdout)

    def local_estimate(self, data, name="local.gguf"):
        path = pathlib.Path(self.home.name, name)
        path.write_bytes(data)
        return self.estimate(str(path), "http://127.0.0.1:9")

    def cached(self):
        return sorted(str(path.relative_to(self.home.name)) for path in pathlib.Path(self.home.name, ".cache").rglob("*") if path.is_file())

    def fails(self, fault, says, name="hf:org/model:Q8_0", seconds=STALL_SECONDS * 3 + 2, times=1 << 30, **more):
        with Loopback({**self.files, **more}, fault, times=times) as hub:
            begin = time.monotonic()
            result = self.run_program("estimate", "-m", name, hub=hub.address)
            took = time.monotonic() - begin
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn(says, result.stderr)
        self.assertNotIn(SECRET, result.stderr)
        self.assertLess(took, seconds)
        self.assertEqual([path for path in self.cached() if "listing" not in path], [], "nothing of a failed transfer may stay")

    def test_a_header_is_read_by_range_and_gives_what_the_file_gives(self):
        with Loopback(self.files) as hub:
            remote = self.estimate("hf:org/model:Q8_0", hub.address)
            fetched = [headers for path, headers in hub.requests if path.endswith(".gguf")]
        local = self.local_estimate(self.model)
        self.assertEqual(remote["memory"], local["memory"])
        for key in ("tensor_bytes", "file_bytes", "tensors_by_type"):
            self.assertEqual(remote["artifact"][key], local["artifact"][key])
        self.assertEqual(len(fetched), 1)
        self.assertEqual(fetched[0]["Range"], "bytes=0-1048575")

    def test_ranges_grow_for_a_large_vocabulary_and_weights_are_left_alone(self):
        large = gguf_bytes(self.folder.name, vocabulary=90_000)
        with Loopback({"large-Q8_0.gguf": large}) as hub:
            remote = self.estimate("hf:org/model:Q8_0", hub.address)
            ranges = [headers["Range"] for path, headers in hub.requests if path.endswith(".gguf")]
        self.assertEqual(ranges, ["bytes=0-1048575", "bytes=1048576-2097151", "bytes=2097152-4194303"])
        self.assertLess(4194303, len(large) // 10)
        self.assertEqual(remote["memory"], self.local_estimate(large)["memory"])

    def test_the_cache_spares_the_second_transfer_and_serves_without_a_network(self):
        with Loopback(self.files) as hub:
            first = self.estimate("hf:org/model:Q8_0", hub.address)
            before = len(hub.requests)
            second = self.estimate("hf:org/model:Q8_0", hub.address)
            self.assertEqual([path for path, _ in hub.requests[before:] if path.endswith(".gguf")], [])
            address = hub.address
        offline = self.estimate("hf:org/model:Q8_0", address, HF_HUB_OFFLINE="1")
        gone = self.estimate("hf:org/model:Q8_0", address)
        for document in (second, offline, gone):
            self.assertEqual(document["memory"], first["memory"])
        self.assertIn("last listing", json.dumps(gone["notes"]))

    def test_shards_are_found_and_a_broken_one_leaves_the_finished_ones_to_resume_from(self):
        metadata, tensors = models.llama("q8_0")
        half = len(tensors) // 2
        shards = {}
        for number, part in enumerate((tensors[:half], tensors[half:])):
            path = pathlib.Path(self.home.name, "shard")
            keys = {"split.no": number, "split.count": 2, "split.tensors.count": len(tensors)}
            gguf_writer.write(path, {**(metadata if number == 0 else {}), **keys}, part)
            shards[f"Q8_0/big-Q8_0-{number + 1:05}-of-00002.gguf"] = path.read_bytes()
        broken = {**shards, "Q8_0/big-Q8_0-00002-of-00002.gguf": b"GGUF" + bytes(5000)}
        with Loopback(broken) as hub:
            result = self.run_program("estimate", "-m", "hf:org/model:Q8_0", hub=hub.address)
            self.assertEqual(result.returncode, 1)
            self.assertIn("hf:org/model/Q8_0/big-Q8_0-00002-of-00002.gguf", result.stderr)
            self.assertEqual(len([path for path in self.cached() if "00002-of" in path and "00001" not in path]), 0)
        with Loopback(shards) as hub:
            document = self.estimate("hf:org/model:Q8_0", hub.address)
            self.assertEqual(document["model"]["id"], "big-Q8_0")
        whole = pathlib.Path(self.home.name, "whole.gguf")
        gguf_writer.write(whole, metadata, tensors)
        self.assertEqual(document["artifact"]["tensor_bytes"], self.estimate(str(whole), "http://127.0.0.1:9")["artifact"]["tensor_bytes"])

    def test_without_a_quant_q4_k_m_is_taken_and_quant_chooses_too(self):
        with Loopback(self.files) as hub:
            self.assertEqual(self.estimate("hf:org/model", hub.address)["model"]["id"], "model-Q4_K_M")
            self.assertEqual(self.estimate("hf:org/model", hub.address, "--quant", "q8_0")["model"]["id"], "model-Q8_0")

    def test_an_unknown_quant_lists_what_there_is(self):
        self.fails("", "There are: model-Q4_K_M.gguf, model-Q8_0.gguf", name="hf:org/model:Q5_K_M")

    def test_the_token_stays_with_the_hub(self):
        with Loopback(self.files) as storage, Loopback(self.files, storage=storage.address) as hub:
            self.estimate("hf:org/model:Q8_0", hub.address)
            self.assertTrue(all(headers.get("Authorization") == f"Bearer {SECRET}" for _, headers in hub.requests))
            self.assertEqual(len(storage.requests), 1)
            self.assertNotIn("Authorization", storage.requests[0][1])

    def test_a_cut_transfer_goes_on_where_it_was_cut(self):
        with Loopback(self.files, "cut") as hub:
            document = self.estimate("hf:org/model:Q8_0", hub.address)
            first, second = [headers["Range"] for path, headers in hub.requests if path.endswith(".gguf")][:2]
        self.assertEqual(document["model"]["id"], "model-Q8_0")
        self.assertEqual((first, second), ("bytes=0-1048575", "bytes=524288-1048575"))

    def test_passing_trouble_is_retried(self):
        for status in (429, 503):
            with Loopback(self.files, status, times=2) as hub:
                self.assertEqual(self.estimate("hf:org/model:Q8_0", hub.address)["model"]["id"], "model-Q8_0")

    def test_lasting_trouble_is_reported(self):
        self.fails(503, "HTTP 503")
        self.fails(429, "too many requests")
        self.fails(401, "not permitted (HTTP 401)")
        self.fails(404, "does not exist (HTTP 404)")

    def test_servers_that_lie_are_named(self):
        self.fails("no ranges", "does not answer range requests")
        self.fails("another part", "another part than was asked for")
        self.fails("nonsense range", "another part than was asked for")
        self.fails("another length", "the listing says")
        self.fails("too much", "more than was asked for")
        self.fails("too little", "less than it announced")
        self.fails("redirects without end", "redirects without end")
        self.fails("redirects to nowhere", "redirects to nowhere")
        self.fails("not a model", "not a GGUF file")

    def test_servers_that_hang_are_left(self):
        self.fails("stalls everywhere", "no answer within 1 seconds")
        self.fails("cut before any byte", "127.0.0.1")
        self.fails("stalls", "no answer within 1 seconds", seconds=STALL_SECONDS * 6)

    def test_no_hub_at_all_is_an_error(self):
        result = self.run_program("estimate", "-m", "hf:org/model")
        self.assertEqual(result.returncode, 1)
        self.assertIn("http://127.0.0.1:9/api/models/org/model", result.stderr)

    def test_a_repository_of_safetensors_is_sized_by_config_and_headers(self):
        config = {"architectures": ["LlamaForCausalLM"], "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 1,
                  "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000, "max_position_embeddings": 4096}
        at = "model.layers.0."
        tensors = {"model.embed_tokens.weight": (1000, 256), "lm_head.weight": (1000, 256), "model.norm.weight": (256,),
                   at + "input_layernorm.weight": (256,), at + "post_attention_layernorm.weight": (256,),
                   at + "self_attn.q_proj.weight": (256, 256), at + "self_attn.k_proj.weight": (128, 256),
                   at + "self_attn.v_proj.weight": (128, 256), at + "self_attn.o_proj.weight": (256, 256),
                   at + "mlp.gate_proj.weight": (512, 256), at + "mlp.up_proj.weight": (512, 256),
                   at + "mlp.down_proj.weight": (256, 512)}
        names = list(tensors)
        shards = [safetensors_bytes({name: ("BF16", tensors[name], 2) for name in part}) for part in (names[:4], names[4:])]
        files = {"config.json": json.dumps(config).encode()}
        index = {"metadata": {}, "weight_map": {}}
        for number, (shard, part) in enumerate(zip(shards, (names[:4], names[4:]))):
            file = f"model-{number + 1:05}-of-00002.safetensors"
            files[file] = shard
            index["weight_map"].update({name: file for name in part})
        files["model.safetensors.index.json"] = json.dumps(index).encode()
        params = 2 * 1000 * 256 + 3 * 256 + 2 * 256 * 256 + 2 * 128 * 256 + 3 * 512 * 256
        with Loopback(files) as hub:
            document = self.estimate("hf:org/model:Q8_0", hub.address)
            self.added("hf:org/model", "model", document, hub.address)
        self.assertEqual(document["model"]["total_params"], params)
        self.assertEqual(document["artifact"]["quant"], "Q8_0")
        notes = json.dumps(document["notes"])
        self.assertIn(f"{params:,} parameters, as the config.json gives", notes)
        self.assertIn(f"{params * 2:,} BF16", notes)
        # The same in a folder, named as a person would.
        for name, data in files.items():
            pathlib.Path(self.home.name, name).write_bytes(data)
        local = self.estimate(self.home.name, "http://127.0.0.1:9", "--quant", "Q8_0")
        self.assertEqual(local["memory"], document["memory"])
        self.added(self.home.name, "mine", document)

    def added(self, name, identifier, document, hub="http://127.0.0.1:9"):
        """`catalog add` makes an entry that the catalog accepts and that gives the same bytes without the model."""
        result = self.run_program("catalog", "add", name, "--id", identifier, hub=hub)
        self.assertEqual(result.returncode, 0, result.stderr)
        checked = self.run_program("catalog", "validate")
        self.assertEqual(checked.returncode, 0, checked.stdout)
        again = self.estimate(identifier, "http://127.0.0.1:9", "--quant", "Q8_0")
        for key in ("weights_bytes", "kv_bytes", "compute_bytes"):
            self.assertEqual(again["memory"][key], document["memory"][key])

    def check_flags(self, name, hub="http://127.0.0.1:9"):
        """What --args prints names something that the engine loads, and fed back gives the same answer."""
        first = self.estimate(name, hub)
        result = self.run_program("estimate", "-m", name, "--ram", "64GiB", "--args", hub=hub)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        words = result.stdout.split()
        again = self.run_program("estimate", *words, "--ram", "64GiB", "--json", hub=hub)
        self.assertEqual(again.returncode, 0, again.stderr)
        for key in ("memory", "run"):
            self.assertEqual(json.loads(again.stdout)[key], first[key])
        return words[:words.index("--ctx-size")]

    def test_args_name_what_the_engine_can_load(self):
        with Loopback(self.files) as hub:
            self.assertEqual(self.check_flags("hf:org/model:Q8_0", hub.address), ["--hf-repo", "org/model:Q8_0", "--no-mmproj"])
            self.assertEqual(self.check_flags("hf:org/model", hub.address), ["--hf-repo", "org/model", "--no-mmproj"])
        path = pathlib.Path(self.home.name, ".lmstudio", "models", "org", "model", "model-Q8_0.gguf")
        path.parent.mkdir(parents=True)
        path.write_bytes(self.model)
        self.assertEqual(self.check_flags("lmstudio:org/model"), ["--model", str(path)])
        self.assertEqual(self.check_flags(str(path.parent)), ["--model", str(path)])

    def test_the_projector_of_a_repository_is_named_and_counted(self):
        path = pathlib.Path(self.home.name, "eye")
        gguf_writer.write(path, {"general.architecture": "clip", "clip.has_vision_encoder": True}, [("mm.0.weight", (64, 64), "f16")])
        with Loopback({"mmproj-BF16.gguf": b"damaged", "mmproj-F16.gguf": path.read_bytes(), **self.files}) as hub:
            without = self.estimate("hf:org/model:Q8_0", hub.address)
            self.assertIn("mmproj-F16.gguf", json.dumps(without["notes"]))
            counted = self.estimate("hf:org/model:Q8_0", hub.address, "--mmproj-auto")
        alone = self.estimate(str(self.write("local.gguf", self.model)), "", "--mmproj", str(path))
        self.assertEqual(counted["memory"]["projector_bytes"], alone["memory"]["projector_bytes"])
        self.assertGreater(counted["memory"]["projector_bytes"], without["memory"]["projector_bytes"])
        with Loopback(self.files) as hub:
            result = self.run_program("estimate", "-m", "hf:org/model:Q8_0", "--mmproj-auto", hub=hub.address)
        self.assertEqual(result.returncode, 1)
        self.assertIn("no projector", result.stderr)

    def write(self, name, data):
        path = pathlib.Path(self.home.name, name)
        path.write_bytes(data)
        return path

    def test_what_goes_beside_a_model_is_none(self):
        home = pathlib.Path(self.home.name)
        gguf_writer.write(home / "eye.gguf", {"general.architecture": "clip", "clip.has_vision_encoder": True}, [("mm.0.weight", (64, 64), "f16")])
        gguf_writer.write(home / "adapter.gguf", {"general.architecture": "llama", "general.type": "adapter"},
                          [("blk.0.attn_q.weight.lora_a", (64, 8), "f32"), ("blk.0.attn_q.weight.lora_b", (8, 64), "f32")])
        (home / "model.gguf").write_bytes(self.model)
        for arguments, says in ((("-m", home / "eye.gguf"), "a projector"), (("-m", home / "adapter.gguf"), "an adapter"),
                                (("-m", home / "model.gguf", "-md", home / "eye.gguf"), "a projector")):
            result = self.run_program("estimate", *map(str, arguments))
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn(says, result.stderr)

    def test_models_of_other_programs_are_named_and_added(self):
        store = pathlib.Path(self.home.name, ".ollama", "models")
        manifest = store / "manifests" / "registry.ollama.ai" / "library" / "small" / "1b"
        manifest.parent.mkdir(parents=True)
        (store / "blobs").mkdir()
        manifest.write_text(json.dumps({"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + "a" * 64}]}))
        # The entry names no types, so it is compared at a type that the file has not been quantized to yet.
        (store / "blobs" / ("sha256-" + "a" * 64)).write_bytes(gguf_bytes(self.folder.name, "f16"))
        document = self.estimate("ollama:small:1b", "http://127.0.0.1:9", "--quant", "Q8_0")
        self.assertEqual(document["model"]["id"], "small:1b")
        self.added("ollama:small:1b", "small-1b", document)
        self.check_flags("ollama:small:1b")
        again = self.run_program("catalog", "add", "small-1b")
        self.assertEqual(again.returncode, 2)
        self.assertIn("already", again.stderr)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
