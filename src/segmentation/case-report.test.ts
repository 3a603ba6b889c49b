import { expect, test } from "vitest";
import type { Volume } from "../imaging/index.ts";
import { studySchema } from "../study/index.ts";
import { renderCaseReport } from "./case-report.ts";
import { makeCard } from "./model-card.ts";
import type { Model } from "./model-folder.ts";
import type { Segmentation } from "./segment-case.ts";

const study = studySchema.parse({
  schema: "consilium.study/1",
  name: "Model <one>",
  task: { mayMiss: ["t2"] },
  network: { kind: "unet3d" },
  training: { optimiser: { kind: "sgd", learningRate: 0.1 }, patch: [8, 8, 8], stepsPerRound: 1 },
  rounds: { count: 1 },
});
const lineage = { kind: "one institution", studyHash: null, which: "model", parent: null } as const;
const evaluation = { on: "nothing", figures: null } as const;
const model = {
  description: {
    schema: "consilium.model/3",
    modelSha256: "ab".repeat(32),
    name: study.name,
    study,
    card: makeCard(study, { sites: [], round: 1, gradientSteps: 1, evaluation, lineage }),
    files: { "model.onnx": "", "weights.safetensors": "", "card.md": "" },
    federationId: null,
  },
  signer: null,
} as unknown as Model;

const affineVoxelToRas = [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const dims = [6, 5, 4] as const;
const channel: Volume<Float32Array> = { dims, data: new Float32Array(120).fill(7), affineVoxelToRas };

function segmentation(ml: number, more: Partial<Segmentation> = {}): Segmentation {
  const labelMap = { dims, data: new Uint8Array(120).fill(0), affineVoxelToRas };
  return {
    labelMap,
    volumesMl: { WT: ml, TC: 0, ET: 0 },
    spread: null,
    opinions: 1,
    missing: [],
    scan: { id: "X", modalities: ["t1", "flair"], channels: [channel, channel] },
    ...more,
  };
}

const render = (about: Segmentation, caseId = "X"): string =>
  renderCaseReport({ caseId, segmentation: about, models: [model], productVersion: "1", madeAtMs: 0 });

test("the intended use stands before anything else, and names are shown as text", () => {
  const page = render(segmentation(3), '<script>"case"</script>');
  expect(page.indexOf("For research only")).toBeLessThan(page.indexOf("<h2>"));
  expect(page).not.toContain("<script>");
  expect(page).toContain("Model &lt;one&gt;");
  expect(page.match(/<img /g)).toHaveLength(6);
  expect(page).not.toMatch(/(src|href)="(?!data:)/);
});

test("an uncertainty is told where there is one, and never claimed where there is none", () => {
  expect(render(segmentation(3))).toContain("not estimated");
  const spread = { deviationMl: 1.25, leastMl: 2, mostMl: 4 };
  const page = render(segmentation(3, { opinions: 8, spread: { WT: spread, TC: spread, ET: spread } }));
  expect(page).toContain("± 1.3");
  expect(page).toContain("2.0 to 4.0");
  expect(page).not.toContain("not estimated");
});

test("a missing scan and a tumour that was not found are said", () => {
  expect(render(segmentation(3, { missing: ["t2"] }))).toContain("The case has no T2.");
  expect(render(segmentation(0))).toContain("found no tumour. That does not show that there is none.");
  expect(render(segmentation(3))).not.toContain('class="note"');
});
