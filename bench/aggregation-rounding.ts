/**
 * What writing updates down as integers costs: rounding error and clipped coordinates of a real training.
 *
 *   npx tsx bench/aggregation-rounding.ts --dataset DIR [--optimiser sgd:0.03] [--rounds 6] [--steps 16] [--sites 3]
 *     [--spacing 3] [--patch 32] [--json]
 *
 * Trains a U-Net federated over a BraTS folder (cases dealt out to sites in turn) and writes every update down at
 * several precisions and range floors beside the one in force. For each: coordinates clipped over all rounds, and the
 * error |mean of written updates - mean of updates| / |mean of updates| (Euclidean, whole model), the worst round's.
 * The second table shows how far tensors move in a round: the largest |change| by kind of tensor, beside what
 * its weights' size alone would have allowed.
 */
import { parseArgs } from "node:util";
import { coordinateLimit, quantiseUpdate, updateScales } from "../src/aggregation/index.ts";
import { type Parameters, parameterView } from "../src/graph/index.ts";
import { scanDataset } from "../src/imaging/index.ts";
import { networkOfStudy } from "../src/networks/index.ts";
import { openEnginePool } from "../src/segmentation/index.ts";
import { studySchema } from "../src/study/index.ts";
import { networkParameters } from "../src/training/index.ts";

const { values } = parseArgs({
  options: {
    dataset: { type: "string" },
    optimiser: { type: "string", default: "sgd:0.03" },
    rounds: { type: "string", default: "6" },
    steps: { type: "string", default: "16" },
    sites: { type: "string", default: "3" },
    spacing: { type: "string", default: "3" },
    patch: { type: "string", default: "32" },
    json: { type: "boolean", default: false },
  },
});
if (values.dataset === undefined) throw new Error("--dataset DIR is needed: a folder of BraTS cases with label maps");
const [rounds, steps, sites, spacingMm, patch] = [
  values.rounds,
  values.steps,
  values.sites,
  values.spacing,
  values.patch,
].map(Number);
const [kind, learningRate] = values.optimiser.split(":");
const PRECISIONS = [8, 12, 16, 20, 24, 28, 32];
const FLOORS = [64, 16, 4, 1, 2 ** -2, 2 ** -4];

interface Setting {
  readonly floor: number;
  readonly precisionBits: number;
  clipped: number;
  worstError: number;
}

const study = studySchema.parse({
  schema: "consilium.study/1",
  name: "rounding",
  task: { spacingMm },
  network: { kind: "unet3d", levels: 4, baseFeatures: 8 },
  training: {
    optimiser: { kind, learningRate: Number(learningRate) },
    patch: [patch, patch, patch],
    stepsPerRound: steps,
  },
  rounds: { count: rounds },
});
const settings = FLOORS.flatMap((floor) =>
  PRECISIONS.map((precisionBits): Setting => ({ floor, precisionBits, clipped: 0, worstError: 0 })),
);
const moved = new Map<string, { change: number; weight: number; beyondWeights: number; coordinates: number }>();
await train();
report();

async function train(): Promise<void> {
  const network = networkOfStudy(study);
  const { cases, convention } = await scanDataset(values.dataset ?? "");
  const pool = openEnginePool({ study, network, workers: 1 });
  const works = Array.from({ length: sites }, (_, s) => {
    const trainingCases = cases.filter((_files, i) => i % sites === s);
    const work = pool.forSite({ siteId: `site-${s}`, trainingCases, validationCases: [], convention });
    return { work, weight: trainingCases.length, state: null as Float32Array | null, stepsTaken: 0 };
  });
  let global = networkParameters(network);
  for (let round = 1; round <= rounds; round++) {
    const locals: Parameters[] = [];
    for (const [s, site] of works.entries()) {
      const request = { parameters: global.data.slice(), round, steps, siteId: `site-${s}` };
      const trained = await site.work.train({ ...request, optimiserState: site.state, stepsTaken: site.stepsTaken });
      site.state = trained.optimiserState;
      site.stepsTaken = trained.stepsTaken;
      locals.push({ layout: global.layout, data: trained.parameters });
      process.stderr.write(`round ${round} site ${s}: loss ${trained.meanLoss?.toFixed(3)}\n`);
    }
    const weights = works.map(({ weight }) => weight);
    for (const setting of settings) measure(setting, global, locals, weights);
    for (const local of locals) noteMovement(global, local);
    global = mean(global, locals, weights);
  }
  await pool.close();
}

