/**
 * Speed and memory of exact aggregation.
 *
 *   npx tsx bench/aggregation.ts [--sites 29] [--parameters 31000000] [--bits 24] [--dir DIR] [--json]
 *
 * Four measurements, over int32 coordinates of `sites` updates of `parameters` elements each:
 *   quantise   one site's update from two float32 models, in memory
 *   add        weighted integer sums from chunks in memory, as the coordinator adds them
 *   aggregate  a whole round from files to the new model, first trusting the store, then hashing every update again
 *   read+hash  the same files read and hashed in the same run without adding anything: by Node's SHA-256 (OpenSSL),
 *              and by the system's sha256sum, which need not use the processor's SHA instructions
 *
 * Aggregation runs in a process of its own, so that its peak memory is that of a coordinator and not of the bench.
 * Files lie in --dir (a temporary folder by default, removed at the end) and are read warm, from the page cache.
 */
import { execFileSync, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  aggregateRound,
  createExactSum,
  encodeUpdate,
  quantiseUpdate,
  type UpdateSource,
  updateScales,
} from "../src/aggregation/index.ts";
import { type Parameters, parameterLayout, parametersSha256 } from "../src/graph/index.ts";

const { values } = parseArgs({
  options: {
    sites: { type: "string", default: "29" },
    parameters: { type: "string", default: "31000000" },
    bits: { type: "string", default: "24" },
    dir: { type: "string" },
    json: { type: "boolean", default: false },
    "round-in": { type: "string" },
    hash: { type: "string", multiple: true },
  },
});
const [sites, elements, precisionBits] = [values.sites, values.parameters, values.bits].map(Number);
const TENSORS = 80;
const SYSTEM_HASH_TOOL = "sha256sum";
const CHUNK_ELEMENTS = 1 << 18;

interface RoundFigures {
  readonly seconds: number;
  /** Of the process before the model was made. */
  readonly emptyRssBytes: number;
  readonly peakRssBytes: number;
  readonly sha256: string;
}

if (values["round-in"] !== undefined) {
  process.send?.(await oneRound(values["round-in"], values.hash));
} else {
  const report = await measure();
  if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else print(report);
}

