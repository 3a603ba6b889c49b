/** The worker thread of intake: takes one case after another, with one atlas and one way to find brains. */
import { parentPort, workerData } from "node:worker_threads";
import { invariant } from "../base/index.ts";
import { classicalBrain } from "./align-case.ts";
import type { Atlas } from "./atlas.ts";
import { openBrainNetwork } from "./brain-network.ts";
import type { CaseRecord, CaseState } from "./case-record.ts";
import { type CaseOrder, runCase } from "./run-case.ts";

export interface IntakeSetup {
  readonly atlas: Atlas;
  readonly brainModel?: { readonly path: string; readonly spacingMm: number };
}

export type IntakeReply =
  | { readonly kind: "state"; readonly state: CaseState }
  | { readonly kind: "ended"; readonly record: CaseRecord };

const port = parentPort;
invariant(port !== null, "intake to run in a worker thread");
const { atlas, brainModel } = workerData as IntakeSetup;
const network = brainModel && openBrainNetwork(brainModel.path, brainModel.spacingMm, 1);
// A refusal is told by the first case that needs it.
network?.catch(() => undefined);

port.on("message", (order: CaseOrder) => {
  void (async () => {
    const findBrain =
      network === undefined
        ? classicalBrain
        : async (...given: Parameters<typeof classicalBrain>) => (await network).find(...given);
    const record = await runCase(order, { atlas, findBrain }, (state) =>
      port.postMessage({ kind: "state", state } satisfies IntakeReply),
    );
    port.postMessage({ kind: "ended", record } satisfies IntakeReply);
  })();
});
