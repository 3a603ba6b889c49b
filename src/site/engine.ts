/** The site's engine: opened for a study when work first needs it, kept while the study lasts, closed with the site. */
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import type { LocalWork, SiteData } from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";

export interface OpenWorkRequest {
  readonly study: Study;
  readonly data: SiteData;
  /** The study's ONNX model, where its network is a file: a path in the site's home, its hash verified. */
  readonly networkFile?: string;
}

/** Opens the engine that trains and evaluates; the product's is `openLocalWork`, tests bring a small one. */
export type OpenWork = (request: OpenWorkRequest) => Promise<LocalWork>;

export interface Engine {
  for(studyHash: Sha256, request: OpenWorkRequest): Promise<LocalWork>;
  /** Stops whatever runs; the next `for` opens a new one. */
  drop(): Promise<void>;
}

export function createEngine(open: OpenWork): Engine {
  let current: { readonly studyHash: Sha256; readonly work: Promise<LocalWork> } | undefined;
  async function drop(): Promise<void> {
    const leaving = current;
    current = undefined;
    const work = await leaving?.work.catch(() => undefined);
    await work?.close();
  }
  return {
    async for(studyHash, request) {
      if (current !== undefined && current.studyHash !== studyHash) await drop();
      current ??= { studyHash, work: told(() => open(request)).then(guarded) };
      const opened = current;
      try {
        return await opened.work;
      } catch (error) {
        if (current === opened) current = undefined;
        throw error;
      }
    },
    drop,
  };
}

/** The same engine, whose every error is one of the product's: what is no defect of the site's loop must not end it. */
function guarded(work: LocalWork): LocalWork {
  return {
    train: (request, onProgress) => told(() => work.train(request, onProgress)),
    finishWithin: (ms) => work.finishWithin(ms),
    evaluate: (request, onProgress) => told(() => work.evaluate(request, onProgress)),
    tally: (onProgress) => told(() => work.tally(onProgress)),
    close: () => work.close(),
  };
}

async function told<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof ConsiliumError) throw cause;
    throw new ConsiliumError("internal", {
      subject: "the site's engine",
      expected: "work that ends well",
      actual: cause instanceof Error ? cause.message : String(cause),
      hint: "This is a defect: please report it with what this site's operator sees.",
      cause,
    });
  }
}
