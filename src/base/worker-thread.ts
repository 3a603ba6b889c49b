/**
 * Starts a worker thread from wherever the product runs: from its build, where every `*.worker.ts` is an entry of
 * its own, or from the TypeScript sources in development and tests. In a build every file lies one folder below the
 * root, shared chunks too (`scripts/build.mjs` holds to it), so the way to a worker is the same from all of them.
 */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { refuseTelemetry } from "./no-telemetry.ts";

/**
 * @param from `import.meta.url` of the caller.
 * @param folder the source folder of the worker below src, such as "segmentation".
 * @param name file name without `.ts`, such as "engine.worker"; in sources it stands beside its caller.
 */
export function startWorkerThread(from: string, folder: string, name: string, options: WorkerOptions): Worker {
  refuseTelemetry();
  if (!from.endsWith(".ts")) return new Worker(new URL(`../${folder}/${name}.js`, from), options);
  // Node 20 gives a worker no loader of its parent's, so the worker registers one before it loads the source.
  const loader = pathToFileURL(createRequire(from).resolve("tsx/esm/api").replace(/cjs$/, "mjs")).href;
  const source = new URL(`./${name}.ts`, from).href;
  const start = `import(${JSON.stringify(loader)}).then(({ register }) => { register(); return import(${JSON.stringify(source)}); })`;
  return new Worker(start, { ...options, eval: true });
}