/** The weighted mean of changes, exact to float64, added to the global model. */
function meanChange(
  global: Parameters,
  changes: readonly ArrayLike<number>[],
  weights: readonly number[],
): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const result = new Float64Array(global.layout.length);
  changes.forEach((change, s) => {
    for (let i = 0; i < result.length; i++) result[i] += (weights[s] / total) * change[i];
  });
  return result;
}

function changeOf(global: Parameters, local: Parameters): Float64Array {
  return Float64Array.from(local.data, (value, i) => value - global.data[i]);
}

function mean(global: Parameters, locals: readonly Parameters[], weights: readonly number[]): Parameters {
  const change = meanChange(
    global,
    locals.map((local) => changeOf(global, local)),
    weights,
  );
  return { layout: global.layout, data: Float32Array.from(global.data, (value, i) => value + change[i]) };
}

function measure(
  setting: Setting,
  global: Parameters,
  locals: readonly Parameters[],
  weights: readonly number[],
): void {
  const scales = scalesWithFloor(global, setting);
  const written = locals.map((local) => {
    const { coordinates, clipped } = quantiseUpdate(global, local, scales, setting.precisionBits);
    setting.clipped += clipped;
    const change = Float64Array.from(coordinates);
    global.layout.entries.forEach(({ offset, length }, t) => {
      for (let i = offset; i < offset + length; i++) change[i] *= scales[t];
    });
    return change;
  });
  const exact = meanChange(
    global,
    locals.map((local) => changeOf(global, local)),
    weights,
  );
  const actual = meanChange(global, written, weights);
  let error = 0;
  let size = 0;
  for (let i = 0; i < exact.length; i++) {
    error += (actual[i] - exact[i]) ** 2;
    size += exact[i] ** 2;
  }
  setting.worstError = Math.max(setting.worstError, Math.sqrt(error / size));
}

/** As `updateScales`, under another floor. */
function scalesWithFloor(global: Parameters, { floor, precisionBits }: Setting): Float64Array {
  return Float64Array.from(global.layout.entries, (entry) => {
    const largest = Math.max(floor, largestOf(parameterView(global, entry)));
    return 2 ** (Math.ceil(Math.log2(largest)) - (precisionBits - 1));
  });
}

function largestOf(numbers: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < numbers.length; i++) largest = Math.max(largest, Math.abs(numbers[i]));
  return largest;
}

function noteMovement(global: Parameters, local: Parameters): void {
  for (const entry of global.layout.entries) {
    const before = parameterView(global, entry);
    const changes = parameterView(local, entry).map((value, i) => value - before[i]);
    const weight = largestOf(before);
    const name = kindOf(entry.name, entry.shape);
    const noted = moved.get(name) ?? { change: 0, weight: 0, beyondWeights: 0, coordinates: 0 };
    noted.change = Math.max(noted.change, largestOf(changes));
    noted.weight = Math.max(noted.weight, weight);
    noted.beyondWeights += changes.filter((change) => Math.abs(change) > weight).length;
    noted.coordinates += changes.length;
    moved.set(name, noted);
  }
}

function kindOf(name: string, shape: readonly number[]): string {
  return shape.length > 1 ? "kernels" : (name.split(/[./]/).at(-1) ?? name);
}

function report(): void {
  const inForce = updateScales(networkParameters(networkOfStudy(study)), 24);
  const movement = [...moved].map(([tensors, figures]) => ({ tensors, ...figures }));
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({ optimiser: values.optimiser, rounds, steps, sites, settings, movement })}\n`,
    );
    return;
  }
  const smallestRange = Math.min(...inForce) * (coordinateLimit(24) + 1);
  process.stdout.write(
    `${values.optimiser}, ${rounds} rounds of ${steps} steps at ${sites} sites; floor in force ${smallestRange}\n`,
  );
  process.stdout.write(
    `${"floor".padEnd(12)}${PRECISIONS.map((bits) => `${bits} bits`.padStart(10)).join("")}   clipped\n`,
  );
  for (const floor of FLOORS) {
    const row = settings.filter((setting) => setting.floor === floor);
    const errors = row.map(({ worstError }) => worstError.toExponential(1).padStart(10)).join("");
    process.stdout.write(`${String(floor).padEnd(12)}${errors}   ${Math.max(...row.map(({ clipped }) => clipped))}\n`);
  }
  for (const { tensors, change, weight, beyondWeights, coordinates } of movement) {
    const line = `${tensors.padEnd(12)} largest change ${change.toPrecision(3)}, largest weight ${weight.toPrecision(3)}`;
    process.stdout.write(`${line}, changes beyond the weights' own size ${beyondWeights} of ${coordinates}\n`);
  }
}
