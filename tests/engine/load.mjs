// Loads GGUF files with the packaged engine and reports, as a line of JSON for each, what the engine says it
// holds and what the kernel says the process holds. The first line names the engine.
//
//   node [--expose-gc] load.mjs PACKAGE_FOLDER JOBS_JSON
//
// The classes below node-llama-cpp's own API are used because that API rounds contexts to its own taste;
// package.json pins the version whose classes these are.
import fs from "node:fs";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [packageFolder, jobText] = process.argv.slice(2);
const jobs = JSON.parse(jobText);
const log = [];

/** Only what is asked for later, so that the log of a large vocabulary does not count as the engine's memory. */
function remember(message) {
  if (/buffer size|error|failed|repack/i.test(message)) log.push(message);
}

function print(answer) {
  fs.writeSync(process.stdout.fd, JSON.stringify(answer) + "\n"); // Whole, even to a pipe that is then closed.
}

function entry() {
  return pathToFileURL(path.join(packageFolder, "node_modules/node-llama-cpp/dist/index.js")).href;
}

/** What the kernel counts for this process, in bytes, once the collector has let go of what it can. */
async function resident() {
  for (let round = 0; global.gc && round < 3; round++) {
    global.gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const rollup = fs.readFileSync("/proc/self/smaps_rollup", "utf8");
  const bytes = (name) => Number(rollup.match(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m"))[1]) * 1024;
  return {anonymous: bytes("Anonymous"), file_backed: bytes("Rss") - bytes("Anonymous")};
}

/** The resident part of one file's mapping, so that libraries do not count as weights. */
function mapped(file) {
  let inside = false;
  let bytes = 0;
  for (const line of fs.readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) inside = line.endsWith(file);
    const size = inside && line.match(/^Rss:\s+(\d+) kB$/);
    if (size) bytes += Number(size[1]) * 1024;
  }
  return bytes;
}

async function decode(context, tokens, positions) {
  const ids = Uint32Array.from({length: tokens}, (_, index) => 300 + index % 100);
  context.initBatch(tokens);
  context.addToBatch(0, positions, ids, Uint32Array.of(tokens - 1));
  await context.decodeBatch();
}

const {getLlama} = await import(entry());
const llama = await getLlama({
  gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: "debug",
  logger: (_level, message) => remember(message)
});
const start = await resident();

/** Leaves what the engine said since the last call. */
async function spoken() {
  await new Promise((resolve) => setTimeout(resolve, 5)); // Logs arrive in a later turn of the event loop.
  return log.splice(0);
}

async function load(job) {
  await spoken();
  const stages = {start};
  const model = new llama._bindings.AddonModel(job.model, {
    addonExports: llama._bindings, gpuLayers: 0, useMmap: job.mmap
  });
  if (!(await model.init())) return {error: "the engine refuses the model", log: await spoken()};
  stages.model = await resident();

  const context = new llama._bindings.AddonContext(model, {
    contextSize: job.context, batchSize: job.batch, sequences: job.sequences,
    flashAttention: job.flash_attention, kvCacheKeyType: job.cache_type, kvCacheValueType: job.cache_type,
    swaFullCache: job.swa_full, threads: 2
  });
  if (!(await context.init())) {
    await model.dispose();
    return {error: "the engine refuses the context", log: await spoken()};
  }
  stages.context = await resident();
  if (job.fill) {
    for (let position = 0; position < job.context - job.batch; position += job.batch)
      await decode(context, job.batch, position);
    await decode(context, job.batch - 1, job.context - job.batch);
    await decode(context, 1, job.context - 1);
    stages.filled = await resident();
  }
  const answer = {
    model_bytes: model.getMemoryBreakdown().cpuRam, context_bytes: context.getMemoryBreakdown().cpuRam,
    mapped_bytes: mapped(job.model), stages, log: await spoken()
  };
  await context.dispose();
  await model.dispose();
  return answer;
}

print({release: llama.llamaCppRelease.release, system: llama.systemInfo});
for (const job of jobs) print(await load(job));
process.exit(0);