async function measure() {
  const bytes = 4 * elements * sites;
  const quantiseSeconds = timeQuantise();
  const addSeconds = timeAdd();
  const parent = await mkdtemp(join(values.dir ?? tmpdir(), "consilium-bench-"));
  try {
    await writeUpdates(parent);
    const files = Array.from({ length: sites }, (_, site) => updatePath(parent, site));
    const startedAt = performance.now();
    const digests = execFileSync(SYSTEM_HASH_TOOL, files, { encoding: "utf8", maxBuffer: 1 << 24 });
    const sha256sumSeconds = (performance.now() - startedAt) / 1000;
    const nodeHashSeconds = await timeNodeHash(files);
    const trusted = await roundInProcess(parent, []);
    const hashed = await roundInProcess(
      parent,
      digests
        .trim()
        .split("\n")
        .map((line) => line.slice(0, 64)),
    );
    if (trusted.sha256 !== hashed.sha256) throw new Error("two rounds over the same updates gave different models");
    return {
      sites,
      parameters: elements,
      precisionBits,
      updateBytes: bytes,
      modelBytes: 4 * elements,
      quantiseSeconds,
      addSeconds,
      aggregateSeconds: trusted.seconds,
      aggregateAndHashSeconds: hashed.seconds,
      nodeHashSeconds,
      sha256sumSeconds,
      emptyRssBytes: hashed.emptyRssBytes,
      peakRssBytes: hashed.peakRssBytes,
      modelsAboveEmpty: (hashed.peakRssBytes - hashed.emptyRssBytes) / (4 * elements),
      modelSha256: hashed.sha256,
    };
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

function print(report: Awaited<ReturnType<typeof measure>>): void {
  const row = (what: string, seconds: number, bytes: number): string =>
    `${what.padEnd(36)}${seconds.toFixed(2).padStart(8)} s${(bytes / seconds / 1e9).toFixed(2).padStart(8)} GB/s\n`;
  const { updateBytes } = report;
  process.stdout.write(
    `${sites} sites, ${elements} parameters, ${precisionBits} bits: ${(updateBytes / 1e9).toFixed(2)} GB of updates\n` +
      row("quantise one update", report.quantiseSeconds, report.modelBytes) +
      row("add chunks in memory", report.addSeconds, updateBytes) +
      row("aggregate from files", report.aggregateSeconds, updateBytes) +
      row("aggregate from files, hashing each", report.aggregateAndHashSeconds, updateBytes) +
      row("read and hash alone, Node", report.nodeHashSeconds, updateBytes) +
      row("read and hash alone, sha256sum", report.sha256sumSeconds, updateBytes) +
      `peak memory ${megabytes(report.peakRssBytes)} MB: ${report.modelsAboveEmpty.toFixed(2)} models of ` +
      `${megabytes(report.modelBytes)} MB above the ${megabytes(report.emptyRssBytes)} MB of the empty process\n`,
  );
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

async function timeNodeHash(files: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  for (const file of files) {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
    hash.digest();
  }
  return (performance.now() - startedAt) / 1000;
}

/** A model cut into tensors of growing size, as a U-Net's are, with weights of its usual spread. */
function syntheticModel(): Parameters {
  const shares = Array.from({ length: TENSORS }, (_, t) => (t + 1) ** 2);
  const all = shares.reduce((sum, share) => sum + share, 0);
  const lengths = shares.map((share) => Math.floor((elements * share) / all));
  lengths[TENSORS - 1] += elements - lengths.reduce((sum, length) => sum + length, 0);
  const name = (t: number): string => `tensor-${String(t).padStart(3, "0")}`;
  const layout = parameterLayout(new Map(lengths.map((length, t) => [name(t), [length]])));
  const next = createNoise(1);
  const data = new Float32Array(layout.length);
  for (let i = 0; i < data.length; i++) data[i] = next() * 2 ** -33;
  return { layout, data };
}

/** A fast generator of int32: this is data to add, not randomness to trust. */
function createNoise(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state;
  };
}

function timeQuantise(): number {
  const global = syntheticModel();
  const next = createNoise(2);
  const local = { layout: global.layout, data: global.data.map((value) => value + next() * 2 ** -41) };
  const startedAt = performance.now();
  quantiseUpdate(global, local, updateScales(global, precisionBits), precisionBits);
  return (performance.now() - startedAt) / 1000;
}

function timeAdd(): number {
  const updates = Array.from({ length: sites }, (_, site) => noisyCoordinates(CHUNK_ELEMENTS, site + 1));
  const sum = createExactSum(CHUNK_ELEMENTS, { precisionBits, maxTotalWeight: 100 * sites });
  const startedAt = performance.now();
  for (let start = 0; start < elements; start += CHUNK_ELEMENTS) {
    const length = Math.min(CHUNK_ELEMENTS, elements - start);
    sum.clear();
    for (const update of updates) sum.addChunk(0, update.subarray(0, length), 100);
  }
  return (performance.now() - startedAt) / 1000;
}

function noisyCoordinates(length: number, seed: number): Int32Array {
  const next = createNoise(seed);
  return new Int32Array(length).map(() => next() >> (32 - precisionBits + 4));
}

function updatePath(folder: string, site: number): string {
  return join(folder, `update-${site}`);
}

async function writeUpdates(folder: string): Promise<void> {
  for (let site = 0; site < sites; site++) {
    const file = await open(updatePath(folder, site), "w");
    for (let start = 0; start < elements; start += CHUNK_ELEMENTS) {
      const length = Math.min(CHUNK_ELEMENTS, elements - start);
      await file.write(encodeUpdate(noisyCoordinates(length, site * 1_000_003 + start + 1)));
    }
    await file.close();
  }
}

/** As the coordinator's object store reads. */
async function readStored(path: string, offset: number, into: Uint8Array): Promise<number> {
  const file = await open(path, "r");
  try {
    return (await file.read(into, 0, into.length, offset)).bytesRead;
  } finally {
    await file.close();
  }
}

function roundInProcess(folder: string, digests: readonly string[]): Promise<RoundFigures> {
  const settings = ["--sites", sites, "--parameters", elements, "--bits", precisionBits, "--round-in", folder];
  const child = fork(new URL(import.meta.url), [...settings.map(String), ...digests.flatMap((hex) => ["--hash", hex])]);
  return new Promise((resolve, reject) => {
    child.once("message", (figures) => resolve(figures as RoundFigures));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the aggregating process ended with ${code} and no figures`)));
  });
}

async function oneRound(folder: string, digests: readonly string[] | undefined): Promise<RoundFigures> {
  const emptyRssBytes = process.memoryUsage().rss;
  const global = syntheticModel();
  const updates = Array.from({ length: sites }, (_, site): UpdateSource => {
    const sha256 = digests?.[site];
    return {
      siteId: `site-${site}`,
      weight: 1 + ((site * 37) % 200),
      bytes: 4 * elements,
      ...(sha256 !== undefined && { sha256 }),
      read: (start, into) => readStored(updatePath(folder, site), start, into),
    };
  });
  const startedAt = performance.now();
  const { parameters } = await aggregateRound({ global, updates, precisionBits });
  const seconds = (performance.now() - startedAt) / 1000;
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  return { seconds, sha256: parametersSha256(parameters), emptyRssBytes, peakRssBytes };
}
