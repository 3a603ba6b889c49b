/** The thread that outlines one case for the viewer: the console goes on answering meanwhile, and memory goes back. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { ConsiliumError, type ErrorCode, invariant } from "../base/index.ts";
import { type CaseFiles, type LabelConvention, writeLabelMap } from "../imaging/index.ts";
import { openSegmenter, readModelFolder } from "../segmentation/index.ts";

export interface PredictOrder {
  readonly modelDir: string;
  readonly files: CaseFiles;
  readonly convention: LabelConvention;
  readonly out: string;
  readonly threads: number;
}

export type PredictReply =
  | { readonly kind: "progress"; readonly done: number; readonly total: number }
  | { readonly kind: "done" }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly error: Readonly<Record<"subject" | "expected" | "actual" | "hint", string>>;
    };

const port = parentPort;
invariant(port !== null, "outlining to run in a worker thread");
const tell = (reply: PredictReply): void => port.postMessage(reply);

async function outline({ modelDir, files, convention, out, threads }: PredictOrder): Promise<void> {
  const segmenter = await openSegmenter([await readModelFolder(modelDir)], { threads });
  try {
    const { labelMap: _, ...scans } = files;
    const { labelMap } = await segmenter.segment(scans, convention, (done, total) =>
      tell({ kind: "progress", done, total }),
    );
    await mkdir(dirname(out), { recursive: true });
    await writeLabelMap(out, labelMap, convention);
  } finally {
    await segmenter.close();
  }
}

outline(workerData as PredictOrder).then(
  () => tell({ kind: "done" }),
  (error: unknown) => {
    if (!(error instanceof ConsiliumError)) throw error;
    const { code, subject, expected, actual, hint } = error;
    tell({ kind: "failed", code, error: { subject, expected, actual, hint } });
  },
);
