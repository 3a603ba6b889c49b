/**
 * What masks cost: a site's masked input and the coordinator's unmasking, beside the bare keystream of as many masks.
 *
 *   npx tsx bench/masking.ts --parameters 31 --sites 29 --dropped 9 --bits 64
 *
 * Keys, shares and signatures are left out: for 29 sites they take milliseconds.
 */
import { createCipheriv, randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { createMaskedInput, createMaskedSum, type MaskTerm } from "../src/privacy/index.ts";

const { values } = parseArgs({
  options: {
    parameters: { type: "string", default: "31" },
    sites: { type: "string", default: "29" },
    dropped: { type: "string", default: "9" },
    bits: { type: "string", default: "64" },
  },
});
const elements = Number(values.parameters) * 1e6;
const [sites, dropped] = [Number(values.sites), Number(values.dropped)];
const bits = values.bits === "32" ? 32 : 64;
const STRETCH = 1 << 18;

const term = (i: number): MaskTerm => ({
  seed: { kind: "maskSeed", bytes: new Uint8Array(randomBytes(32)) },
  sign: i % 2 === 0 ? 1 : -1,
});

function timed(name: string, masks: number, work: () => void): number {
  const startedMs = performance.now();
  work();
  const seconds = (performance.now() - startedMs) / 1000;
  const gigabytes = (masks * elements * bits) / 8e9;
  console.error(`${name}: ${seconds.toFixed(1)} s, ${masks} masks, ${(gigabytes / seconds).toFixed(2)} GB/s of mask`);
  return seconds;
}

function keystreamAlone(masks: number): void {
  const ciphers = Array.from({ length: masks }, () => createCipheriv("aes-256-ctr", randomBytes(32), randomBytes(16)));
  const zeros = new Uint8Array(1 << 17);
  for (let at = 0; at < (elements * bits) / 8; at += zeros.length) for (const cipher of ciphers) cipher.update(zeros);
}

const siteMasks = sites;
const coordinates = new Int32Array(STRETCH).fill(12345);
const site = timed("a site's masked input", siteMasks, () => {
  const layout = { weight: 67, maxWeight: 67, bits } as const;
  const input = createMaskedInput(
    Array.from({ length: siteMasks }, (_, i) => term(i)),
    layout,
  );
  for (let at = 0; at < elements; at += STRETCH)
    input.stretch(coordinates.subarray(0, Math.min(STRETCH, elements - at)));
});
const siteFloor = timed("its keystream alone", siteMasks, () => keystreamAlone(siteMasks));

const survivors = sites - dropped;
const openMasks = survivors * (1 + dropped);
const upload = new Uint8Array((STRETCH * bits) / 8);
const coordinator = timed("the coordinator's unmasking", openMasks, () => {
  const sum = createMaskedSum(
    Array.from({ length: openMasks }, (_, i) => term(i)),
    bits,
  );
  const into = new Float64Array(STRETCH);
  for (let at = 0; at < elements; at += STRETCH) {
    const length = Math.min(STRETCH, elements - at);
    const inputs = Array.from({ length: survivors }, () => upload.subarray(0, (length * bits) / 8));
    sum.stretch(inputs, into.subarray(0, length));
  }
});
process.stdout.write(
  `${JSON.stringify({ elements, sites, dropped, bits, site, siteFloor, ratio: site / siteFloor, coordinator })}\n`,
);
