/** The runtime starts only in a process that was told to send nothing to its maker. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { refuseTelemetry } from "./no-telemetry.ts";

const loader = pathToFileURL(
  createRequire(import.meta.url)
    .resolve("tsx/esm/api")
    .replace(/cjs$/, "mjs"),
).href;
const source = new URL("./no-telemetry.ts", import.meta.url).href;
const IN_WORKER = `
const { parentPort } = require("node:worker_threads");
import(${JSON.stringify(loader)})
  .then(({ register }) => { register(); return import(${JSON.stringify(source)}); })
  .then(({ refuseTelemetry }) => { refuseTelemetry(); return "refused"; })
  .catch((error) => error.code)
  .then((said) => parentPort.postMessage(said));
`;

/** What a worker of somebody who uses the library gets, by the environment that it began with. */
function saidWith(env: NodeJS.ProcessEnv): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(IN_WORKER, { eval: true, env });
    worker.once("message", resolve).once("error", reject);
  });
}

it("is refused in the main thread, and in workers that begin afterwards", async () => {
  refuseTelemetry();
  expect(process.env.ORT_DISABLE_TELEMETRY).toBe("1");
  expect(await saidWith(process.env)).toBe("refused");
});

it("stops a worker that began before", async () => {
  const { ORT_DISABLE_TELEMETRY: _, ...before } = process.env;
  expect(await saidWith(before)).toBe("usage");
  expect(await saidWith({ ...before, ORT_DISABLE_TELEMETRY: "0" })).toBe("usage");
});
