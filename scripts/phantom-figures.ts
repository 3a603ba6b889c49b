/**
 * Prints the figures of docs/phantoms.md as Markdown: how far single thresholds get on phantoms, and how phantoms
 * compare with real cases, side by side where CONSILIUM_BRATS names a BraTS folder.
 *
 *   npx tsx scripts/phantom-figures.ts [CASES [SEED [SPACING_MM]]]
 */
import {
  bestThresholdDice,
  loadCase,
  MODALITIES,
  makePhantom,
  scanDataset,
  spacingMmOf,
  type ThresholdCase,
  type Volume,
} from "../src/imaging/index.ts";

type Figures = Map<string, number>;
const PERCENTILES = [1, 5, 25, 50, 75, 95, 99];
const CLASSES = ["", "core", "oedema", "enhancing"];

const [cases = 40, seed = 1, spacingMm = 1] = process.argv.slice(2).map(Number);
const phantoms = Array.from({ length: cases }, (_, caseIndex) => {
  const { t1, t1ce, t2, flair, labelMap } = makePhantom({ seed, caseIndex, siteIndex: caseIndex, spacingMm });
  return { t1, t1ce, t2, flair, labelMap };
});
const real = process.env.CONSILIUM_BRATS === undefined ? [] : await readReal(process.env.CONSILIUM_BRATS);
printThresholds("phantoms", phantoms);
if (real.length > 0) printThresholds("real", real);
printTable(real.map(figuresOf), phantoms.map(figuresOf));

type Case = ThresholdCase & Readonly<Record<(typeof MODALITIES)[number] | "labelMap", Volume>>;

async function readReal(dir: string): Promise<Case[]> {
  const dataset = await scanDataset(dir);
  const found: Case[] = [];
  for (const files of dataset.cases) {
    const { channels, labelMap } = await loadCase(files, dataset.convention);
    const [t1, t1ce, t2, flair] = channels;
    if (labelMap !== undefined) found.push({ t1, t1ce, t2, flair, labelMap });
  }
  return found;
}

function printThresholds(name: string, set: readonly Case[]): void {
  const { pooled, perCase } = bestThresholdDice(set);
  const all = MODALITIES.map((modality) => `${modality} ${pooled[modality].toFixed(3)}`).join(", ");
  print(`Best threshold, ${set.length} ${name}: ${all}; each case its own best: mean ${perCase.mean.toFixed(3)}`);
}

/** Volumes in ml; medians of z-scores by class; percentiles of z-scores outside the tumour; steps between voxels. */
function figuresOf(one: Case): Figures {
  const figures: Figures = new Map();
  const labels = Uint8Array.from(one.labelMap.data);
  const voxelMl = spacingMmOf(one.labelMap.affineVoxelToRas).reduce((product, mm) => product * mm, 1) / 1000;
  const count = (wanted: (label: number) => boolean): number =>
    labels.reduce((sum, label) => sum + Number(wanted(label)), 0) * voxelMl;
  figures.set(
    "whole tumour, ml",
    count((label) => label > 0),
  );
  figures.set(
    "tumour core, ml",
    count((label) => label === 1 || label === 3),
  );
  figures.set(
    "enhancing, ml",
    count((label) => label === 3),
  );
  for (const modality of MODALITIES) {
    const { z, inside } = zScores(one[modality]);
    for (const label of [1, 2, 3]) {
      const values = z.filter((_, n) => labels[n] === label && inside[n] === 1).sort();
      if (values.length * voxelMl > 0.5) {
        figures.set(`${modality} ${CLASSES[label]}, median z`, values[values.length >> 1]);
      }
    }
    const healthy = z.filter((_, n) => labels[n] === 0 && inside[n] === 1).sort();
    for (const p of PERCENTILES) {
      figures.set(`${modality} elsewhere, z at ${p} %`, healthy[Math.floor((p / 100) * (healthy.length - 1))]);
    }
    for (const [axis, name] of ["x", "y", "z"].entries()) {
      figures.set(`${modality} step along ${name}`, meanStep(z, inside, one[modality].dims, axis));
    }
  }
  return figures;
}

function zScores({ data }: Volume): { z: Float32Array; inside: Uint8Array } {
  const inside = Uint8Array.from(data, (value) => Number(value !== 0));
  let [count, sum, squares] = [0, 0, 0];
  for (const value of data) {
    if (value === 0) continue;
    count++;
    sum += value;
    squares += value * value;
  }
  const mean = sum / count;
  const deviation = Math.sqrt(squares / count - mean * mean);
  return { z: Float32Array.from(data, (value) => (value === 0 ? 0 : (value - mean) / deviation)), inside };
}

/** Mean absolute difference between neighbours along an axis: how smooth the images are in each direction. */
function meanStep(z: Float32Array, inside: Uint8Array, dims: readonly number[], axis: number): number {
  const stride = axis === 0 ? 1 : axis === 1 ? dims[0] : dims[0] * dims[1];
  let sum = 0;
  let count = 0;
  for (let n = 0; n + stride < z.length; n++) {
    if (!inside[n] || !inside[n + stride]) continue;
    sum += Math.abs(z[n] - z[n + stride]);
    count++;
  }
  return sum / count;
}

function printTable(left: readonly Figures[], right: readonly Figures[]): void {
  print(`\n| | ${left.length} real cases | ${right.length} phantoms |\n| --- | --- | --- |`);
  for (const key of right.flatMap((figures) => [...figures.keys()]).filter((key, n, all) => all.indexOf(key) === n)) {
    print(`| ${key} | ${meanAndDeviation(left, key)} | ${meanAndDeviation(right, key)} |`);
  }
}

function meanAndDeviation(set: readonly Figures[], key: string): string {
  const values = set.map((figures) => figures.get(key)).filter((value) => value !== undefined);
  if (values.length === 0) return "-";
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  return `${mean.toFixed(2)} (${deviation.toFixed(2)})`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
