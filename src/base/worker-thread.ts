/**
 * Starts a worker thread from wherever the product runs: from its bundle, where every `*.worker.ts` is an entry of
 * its own, or from the TypeScript sources in development and tests.
 */
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * @param from `import.meta.url` of the caller.
 * @param folder the source folder of the worker below src, such as "segmentation".
 * @param name file name without `.ts`, such as "engine.worker"; in sources it stands beside its caller.
 */
export function startWorkerThread(from: string, folder: string, name: string, options: WorkerOptions): Worker {
  if (from.endsWith(".ts")) {
    return new Worker(new URL(`./${name}.ts`, from), { ...options, execArgv: ["--import", "tsx", ...(options.execArgv ?? [])] });
  }
  const bundle = from.slice(0, from.lastIndexOf("/dist/") + "/dist/".length);
  return new Worker(new URL(`${folder}/${name}.js`, bundle), options);
}
