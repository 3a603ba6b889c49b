/**
 * No identifier of a patient leaves a site or reaches its logs: they are planted in folder and file names and in
 * NIfTI headers, a whole federation runs over them with a failure that names one on the way, and everything that left,
 * was logged, told or stored at the coordinator is searched.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConsiliumError } from "../src/base/index.ts";
import { openCoordinator } from "../src/coordinator/index.ts";
import type { CoordinatorLink } from "../src/protocol/index.ts";
import { type OpenWork, openSite, registerDataset, type Site } from "../src/site/index.ts";
import { joinSites, newCoordinatorHome, submit } from "../src/site/testing/federation-suite.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder, tinyStudy } from "../src/site/testing/test-site.ts";
import { tinyWork } from "../src/site/testing/tiny-work.ts";
import {
  CASE_NAME,
  expectQuietHome,
  FOLDER,
  filesBelow,
  heardTeller,
  identifiersIn,
  NIFTI_TEXT,
  plantedDataset,
} from "./planted.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

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
      await registerDataset({ home: siteHome, dataset: await plantedDataset(join(root, FOLDER, siteId), 6) });
    }
    await submit(coordinator, tinyStudy({ rounds: { count: 1 }, ...more }));
    const news: string[] = [];
    coordinator.onNews((each) => news.push(JSON.stringify(each)));
    const left: Uint8Array[] = [];
    const lines: string[] = [];
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
      const teller = await heardTeller(site);
      const outcome = await runTestSite({ site, link: heard, timing, openWork, onEvent: teller.onEvent });
      expect(outcome.kind).toBe("done");
      await teller.close();
      lines.push(...teller.lines);
      await site.close();
    };
    await Promise.all(joined.map(run));
    await coordinator.close();
    expect(left.length).toBeGreaterThan(10);
    for (const bytes of left) expect(identifiersIn(bytes)).toEqual([]);
    for (const line of news) expect(identifiersIn(line)).toEqual([]);
    for (const line of lines) expect(identifiersIn(line)).toEqual([]);
    expect(lines.join("\n")).toMatch(/\[file-corrupt\] case 1 of this site's data: expected a scan.*Look at case 1\./);
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
    for (const { home: siteHome } of joined) await expectQuietHome(siteHome);
  });

  it("were planted in the headers of the scans", async () => {
    const dataset = await plantedDataset(join(root, "control"), 1);
    const scan = await readFile(join(dataset, CASE_NAME(0), `${CASE_NAME(0)}_t1.nii.gz`));
    expect(identifiersIn(gunzipSync(scan))).toEqual(["19570311", "Herzog"]);
  });
});
