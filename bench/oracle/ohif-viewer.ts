/**
 * Opens a series, its DICOM Segmentation and its RT Structure Set in the OHIF viewer, in the Chromium of the tests, and
 * compares what the viewer holds with the label map as NIfTI. Nothing of it is a dependency of the product:
 *
 *     npm pack @ohif/app@3.13.2 && tar xzf ohif-app-3.13.2.tgz
 *     mkdir STUDY && npx tsx bench/oracle/ohif-study.ts STUDY
 *     npx tsx bench/oracle/ohif-viewer.ts package/dist STUDY/series STUDY/seg.dcm STUDY/rtstruct.dcm STUDY/labels.nii.gz STUDY
 *
 * Prints patient, references, segments with voxels, and structures with contours; writes ohif-seg.png and
 * ohif-rtstruct.png to the last folder. Ends with 1 where a reference or a voxel differs.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import type { Page } from "playwright-core";
import { type Affine, invertAffine, readNifti, type Volume } from "../../src/imaging/index.ts";
import { openBrowser } from "../../test/dashboard/browser.ts";

const PATIENCE_MS = 120_000;
const SETTLE_MS = 5000;
const CONFIG = `window.config = {
  routerBasename: "/", extensions: [], modes: [], customizationService: {}, showStudyList: true,
  maxNumberOfWebWorkers: 2, strictZSpacingForVolumeViewport: true,
  maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
  investigationalUseDialog: { option: "never" },
  defaultDataSourceName: "dicomlocal",
  dataSources: [{
    namespace: "@ohif/extension-default.dataSourcesModule.dicomlocal",
    sourceName: "dicomlocal",
    configuration: { friendlyName: "Files" },
  }],
};`;
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

/** The viewer's files on this machine's loopback, with a configuration that reads chosen files alone. */
function serveViewer(dist: string): Promise<Server> {
  const server = createServer((request, response) => {
    // A parsed URL holds no "..".
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
    const asked = join(dist, pathname);
    const found = statSync(asked, { throwIfNoEntry: false })?.isFile() ? asked : join(dist, "index.html");
    const config = pathname === "/app-config.js";
    response.setHeader("Content-Type", TYPES[extname(config ? pathname : found)] ?? "application/octet-stream");
    response.end(config ? CONFIG : readFileSync(found));
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

/** What is asked of the viewer's own services, which it hangs on its window. */
interface Held {
  readonly sets: readonly Record<"modality" | "patient" | "patientId" | "study" | "frame" | "series" | "of", string>[];
  readonly segmentations: readonly {
    id: string;
    segments: readonly { index: number; label: string; colour: string }[];
  }[];
  /** Of each slice: place of its first voxel, LPS, and every voxel's segment. */
  readonly slices: readonly { position: readonly number[]; values: readonly number[] }[];
  readonly contours: readonly { segmentation: string; segment: number; points: readonly (readonly number[])[] }[];
  readonly messages: readonly string[];
}

/** Runs in the page, so that it is text: the viewer's objects have no types here. */
const ASK = `(() => {
  const { displaySetService, segmentationService, viewportGridService } = window.services;
  const sets = displaySetService.getActiveDisplaySets();
  const viewport = viewportGridService.getActiveViewportId();
  const first = (name) => [name].flat()[0]?.Alphabetic ?? String(name);
  const colourOf = (id, index) => {
    try { return [...segmentationService.getSegmentColor(viewport, id, index)].slice(0, 3).map(Math.round).join(" "); }
    catch { return "not shown"; }
  };
  const segmentations = segmentationService.getSegmentations();
  const labelmaps = segmentations.flatMap(({ representationData }) => representationData.Labelmap?.imageIds ?? []);
  const contours = window.cornerstoneTools.annotation.state.getAllAnnotations();
  return {
    sets: sets.map((set) => ({
      modality: set.Modality, patient: first(set.instance.PatientName), patientId: set.instance.PatientID,
      study: set.StudyInstanceUID, frame: set.FrameOfReferenceUID, series: set.SeriesInstanceUID,
      of: set.referencedSeriesInstanceUID ?? "",
    })),
    messages: sets.flatMap(({ messages }) => (messages?.messages ?? []).map(String)),
    segmentations: segmentations.map(({ segmentationId: id, segments }) => ({
      id,
      segments: Object.values(segments).map(({ segmentIndex: index, label }) => ({ index, label, colour: colourOf(id, index) })),
    })),
    slices: labelmaps.map((id) => ({
      position: [...window.cornerstone.metaData.get("imagePlaneModule", id).imagePositionPatient],
      values: [...window.cornerstone.cache.getImage(id).voxelManager.getScalarData()],
    })),
    contours: contours.filter(({ data }) => data.segmentation !== undefined).map(({ data }) => ({
      segmentation: data.segmentation.segmentationId, segment: data.segmentation.segmentIndex,
      points: data.contour.polyline.map((point) => [...point]),
    })),
  };
})()`;

/** Opens the files in a viewer of their own, draws the object that the series number names, and goes to its third segment. */
async function load(page: Page, files: readonly string[], series: string, picture: string): Promise<Held> {
  page.setDefaultTimeout(PATIENCE_MS);
  await page.locator("input[type=file]").first().setInputFiles(files);
  await page.getByText(series, { exact: true }).waitFor();
  await page.waitForTimeout(SETTLE_MS);
  await page.getByText(series, { exact: true }).dblclick();
  await page.locator('[data-cy="yes-hydrate-btn"]').click();
  await page.waitForTimeout(SETTLE_MS);
  const panel = page.locator('[data-cy="panelSegmentation-btn"]');
  if (await panel.isVisible()) await panel.click();
  await page.evaluate(`(() => {
    const { segmentationService, viewportGridService } = window.services;
    const last = segmentationService.getSegmentations().at(-1);
    segmentationService.jumpToSegmentCenter(last.segmentationId, 3, viewportGridService.getActiveViewportId());
  })()`);
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: picture });
  return (await page.evaluate(ASK)) as Held;
}

const toVoxel = (m: Affine, [x, y, z]: readonly number[]): number[] =>
  [0, 4, 8].map((r) => -m[r] * x - m[r + 1] * y + m[r + 2] * z + m[r + 3]);

/** Voxels of the label map that the viewer's differ from, and how many it labels. */
function compareVoxels(
  { dims, data, affineVoxelToRas }: Volume,
  slices: Held["slices"],
): { held: number; differ: number } {
  const inverse = invertAffine(affineVoxelToRas);
  const area = dims[0] * dims[1];
  const own = new Uint8Array(data.length);
  for (const { position, values } of slices) {
    const k = Math.round(toVoxel(inverse, position)[2]);
    own.set(values.slice(0, area), k * area);
  }
  return {
    held: own.filter((value) => value > 0).length,
    differ: own.filter((value, i) => value !== classOf(data[i])).length,
  };
}

/** BraTS 2021 writes enhancing tumour as 4. */
const classOf = (label: number): number => (label === 4 ? 3 : label);

/** Voxels in which a structure's contours, filled by the even-odd rule, differ from its classes. */
function compareFilled(
  { dims: [nx, ny, nz], data, affineVoxelToRas }: Volume,
  contours: Held["contours"],
  classes: readonly number[],
): { filled: number; differ: number } {
  const inverse = invertAffine(affineVoxelToRas);
  const inside = new Uint8Array(nx * ny * nz);
  for (const { points } of contours) {
    const corners = points.map((point) => toVoxel(inverse, point));
    const k = Math.round(corners[0][2]);
    for (let j = 0; j < ny; j++) {
      const crossings = corners.flatMap(([x0, y0], i) => {
        const [x1, y1] = corners[(i + 1) % corners.length];
        return y0 > j === y1 > j ? [] : [x0 + ((x1 - x0) * (j - y0)) / (y1 - y0)];
      });
      for (let i = 0; i < nx; i++) inside[(k * ny + j) * nx + i] ^= crossings.filter((x) => x > i).length & 1;
    }
  }
  const differ = inside.filter((value, i) => value !== Number(classes.includes(classOf(data[i])))).length;
  return { filled: inside.filter((value) => value === 1).length, differ };
}

const REGIONS: Readonly<Record<string, readonly number[]>> = { WT: [1, 2, 3], TC: [1, 3], ET: [3] };

async function main(args: readonly string[]): Promise<number> {
  if (args.length !== 6) {
    console.error("Usage: npx tsx bench/oracle/ohif-viewer.ts DIST SERIES-DIR SEG RTSTRUCT LABELS OUT");
    return 2;
  }
  const [dist, series, segmentation, structures, labels, out] = args;
  const { volume } = await readNifti(labels);
  const server = await serveViewer(dist);
  const browser = await openBrowser();
  try {
    const files = [...readdirSync(series).map((name) => join(series, name)), segmentation, structures];
    const open = async (): Promise<Page> => {
      const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/localbasic`);
      return page;
    };
    const drawn = await load(await open(), files, "S:900", join(out, "ohif-seg.png"));
    const outlined = await load(await open(), files, "S:901", join(out, "ohif-rtstruct.png"));
    return report(volume, drawn, outlined);
  } finally {
    await browser.close();
    server.close();
  }
}

const say = (line: string): boolean => process.stdout.write(`${line}\n`);

function report(volume: Volume, drawn: Held, outlined: Held): number {
  let wrong = outlined.sets.length === 3 && drawn.segmentations.length === 1 ? 0 : 1;
  const scan = outlined.sets.find(({ modality }) => modality !== "SEG" && modality !== "RTSTRUCT");
  for (const set of outlined.sets) {
    const fits = (["patient", "patientId", "study", "frame"] as const).every((key) => set[key] === scan?.[key]);
    const refers = set === scan || set.of === scan?.series;
    if (!fits || !refers) wrong++;
    say(
      `${set.modality}: ${set.patient}, ${set.patientId}, frame ${set.frame}, of ${set.of || "itself"}: ${fits && refers ? "fits" : "DIFFERS"}`,
    );
  }
  for (const message of outlined.messages) say(`The viewer warns: ${message}`);
  const { held, differ } = compareVoxels(volume, drawn.slices);
  for (const { label, colour } of drawn.segmentations[0].segments) say(`Segment ${label}: colour ${colour}`);
  say(`Segmentation: ${drawn.slices.length} slices, ${held} labelled voxels, ${differ} differ from the label map`);
  const { id, segments } = outlined.segmentations[outlined.segmentations.length - 1];
  for (const { index, label, colour } of segments) {
    const contours = outlined.contours.filter((one) => one.segmentation === id && one.segment === index);
    const found = compareFilled(volume, contours, REGIONS[label] ?? []);
    say(
      `Structure ${label}: colour ${colour}, ${contours.length} contours, ${found.filled} voxels inside, ${found.differ} differ`,
    );
    wrong += found.differ;
  }
  return held === 0 || differ + wrong > 0 ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
