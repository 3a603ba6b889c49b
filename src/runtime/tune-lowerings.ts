/**
 * Measures a table of lowerings for this machine: every gradient of a convolution in a network's training step is timed
 * in each way that fits its shape, the ways taking turns, and the one with the least wall time is written down.
 *
 * Timed are the lowerings alone, not the step around them, where memory may be in a cache already; a table is worth
 * taking where a whole step with it is faster (`model profile --lowerings FILE`).
 */
import { cpus } from "node:os";
import { createRandom } from "../base/index.ts";
import { createGraphBuilder, elementCount, type Graph } from "../graph/index.ts";
import {
  buildTrainingStep,
  type ConvolutionShape,
  convInputGradient,
  convWeightGradient,
  type InputLowering,
  type Lowerings,
  type LoweringTable,
  SHIPPED_LOWERINGS,
  shapeKey,
  USUAL_LOWERINGS,
  type WeightLowering,
} from "../training/index.ts";
import {
  type FeedTensor,
  type GraphSession,
  openGraphSession,
  runtimeName,
  type SessionOptions,
} from "./graph-session.ts";

export interface TuneOptions extends SessionOptions {
  /** [N, C, ...] of each input that the table is to know. */
  readonly inputShapes: readonly (readonly number[])[];
  /** Turns of each lowering, after one that is not counted. */
  readonly runs: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface MeasuredGradient {
  readonly gradient: "input" | "weight";
  /** As tables name it. */
  readonly shape: string;
  /** Least wall time of each lowering, fastest first. */
  readonly ms: readonly { readonly lowering: string; readonly ms: number }[];
  /** What the table that ships takes. */
  readonly usual: string;
}

export interface TunedLowerings {
  readonly table: LoweringTable;
  readonly measured: readonly MeasuredGradient[];
}

/** One that is so many times slower than the best so far is not run again. */
const HOPELESS = 3;
const OPTIMISER = { kind: "sgd", learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 0 } as const;

type Task =
  | { readonly gradient: "input"; readonly shape: ConvolutionShape; readonly fitting: readonly InputLowering[] }
  | { readonly gradient: "weight"; readonly shape: ConvolutionShape; readonly fitting: readonly WeightLowering[] };

/** @throws ConsiliumError as `buildTrainingStep`; the signal's reason. */
export async function tuneLowerings(network: Graph, options: TuneOptions): Promise<TunedLowerings> {
  const tasks = [...tasksOf(network, options.inputShapes).values()].filter(({ fitting }) => fitting.length > 1);
  const measured: MeasuredGradient[] = [];
  const [byInput, byWeight]: [Record<string, InputLowering>, Record<string, WeightLowering>] = [{}, {}];
  for (const task of tasks) {
    options.signal?.throwIfAborted();
    const key = shapeKey(task.shape);
    const ms = await timesOf(task, options);
    const [{ lowering }] = ms;
    if (task.gradient === "input") byInput[key] = lowering as InputLowering;
    else byWeight[key] = lowering as WeightLowering;
    const usual =
      task.gradient === "input"
        ? USUAL_LOWERINGS.byInput(task.shape, task.fitting)
        : USUAL_LOWERINGS.byWeight(task.shape, task.fitting);
    measured.push({ gradient: task.gradient, shape: key, ms, usual });
    options.onProgress?.(measured.length, tasks.length);
  }
  const table: LoweringTable = {
    ...SHIPPED_LOWERINGS,
    measuredOn: `${cpus()[0]?.model.trim() ?? "unknown"}, ${options.threads} threads, ${runtimeName()}`,
    inputGradient: { ...SHIPPED_LOWERINGS.inputGradient, shapes: byInput },
    weightGradient: { ...SHIPPED_LOWERINGS.weightGradient, shapes: byWeight },
  };
  return { table, measured };
}

/** Every gradient that a step asks for, each shape once. */
function tasksOf(network: Graph, inputShapes: TuneOptions["inputShapes"]): Map<string, Task> {
  const tasks = new Map<string, Task>();
  const lowerings: Lowerings = {
    byInput(shape, fitting) {
      tasks.set(`input ${shapeKey(shape)}`, { gradient: "input", shape, fitting });
      return USUAL_LOWERINGS.byInput(shape, fitting);
    },
    byWeight(shape, fitting) {
      tasks.set(`weight ${shapeKey(shape)}`, { gradient: "weight", shape, fitting });
      return USUAL_LOWERINGS.byWeight(shape, fitting);
    },
  };
  for (const inputShape of inputShapes) buildTrainingStep(network, { inputShape, optimiser: OPTIMISER, lowerings });
  return tasks;
}

/** Least times, the lowerings taking turns. */
async function timesOf(task: Task, { threads, runs }: TuneOptions): Promise<{ lowering: string; ms: number }[]> {
  const random = createRandom("tune", shapeKey(task.shape));
  const other = task.gradient === "input" ? task.shape.weight : task.shape.input;
  const [dy, operand] = [task.shape.output, other].map(
    (shape): FeedTensor => ({
      dtype: "float32",
      shape,
      data: Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
    }),
  );
  const times: { lowering: string; ms: number; session: GraphSession }[] = [];
  for (const lowering of task.fitting) {
    const session = await openGraphSession(graphOf(task, lowering), { threads });
    times.push({ lowering, ms: Infinity, session });
  }
  for (let run = -1; run < runs; run++) {
    const best = Math.min(...times.map(({ ms }) => ms));
    for (const each of times) {
      if (each.ms !== Infinity && each.ms > HOPELESS * best) continue;
      const began = performance.now();
      await each.session.run({ dy, operand });
      const ms = performance.now() - began;
      if (run >= 0 || ms > HOPELESS * best) each.ms = Math.min(each.ms, ms);
    }
  }
  for (const { session } of times) await session.close();
  return times.map(({ lowering, ms }) => ({ lowering, ms })).sort((a, b) => a.ms - b.ms);
}

function graphOf({ gradient, shape }: Task, lowering: string): Graph {
  const b = createGraphBuilder(17);
  const dy = b.input("dy", "float32", shape.output);
  const operand = b.input("operand", "float32", gradient === "input" ? shape.weight : shape.input);
  const only: Lowerings = {
    byInput: () => lowering as InputLowering,
    byWeight: () => lowering as WeightLowering,
  };
  const result =
    gradient === "input"
      ? convInputGradient(b, dy, operand, shape, only)
      : convWeightGradient(b, operand, dy, shape, only);
  return b.build(`${lowering} of ${shapeKey(shape)}`, [result]);
}
