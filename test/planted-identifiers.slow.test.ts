/**
 * `site start` with the real engine on cases that break after they were registered: neither what it says, nor what it
 * keeps as logs and activity, nor the coordinator's home names a patient.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { siteStart } from "../src/cli/commands/site-start.ts";
import { runCommandLine } from "../src/cli/run-command-line.ts";
import { networkOfStudy } from "../src/networks/index.ts";
import { approveStudy, registerDataset, reviewStudies } from "../src/site/index.ts";
import { joinSites, newCoordinatorHome, serveCoordinator } from "../src/site/testing/federation-suite.ts";
import { temporaryFolder } from "../src/site/testing/test-site.ts";
import { parseStudy } from "../src/study/index.ts";
import { networkParameters } from "../src/training/index.ts";
import { CASE_NAME, expectQuietHome, FOLDER, filesBelow, identifiersIn, plantedDataset } from "./planted.ts";

const CASES = 6;
const study = parseStudy({
  schema: "consilium.study/1",
  name: "broken",
  task: { spacingMm: 1 },
  network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
  training: { optimiser: { kind: "sgd", learningRate: 0.02 }, patch: [8, 8, 8], stepsPerRound: 3 },
  rounds: { count: 1 },
});

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Another data type, without a name, in the header's words. */
function unreadable(nifti: Uint8Array): Uint8Array {
  const bytes = Buffer.from(gunzipSync(nifti));
  bytes.writeInt16LE(7, 70);
  return gzipSync(bytes);
}

it.each([
  ["cut short", (file: string, bytes: Uint8Array) => writeFile(file, bytes.subarray(0, 300))],
  ["of an unknown data type", (file: string, bytes: Uint8Array) => writeFile(file, unreadable(bytes))],
  ["gone", (file: string) => rm(file)],
])("with scans %s", async (name, damage) => {
  const folder = join(root, name.replaceAll(" ", "-"));
  await mkdir(folder);
  const home = await newCoordinatorHome(folder);
  const served = await serveCoordinator(home);
  const [site] = await joinSites(folder, served.coordinator, "tls", { a: CASES });
  await rm(join(site.home, "data.json"));
  const dataset = await plantedDataset(join(folder, FOLDER), CASES, 16);
  await registerDataset({ home: site.home, dataset });
  for (let c = 0; c < CASES; c++) {
    const file = join(dataset, CASE_NAME(c), `${CASE_NAME(c)}_t1.nii.gz`);
    await damage(file, await readFile(file));
  }
  const network = networkOfStudy(study);
  await served.coordinator.submitStudy({ study, initialParameters: networkParameters(network) });
  await reviewStudies({ home: site.home, productVersion: "test" });
  await approveStudy({ home: site.home, productVersion: "test", study: study.name, decision: "approve" });

  let said = "";
  let stop: ((signal: NodeJS.Signals) => void) | undefined;
  const write = (text: string): void => {
    said += text;
    if (/attempt 2/.test(said)) stop?.("SIGTERM");
  };
  const program = { version: "test", summary: "", commands: [siteStart], groups: [] };
  await runCommandLine(program, ["site", "start", "--home", site.home], {
    launcher: "",
    writeOut: write,
    err: { write, isTerminal: false, columns: 80 },
    debug: true,
    onInterrupt(listener) {
      stop = listener;
      return () => undefined;
    },
  });
  await served.close();
  expect(said).toMatch(/case \d of this site's data/);
  expect([said, identifiersIn(said)]).toEqual([said, []]);
  await expectQuietHome(site.home);
  for (const file of await filesBelow(home)) {
    expect([file, identifiersIn(await readFile(file))]).toEqual([file, []]);
  }
});
