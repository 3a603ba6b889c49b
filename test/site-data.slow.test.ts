/**
 * The console's screen of a site's data in a real Chromium, over what the commands left: DICOM taken in, a dataset with
 * a broken case and one that lies far from the others, drafts of a model and a corrected map. Phantoms only.
 */
import { copyFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readNifti, writeNifti } from "../src/imaging/index.ts";
import { openBrowser, type Visit, visit } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { foundWithOneSite, openProcesses, type Processes, says } from "./dashboard/processes.ts";
import { writePatient } from "./made/dicom-patients.ts";

const CASES = 9;
const STUDY = `schema: consilium.study/1
name: Drafts
task: { spacingMm: 4 }
network: { kind: unet3d, levels: 2, baseFeatures: 4 }
training: { optimiser: { kind: sgd, learningRate: 0.05 }, patch: [16, 16, 16], stepsPerRound: 2 }
rounds: { count: 1 }
`;

let processes: Processes;
let browser: Browser;
const visits: Visit[] = [];

async function open(...args: string[]): Promise<Page> {
  const opened = await visit(browser, await says(processes.start("site", "console", ...args), /http:\S+#sign-in=\S+/));
  visits.push(opened);
  opened.page.setDefaultTimeout(60_000);
  const link = opened.page.getByRole("navigation").getByRole("link", { name: "Data" });
  await link.click();
  await opened.page.getByRole("heading", { level: 1, name: "Data" }).waitFor();
  return opened.page;
}

function caseFile(id: string, role: string): string {
  return join(processes.folder, "data", id, `${id}_${role}.nii.gz`);
}

/** A patient whose brain is cut to less than a half, and who shines ten times as brightly in FLAIR. */
async function spoil(id: string): Promise<void> {
  for (const role of ["t1", "t1ce", "t2", "flair"]) {
    const { volume } = await readNifti(caseFile(id, role));
    const data = Float32Array.from(volume.data, (value, i) =>
      i < 0.6 * volume.data.length ? 0 : role === "flair" ? 10 * value : value,
    );
    await writeNifti(caseFile(id, role), { ...volume, data });
  }
}

beforeAll(async () => {
  processes = openProcesses("site-data");
  const { run, folder } = processes;
  await foundWithOneSite(processes, "Data");
  await run("cohort", "make", "--cases", String(CASES), "--out", "data", "--spacing", "4", "--seed", "1");
  browser = await openBrowser();
  writeFileSync(join(folder, "study.yaml"), STUDY);
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
});

test("data from nothing to a reviewed dataset, as the console shows it", async () => {
  const { run, folder } = processes;
  const first = await open("--home", "site");
  await first.getByText("No data is registered.", { exact: true }).waitFor();
  await first.getByText("consilium cohort check DATASET").waitFor();
  await checkScreen(first, "site-data-empty");

  for (const [index, without] of [
    [0, []],
    [1, ["t2"]],
  ] as const) {
    const patient = { index, without, patientId: `MRN-${index}`, study: `1.2.840.99.${index}` };
    await writePatient({ dir: join(folder, "DICOM", `patient-${index}`), ...patient });
  }
  await run("intake", "--from", "DICOM", "--out", "own", "--workers", "1").catch(() => undefined);
  await run("train", "--data", "data", "--study", "study.yaml", "--out", "run", "--quiet");
  const ids = Array.from({ length: CASES }, (_, i) => `Phantom_${String(i + 1).padStart(5, "0")}`);
  await run("review", "draft", "--data", "data", "--model", "run/model", "--review", "review", "--quiet");
  const inReview = (id: string, name: string): string => join(folder, "review", "cases", id, `${id}_${name}.nii.gz`);
  copyFileSync(caseFile(ids[0], "seg"), inReview(ids[0], "corrected"));
  await run("review", "return", "--review", "review");
  copyFileSync(caseFile(ids[1], "seg"), inReview(ids[1], "corrected"));
  truncateSync(caseFile(ids[2], "t2"), 100);
  await spoil(ids[3]);
  await run("site", "data", "--home", "site", "--dataset", "data", "--exclude-broken");

  const page = await open("--home", "site", "--intake", "own,data", "--review", "review");
  await page.getByRole("cell", { name: "nifti-corrupt" }).waitFor();
  await page.getByText(`${CASES - 1} of ${CASES} cases can be used`).waitFor();
  const far = page.getByRole("region", { name: "Cases far from the others" });
  expect(await far.getByRole("row").filter({ hasText: "brain, ml" }).textContent()).toContain(ids[3]);
  expect(await far.getByRole("row").filter({ hasText: "flair, median" }).textContent()).toContain(ids[3]);
  await page.getByText("Every case with its figures").click();
  await page.getByRole("row", { name: new RegExp(`^${ids[3]}.*worth a look`) }).waitFor();

  // The other folder is not of intake: it says so, and hides nothing.
  await page.getByRole("alert").getByText("a folder that `consilium intake` made").waitFor();
  await page.getByText("failed towards recognised").waitFor();
  await page.getByRole("alert").getByText("modality-missing").waitFor();
  await page.getByText("4 contact sheets").click();
  const pictures = page.locator(".sheets img");
  await expect.poll(() => pictures.count()).toBe(4);
  const widths = () =>
    pictures.evaluateAll((all) => all.map((each) => (each as unknown as { naturalWidth: number }).naturalWidth));
  await expect.poll(widths).toEqual([600, 600, 600, 600]);

  await page.getByText("a corrected map lies there: take it back").waitFor();
  await page.getByRole("row", { name: new RegExp(`^${ids[0]} DONE .*voxels changed: WT`) }).waitFor();
  await page.getByText("consilium review return --review").first().waitFor();
  await checkScreen(page, "site-data");

  const operator = JSON.parse(
    await run("site", "console", "--home", "site", "--link", "--role", "auditor", "--json"),
  ) as { url: string };
  const auditor = await visit(browser, operator.url);
  visits.push(auditor);
  expect(await auditor.page.getByRole("navigation").getByRole("link", { name: "Data" }).count()).toBe(0);

  rmSync(join(folder, "own", "intake", "sheets"), { recursive: true });
  await page.getByText("Read again").click();
  await expect.poll(() => page.getByText("contact sheets").count()).toBe(0);
  for (const { foreign, complaints } of visits) {
    expect(foreign).toEqual([]);
    expect(complaints).toEqual([]);
  }
});
