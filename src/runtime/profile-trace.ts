/**
 * Reads the trace that ONNX Runtime's profiler writes (Chrome's trace event format): one event for each node of each
 * run, with its operator, the shapes it saw and how long its kernel took.
 */
import { ConsiliumError } from "../base/index.ts";

/** One node of one run. */
export interface TraceNode {
  /** As ONNX Runtime ran it: optimisation renames and merges, such as FusedConv. */
  readonly operator: string;
  readonly node: string;
  readonly microseconds: number;
  readonly inputs: readonly (readonly number[])[];
  readonly outputs: readonly (readonly number[])[];
  readonly outputBytes: number;
}

export interface TraceRun {
  readonly microseconds: number;
  readonly nodes: readonly TraceNode[];
}

interface TraceEvent {
  readonly cat?: string;
  readonly name?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, unknown>>;
}

const KERNEL = "_kernel_time";

/** @returns runs in their order. @throws ConsiliumError `file-corrupt` for what is no such trace. */
export function readTrace(text: string): readonly TraceRun[] {
  const events = eventsOf(text);
  const runs = events.filter(({ cat, name }) => cat === "Session" && name === "model_run").sort(byStart);
  const kernels = events.filter(({ cat, name }) => cat === "Node" && name?.endsWith(KERNEL)).sort(byStart);
  return runs.map((run) => {
    const [from, to] = [run.ts ?? 0, (run.ts ?? 0) + (run.dur ?? 0)];
    const within = kernels.filter(({ ts = -1 }) => ts >= from && ts <= to);
    return { microseconds: run.dur ?? 0, nodes: within.map(nodeOf) };
  });
}

function eventsOf(text: string): readonly TraceEvent[] {
  try {
    const events: unknown = JSON.parse(text);
    if (Array.isArray(events)) return events as TraceEvent[];
  } catch {
    // told below
  }
  throw new ConsiliumError("file-corrupt", {
    subject: "ONNX Runtime's profile",
    expected: "a list of trace events",
    actual: "something else",
    hint: "Give it a disk with room for some megabytes.",
  });
}

function byStart(a: TraceEvent, b: TraceEvent): number {
  return (a.ts ?? 0) - (b.ts ?? 0);
}

function nodeOf({ name = "", dur = 0, args = {} }: TraceEvent): TraceNode {
  return {
    operator: typeof args.op_name === "string" ? args.op_name : "unknown",
    node: name.slice(0, -KERNEL.length),
    microseconds: dur,
    inputs: shapesOf(args.input_type_shape),
    outputs: shapesOf(args.output_type_shape),
    outputBytes: Number(args.output_size ?? 0),
  };
}

/** From [{"float": [1, 4]}, ...]. */
function shapesOf(value: unknown): readonly (readonly number[])[] {
  if (!Array.isArray(value)) return [];
  return value.map((entry: Readonly<Record<string, unknown>>) => {
    const [shape] = Object.values(entry ?? {});
    return Array.isArray(shape) ? shape.map(Number) : [];
  });
}

/** Multiply-adds of a node that ONNX Runtime may have merged; 0 for operators that work element by element. */
export function traceMultiplyAdds({ operator, inputs, outputs }: TraceNode): number {
  const size = (shape: readonly number[] = []): number => shape.reduce((product, side) => product * side, 1);
  const name = operator.replace(/^(Nchwc|Fused)/, "");
  if (name === "Conv") return size(outputs[0]) * size(inputs[1]?.slice(1));
  if (name === "ConvTranspose") return size(inputs[0]) * size(inputs[1]?.slice(1));
  if (name === "MatMul" || name === "Gemm") {
    // one operand holds rows times shared, the other shared times columns, the result rows times columns, in each of a batch
    const [rows, columns] = (outputs[0] ?? []).slice(-2);
    const batch = size(outputs[0]?.slice(0, -2));
    const left = size(inputs[0]) / Math.max(1, size(inputs[0]?.slice(0, -2)));
    return batch * columns * left * (rows === 0 ? 0 : 1);
  }
  return 0;
}
