/** Two projects: `fast` is what `npm test` runs; `slow` holds what takes more than some seconds (`*.slow.test.ts`). */
import { defineConfig } from "vitest/config";

/** A condition that is polled for comes sooner or later: how soon is the machine's affair. */
const POLLED_MS = { fast: 20_000, slow: 120_000 };
const everywhere = ["src/**/*.test.ts", "scripts/**/*.test.ts", "test/**/*.test.ts"];

export default defineConfig({
  test: {
    // One test file a core; engines inside the tests use one thread unless they say otherwise.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "fast",
          include: everywhere,
          exclude: ["**/*.slow.test.ts", "**/node_modules/**"],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: POLLED_MS.fast } },
        },
      },
      {
        test: {
          name: "slow",
          include: everywhere.map((glob) => glob.replace(".test.ts", ".slow.test.ts")),
          testTimeout: 15 * 60_000,
          hookTimeout: 5 * 60_000,
          expect: { poll: { timeout: POLLED_MS.slow } },
        },
      },
    ],
  },
});
