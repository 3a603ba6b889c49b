/**
 * What masks cost: a site's masked input and the coordinator's unmasking, beside the bare keystream of as many masks and
 * its way through memory, and, with --flower, beside Flower's SecAgg+ on the same work (bench/flower_secaggplus.py).
 *
 *   npx tsx bench/masking.ts --parameters 31 --sites 29 --dropped 9 --bits 64
 *   npx tsx bench/masking.ts --parameters 1 --bits 32 --flower python3
 *
 * Keys, shares and signatures are left out: for 29 sites they take milliseconds. Seconds are of the processor, so that a
 * busy machine does not lengthen them by what others take; it still shares caches and memory.
 */
import { execFileSync } from "node:child_process";
import { createCipheriv, randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createMaskedInput, createMaskedSum, type MaskTerm } from "../src/privacy/index.ts";

const { values } = parseArgs({
  options: {
    parameters: { type: "string", default: "31" },
    sites: { type: "string", default: "29" },
    dropped: { type: "string", default: "9" },
    bits: { type: "string", default: "64" },
    /** Sites that each one masks with, where not with all. */
    neighbours: { type: "string" },
    /** A Python that has flwr. */
    flower: { type: "string" },
    runs: { type: "string", default: "1" },
  },
});
const elements = Number(values.parameters) * 1e6;
const [sites, dropped, runs] = [Number(values.sites), Number(values.dropped), Number(values.runs)];
const neighbours = Number(values.neighbours ?? sites - 1);
const bits = values.bits === "32" ? 32 : 64;
const STRETCH = 1 << 18;
const survivors = sites - dropped;
/** A survivor's own mask, and what pairs of it with dropped neighbours are opened: as many as in a ring on average. */
const openMasks = survivors + Math.round((survivors * neighbours * dropped) / (sites - 1));

const term = (i: number): MaskTerm => ({
  seed: { kind: "maskSeed", bytes: new Uint8Array(randomBytes(32)) },
  sign: i % 2 === 0 ? 1 : -1,
});
const terms = (count: number): MaskTerm[] => Array.from({ length: count }, (_, i) => term(i));

/** Processor seconds. */
function timed(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** Every mask's keystream, written, and read into the words' place. */
function keystreamAlone(masks: number): void {
  const ciphers = Array.from({ length: masks }, () => createCipheriv("aes-256-ctr", randomBytes(32), randomBytes(16)));
  const zeros = new Uint8Array(1 << 17);
  const words = new Uint8Array(1 << 17);
  for (let at = 0; at < (elements * bits) / 8; at += zeros.length) {
    for (const cipher of ciphers) words.set(cipher.update(zeros));
  }
}

function maskedInput(): void {
  const coordinates = new Int32Array(STRETCH).fill(12345);
  const input = createMaskedInput(terms(neighbours + 1), { weight: 1, maxWeight: 1, bits });
  for (let at = 0; at < elements; at += STRETCH) {
    input.stretch(coordinates.subarray(0, Math.min(STRETCH, elements - at)));
  }
}

function unmask(): void {
  const sum = createMaskedSum(terms(openMasks), bits);
  const upload = new Uint8Array((STRETCH * bits) / 8);
  const into = new Float64Array(STRETCH);
  for (let at = 0; at < elements; at += STRETCH) {
    const length = Math.min(STRETCH, elements - at);
    const inputs = Array.from({ length: survivors }, () => upload.subarray(0, (length * bits) / 8));
    sum.stretch(inputs, into.subarray(0, length));
  }
}

interface FlowerSeconds {
  readonly site: number;
  readonly siteMasks: number;
  readonly coordinator: number;
  readonly coordinatorMasks: number;
  readonly version: string;
}

function flower(python: string): FlowerSeconds {
  const script = fileURLToPath(new URL("./flower_secaggplus.py", import.meta.url));
  const shares = String(neighbours + 1);
  const args = [script, String(elements), String(sites), String(dropped), shares];
  const text = execFileSync(python, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(text.trim().split("\n").at(-1) ?? "") as FlowerSeconds;
}

for (let run = 1; run <= runs; run++) {
  const site = timed(maskedInput);
  const siteFloor = timed(() => keystreamAlone(neighbours + 1));
  const coordinator = timed(unmask);
  const theirs = values.flower === undefined ? undefined : flower(values.flower);
  const beside = theirs && {
    flower: theirs,
    siteRatio: theirs.siteMasks / site,
    coordinatorRatio: theirs.coordinatorMasks / coordinator,
  };
  const work = { elements, sites, neighbours, dropped, bits, run };
  process.stdout.write(
    `${JSON.stringify({ ...work, site, siteFloor, ratio: site / siteFloor, coordinator, ...beside })}\n`,
  );
}
