/**
 * No identifier of a patient leaves a site or reaches its logs: they are planted in folder and file names and in
 * NIfTI headers, a whole federation runs over them with a failure that names one on the way, and everything that left,
 * was logged, told or stored at the coordinator is searched.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConsiliumError, createRandom } from "../base/index.ts";
import { openCoordinator } from "../coordinator/index.ts";
import { encodeNifti } from "../imaging/index.ts";
import type { CoordinatorLink } from "../protocol/index.ts";
import type { OpenWork } from "./engine.ts";
import { openSite, readSite, type Site } from "./home.ts";
import { registerDataset } from "./register-dataset.ts";
import { joinSites, newCoordinatorHome, submit } from "./testing/federation-suite.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

const SIDE = 8;
/** A name, a number and a date in each place that an identifier may come from. */
const PLANTED = ["Mustermann", "PID4711", "19570311", "Herzog", "Ward7B"] as const;
const CASE_NAME = (i: number): string => `Mustermann_PID4711-${i}_19570311`;
const NIFTI_TEXT = "Herzog 19570311";
const FOLDER = "Ward7B";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Bytes of the header's descrip and aux_file (NIfTI-1, offsets 148 and 228), db_name (14) and intent_name (328). */
function plantInHeader(nifti: Uint8Array): Uint8Array {
  const bytes = Buffer.from(gunzipSync(nifti));
  for (const [at, length] of [
    [148, 80],
    [228, 24],
    [14, 18],
    [328, 16],
  ]) {
    bytes.fill(0, at, at + length);
    bytes.write(NIFTI_TEXT.slice(0, length - 1), at, "latin1");
  }
  return new Uint8Array(gzipSync(bytes));
}

async function plantedDataset(siteId: string, cases: number): Promise<string> {
  const dataset = join(root, FOLDER, siteId);
  for (let c = 0; c < cases; c++) {
    const id = CASE_NAME(c);
    const random = createRandom("planted", siteId, c);
    await mkdir(join(dataset, id), { recursive: true });
    for (const role of ["t1", "t1ce", "t2", "flair", "seg"]) {
      const data =
        role === "seg"
          ? Uint8Array.from({ length: SIDE ** 3 }, () => [0, 1, 2, 4][random.integer(4)])
          : Float32Array.from({ length: SIDE ** 3 }, () => random.between(1, 100));
      const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
      const plain = encodeNifti({ dims: [SIDE, SIDE, SIDE], data, affineVoxelToRas });
      const bytes = plantInHeader(plain[0] === 0x1f ? plain : gzipSync(plain));
      await writeFile(join(dataset, id, `${id}_${role}.nii.gz`), bytes);
    }
  }
  return dataset;
}

/** An engine that fails as engines do, in words that name a case and its file. */
function failingOnce(): OpenWork {
  let failed = false;
  const work = tinyWork({
    onStep: (where, round) => {
      if (failed || where !== "train" || round !== 1) return;
      failed = true;
      throw new ConsiliumError("file-corrupt", {
        subject: `/data/${FOLDER}/${CASE_NAME(0)}_t1.nii.gz`,
        expected: "a scan",
        actual: NIFTI_TEXT,
        hint: `Look at ${CASE_NAME(0)}.`,
      });
    },
  });
  return work;
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function identifiersIn(bytes: Uint8Array | string): string[] {
  const text = (typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("latin1")).toLowerCase();
  return PLANTED.filter((each) => text.includes(each.toLowerCase()));
}

describe("identifiers of patients", () => {
  it.each([
    ["figures told site by site", {}],
    ["everything under masks", { metrics: "summed", privacy: { secureAggregation: { threshold: 2 } } }],
  ])("reach no message, object, log, journal or file of the coordinator, with %s", async (name, more) => {
    const folder = join(root, name.replaceAll(" ", "-"));
    await mkdir(folder);
    const home = await newCoordinatorHome(folder);
    const coordinator = await openCoordinator({ home });
    const joined = await joinSites(folder, coordinator, "memory");
    for (const { home: siteHome, siteId } of joined) {
      await rm(join(siteHome, "data.json"));
      await registerDataset({ home: siteHome, dataset: await plantedDataset(siteId, 6) });
    }
    await submit(coordinator, tinyStudy({ rounds: { count: 1 }, ...more }));
    const news: string[] = [];
    coordinator.onNews((each) => news.push(JSON.stringify(each)));
    const left: Uint8Array[] = [];
    const run = async ({ home: siteHome, siteId }: Site): Promise<void> => {
      const site = await openSite(siteHome);
      const link = linkOf(site, coordinator.service);
      const heard: CoordinatorLink = {
        ...link,
        exchange: (request) => {
          left.push(request.header, request.body);
          return link.exchange(request);
        },
        sendObject: async (transfer) => {
          left.push(await readFile(transfer.fromFile));
          return link.sendObject(transfer);
        },
      };
      const timing = { ...QUICK, pauseMs: 60 };
      const openWork = siteId === "a" ? failingOnce() : tinyWork();
      const outcome = await runTestSite({ site, link: heard, timing, openWork });
      expect(outcome.kind).toBe("done");
      await site.close();
    };
    await Promise.all(joined.map(run));
    await coordinator.close();
    expect(left.length).toBeGreaterThan(10);
    for (const bytes of left) expect(identifiersIn(bytes)).toEqual([]);
    for (const line of news) expect(identifiersIn(line)).toEqual([]);
    expect(news.some((line) => line.includes("file-corrupt"))).toBe(true);
    // SQLite's working files may be folded into the journal at any moment after it was closed; while there, they count.
    const isWorking = (file: string): boolean => /\.db-(shm|wal)$/.test(file);
    const contentOf = (file: string): Promise<Uint8Array> =>
      readFile(file).catch((error: unknown) => {
        if (isWorking(file)) return new Uint8Array();
        throw error;
      });
    for (const file of await filesBelow(home)) {
      expect([file, identifiersIn(file.slice(root.length)), identifiersIn(await contentOf(file))]).toEqual([
        file,
        [],
        [],
      ]);
    }
    for (const { home: siteHome } of joined) await expectQuietLogs(siteHome);
  });

  /** A site's log and ledger name no patient; its own documents do, and never leave. */
  async function expectQuietLogs(siteHome: string): Promise<void> {
    const files = await filesBelow(siteHome);
    const logs = files.filter((file) => /log|ledger/.test(file.slice(siteHome.length)));
    expect(logs.length).toBeGreaterThan(0);
    for (const file of logs) expect([file, identifiersIn(await readFile(file))]).toEqual([file, []]);
    const { store } = await readSite(siteHome);
    // The control: the search finds what was planted where it belongs, and in a scan of this dataset.
    expect(identifiersIn(JSON.stringify(await store.read("data")))).toEqual(
      expect.arrayContaining(["Mustermann", "PID4711", "19570311", "Ward7B"]),
    );
  }

  it("were planted in the headers of the scans", async () => {
    const dataset = await plantedDataset("control", 1);
    const scan = await readFile(join(dataset, CASE_NAME(0), `${CASE_NAME(0)}_t1.nii.gz`));
    expect(identifiersIn(gunzipSync(scan))).toEqual(["19570311", "Herzog"]);
  });
});
