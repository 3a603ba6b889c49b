/**
 * How soon a browser shows a case of 240 x 240 x 155 voxels, and the live dashboard of ten sites with 500 rounds, and how
 * long an interaction takes there: the tests of both screens in a real Chromium, failing over their bounds. For a machine
 * with nothing else to do.
 *
 *     npm run bench -- dashboard-times
 */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const TESTS = ["test/viewer.slow.test.ts", "test/dashboard-history.slow.test.ts"];

const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
const { status } = spawnSync(process.execPath, [vitest, "run", "--project", "slow", ...TESTS], {
  stdio: "inherit",
  env: { ...process.env, CONSILIUM_CHECK_TIMES: "1" },
});
process.exitCode = status ?? 1;
