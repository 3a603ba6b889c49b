/**
 * Time of all figures of one case: Dice, HD95, sensitivity, specificity, surface distance, volumes, lesion-wise scores.
 *
 *   npx tsx bench/measure-case.ts [--runs 7] [--prediction FILE --reference FILE --labels brats2021] [--python PYTHON] [--json]
 *
 * Without files: two made cases of 240 x 240 x 155 voxels of 1 mm. `one-tumour` is a large tumour and a prediction
 * that differs at its border; `scattered` has twelve more lesions and forty false findings all over the brain, so that
 * no box is small. With --python (one that has the packages named in bench/oracle/measure_vectors.py) the same pair is
 * measured by MONAI, surface-distance and cc3d with SciPy, one after another, all on this machine in this run.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createRandom } from "../src/base/index.ts";
import { labelsToClasses, readNifti, spacingMmOf, type Triple } from "../src/imaging/index.ts";
import { measureLabelMaps } from "../src/segmentation/index.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "7" },
    prediction: { type: "string" },
    reference: { type: "string" },
    labels: { type: "string", default: "brats2021" },
    python: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const GRID: Triple = [240, 240, 155];
const REGIONS = { WT: [1, 2, 3], TC: [1, 3], ET: [3] };

interface Pair {
  readonly name: string;
  /** Classes 0 to 3. */
  readonly prediction: Uint8Array;
  readonly reference: Uint8Array;
  readonly dims: Triple;
  readonly spacingMm: Triple;
}

const report = [];
for (const pair of await pairs()) {
  const seconds = ours(pair);
  report.push({ case: pair.name, dims: pair.dims, consilium: seconds, ...(values.python && theirs(pair)) });
}
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else for (const { case: name, dims, ...seconds } of report) process.stdout.write(line(name, dims, seconds));

function line(name: string, dims: Triple, seconds: object): string {
  const figures = Object.entries(seconds).map(([who, value]) => `${who} ${Number(value).toFixed(2)} s`);
  return `${name.padEnd(14)}${dims.join(" x ").padEnd(16)}${figures.join(", ")}\n`;
}

async function pairs(): Promise<Pair[]> {
  if (values.prediction === undefined || values.reference === undefined) {
    return [madePair("one-tumour", 0, 0), madePair("scattered", 12, 40)];
  }
  const convention = values.labels === "brats2023" ? "brats2023" : "brats2021";
  const [prediction, reference] = await Promise.all(
    [values.prediction, values.reference].map(async (file) =>
      labelsToClasses((await readNifti(file)).volume, convention, file),
    ),
  );
  const { dims, affineVoxelToRas } = reference;
  const spacingMm = spacingMmOf(affineVoxelToRas);
  return [{ name: "files", prediction: prediction.data, reference: reference.data, dims, spacingMm }];
}

/** Seconds, the median of some runs after one that is not counted. */
function ours({ prediction, reference, dims, spacingMm }: Pair): number {
  const times: number[] = [];
  for (let run = 0; run <= Number(values.runs); run++) {
    const startedAt = performance.now();
    measureLabelMaps(prediction, reference, dims, spacingMm, REGIONS);
    if (run > 0) times.push((performance.now() - startedAt) / 1000);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

function theirs({ prediction, reference, dims, spacingMm }: Pair): Record<string, number> {
  const folder = mkdtempSync(join(tmpdir(), "consilium-bench-"));
  try {
    const [job, first, second] = ["job.json", "prediction", "reference"].map((name) => join(folder, name));
    writeFileSync(first, prediction);
    writeFileSync(second, reference);
    writeFileSync(
      job,
      JSON.stringify({ dims, spacingMm, convention: "brats2023", prediction: first, reference: second }),
    );
    const script = fileURLToPath(new URL("oracle/measure_vectors.py", import.meta.url));
    const answer = execFileSync(values.python as string, ["-W", "ignore", script, "time", job], { encoding: "utf8" });
    return JSON.parse(answer) as Record<string, number>;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

type Blob = readonly [x: number, y: number, z: number, radius: number];

function madePair(name: string, lesions: number, falseFindings: number): Pair {
  const random = createRandom("bench", "measure-case", name);
  const somewhere = (least: number, most: number): Blob => [
    random.between(50, 190),
    random.between(40, 200),
    random.between(25, 130),
    random.between(least, most),
  ];
  const tumour: Blob = [95, 130, 80, 34];
  const true_ = [tumour, ...Array.from({ length: lesions }, () => somewhere(3, 9))];
  const seen = true_
    .filter((_, i) => i === 0 || i % 4 > 0)
    .map(([x, y, z, r]): Blob => [x + 1, y - 1, z + 1, r * 0.96]);
  const false_ = Array.from({ length: falseFindings }, () => somewhere(1, 4));
  const [reference, prediction] = [drawn(true_, 0), drawn([...seen, ...false_], 1)];
  return { name, prediction, reference, dims: GRID, spacingMm: [1, 1, 1] };
}

/** Balls with a wavy border: oedema around, enhancing rim, necrotic core. */
function drawn(blobs: readonly Blob[], phase: number): Uint8Array {
  const [nx, ny, nz] = GRID;
  const map = new Uint8Array(nx * ny * nz);
  for (const [cx, cy, cz, radius] of blobs) {
    const reach = Math.ceil(radius * 1.3);
    const from = [cx, cy, cz].map((c) => Math.max(0, Math.floor(c) - reach));
    const to = [cx, cy, cz].map((c, axis) => Math.min(GRID[axis], Math.floor(c) + reach + 1));
    for (let z = from[2]; z < to[2]; z++) {
      for (let y = from[1]; y < to[1]; y++) {
        for (let x = from[0]; x < to[0]; x++) {
          const wave = 1 + 0.12 * Math.sin(x / 3 + phase) * Math.cos(y / 4) * Math.sin(z / 3 + 1);
          const r = Math.hypot(x - cx, y - cy, z - cz) / (radius * wave);
          if (r < 1) map[(z * ny + y) * nx + x] = r < 0.4 ? 1 : r < 0.65 ? 3 : 2;
        }
      }
    }
  }
  return map;
}
