/**
 * Where the file of a worker thread lies, in a build and in sources alike. Sources and builds both keep every file
 * one folder below their root (`scripts/build.mjs` holds to it), so the way from here to a worker is the same from
 * this file as from whatever chunk it was bundled into.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { WorkerOptions } from "node:worker_threads";

export interface WorkerFile {
  readonly url: URL;
  /** To be spread into the options of `new Worker`: running from sources, the worker compiles TypeScript itself. */
  readonly options: Pick<WorkerOptions, "execArgv">;
}

/** @param name Path of the worker below src/ without its ending: `segmentation/local-work.worker`. */
export function workerFile(name: `${string}/${string}.worker`): WorkerFile {
  if (!import.meta.url.endsWith(".ts")) return { url: new URL(`../${name}.js`, import.meta.url), options: {} };
  const compiler = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  return { url: new URL(`../${name}.ts`, import.meta.url), options: { execArgv: ["--import", compiler] } };
}
