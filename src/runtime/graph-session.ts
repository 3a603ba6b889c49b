/**
 * Runs a graph on ONNX Runtime. Everything that the bits depend on is explicit: threads, optimisation level, order of
 * execution; threads do not spin, so that several processes can share the cores.
 *
 * `run` occupies the calling thread until it is done (the binding is synchronous): long work belongs in a worker.
 */
import { createRequire } from "node:module";
import { arch, cpus, platform } from "node:os";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { ConsiliumError, type Json, refuseTelemetry } from "../base/index.ts";
import { encodeOnnx, type Graph } from "../graph/index.ts";
import { type LoweringTable, loweringsDigest, SHIPPED_LOWERINGS } from "../training/index.ts";

export interface SessionOptions {
  readonly threads: number;
}

export interface FeedTensor {
  readonly dtype: "float32" | "uint8";
  readonly shape: readonly number[];
  /** Read during the run only. */
  readonly data: Float32Array | Uint8Array;
}

export interface GraphSession {
  /**
   * Float outputs by name; the arrays belong to the caller.
   * @param where what messages call the run, instead of the graph's name.
   */
  run(feeds: Readonly<Record<string, FeedTensor>>, where?: string): Promise<Record<string, Float32Array>>;
  close(): Promise<void>;
}

const GRAPH_OPTIMISATION = "all";

/** @throws ConsiliumError `graph-invalid` where the runtime refuses the graph, `out-of-memory`. */
export async function openGraphSession(graph: Graph, options: SessionOptions): Promise<GraphSession> {
  return openModelSession(encodeOnnx(graph), graph.name, options);
}

/** The same from ONNX bytes. */
export async function openModelSession(
  bytes: Uint8Array,
  subject: string,
  options: SessionOptions,
): Promise<GraphSession> {
  const session = await createRuntimeSession(bytes, subject, options);
  return graphSession(session, subject);
}

/** ONNX Runtime's own session, by the settings that every session here has. @param profilePrefix writes a profile. */
export async function createRuntimeSession(
  bytes: Uint8Array,
  subject: string,
  options: SessionOptions,
  profilePrefix?: string,
): Promise<InferenceSession> {
  refuseTelemetry();
  try {
    return await InferenceSession.create(bytes, {
      executionProviders: ["cpu"],
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: GRAPH_OPTIMISATION,
      // A pattern is one block for all values of a run, made beside the arena of the first run: nearly twice the memory.
      enableMemPattern: false,
      // what fails is told by the error that is thrown
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: "0" } } },
      ...(profilePrefix !== undefined && { enableProfiling: true, profileFilePrefix: profilePrefix }),
    });
  } catch (cause) {
    throw runtimeError(cause, subject, "a graph that ONNX Runtime accepts");
  }
}

export function graphSession(session: InferenceSession, subject: string): GraphSession {
  return {
    async run(feeds, where = subject) {
      const tensors: Record<string, OrtTensor> = {};
      for (const [name, { dtype, shape, data }] of Object.entries(feeds)) {
        tensors[name] = new OrtTensor(dtype, data as Float32Array, shape as number[]);
      }
      try {
        const results = await session.run(tensors);
        return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, tensor.data as Float32Array]));
      } catch (cause) {
        throw runtimeError(cause, where, "a run to its end");
      }
    },
    close: () => session.release(),
  };
}

function runtimeError(cause: unknown, subject: string, expected: string): ConsiliumError {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/alloc|memory/i.test(text)) {
    return new ConsiliumError("out-of-memory", {
      subject,
      expected: "enough memory",
      actual: memoryAsked(text),
      hint: "Take a smaller patch or batch, or a machine with more memory.",
      cause,
    });
  }
  return new ConsiliumError("graph-invalid", {
    subject,
    expected,
    actual: text.split("\n")[0].slice(0, 300),
    hint: "Please report the network that shows it.",
    cause,
  });
}

/** ONNX Runtime's message in a few words. */
function memoryAsked(text: string): string {
  const bytes = /buffer of size (\d+)/.exec(text)?.[1];
  if (bytes === undefined) return "less than it needs";
  const node = /Name:'([^']+)'/.exec(text)?.[1];
  return `less: ${Math.ceil(Number(bytes) / 2 ** 20)} MiB more were refused${node === undefined ? "" : ` to ${node}`}`;
}

/** What the bits of a result depend on beside its inputs (docs/ARCHITECTURE.md, "What makes bits equal"). */
export function runRecord(
  threads: number,
  lowerings: LoweringTable = SHIPPED_LOWERINGS,
): { readonly [key: string]: Json } {
  return {
    runtime: runtimeName(),
    provider: "cpu",
    graphOptimisation: GRAPH_OPTIMISATION,
    threads,
    lowerings: loweringsDigest(lowerings),
    platform: `${platform()}-${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
  };
}

/** "onnxruntime-node 1.30.0". */
export function runtimeName(): string {
  const require = createRequire(import.meta.url);
  const { version } = require("onnxruntime-node/package.json") as { version: string };
  return `onnxruntime-node ${version}`;
}
