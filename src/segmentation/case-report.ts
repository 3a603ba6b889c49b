/**
 * One page about one segmented case, as an HTML file that needs nothing else and prints on a sheet of A4: what it is
 * for, the volumes with their uncertainty, three views with outlines, and where the outlines come from.
 *
 * Invariant: of the patient it holds pictures and the case's own name, nothing else; the intended use stands on top.
 */
import { escapeHtml, scrollingTable } from "../base/index.ts";
import { encodePng, type Modality } from "../imaging/index.ts";
import { CLASS_COLOURS } from "./case-picture.ts";
import { drawCaseViews, type ViewName } from "./case-views.ts";
import type { Model } from "./model-folder.ts";
import type { Segmentation } from "./segment-case.ts";

export interface CaseReportInput {
  readonly caseId: string;
  readonly segmentation: Segmentation;
  readonly models: readonly Model[];
  readonly productVersion: string;
  /** When it was made, for the reader. */
  readonly madeAtMs: number;
}

const NAMES: Readonly<Record<Modality, string>> = { t1: "T1", t1ce: "T1 with contrast", t2: "T2", flair: "FLAIR" };
/** Shown, as far as the case has them: where enhancement shows, then where oedema does. */
const SHOWN: readonly Modality[] = ["t1ce", "flair", "t2", "t1"];
const ROWS = 2;

const SIDES: Readonly<Record<ViewName, readonly [string, string]>> = {
  axial: ["R", "L"],
  coronal: ["R", "L"],
  sagittal: ["A", "P"],
};

export function renderCaseReport(input: CaseReportInput): string {
  const { caseId, segmentation, models } = input;
  const { task } = models[0].description.study;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(caseId)}: tumour outlined by a model</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(caseId)}</h1>
<p class="use"><strong>For research only.</strong> Not a medical device: not for diagnosis, treatment, or any decision about a patient. The outlines were drawn by a model and checked by nobody.</p>
${notes(segmentation)}
<h2>Volumes</h2>
${volumes(segmentation, task)}
<h2>Three views</h2>
${views(segmentation)}
<p class="legend">${legend(task.labels)}</p>
<h2>Where the outlines come from</h2>
${origin(input)}
</main>
</body>
</html>
`;
}

function notes({ missing, volumesMl }: Segmentation): string {
  const notes = [
    ...(missing.length === 0
      ? []
      : [
          `The case has no ${missing.map((modality) => NAMES[modality]).join(", no ")}. The model was trained for that, but expect less of its outlines.`,
        ]),
    ...(Object.values(volumesMl).every((ml) => ml === 0)
      ? ["The model found no tumour. That does not show that there is none."]
      : []),
  ];
  return notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join("\n");
}

function volumes({ volumesMl, spread, opinions }: Segmentation, task: Model["description"]["study"]["task"]): string {
  const rows = Object.entries(volumesMl).map(([region, ml]) => {
    const own = spread?.[region];
    return [
      region,
      task.regions[region].map((k) => spaced(task.labels[k])).join(", "),
      ml.toFixed(1),
      own === undefined ? "not estimated" : `± ${own.deviationMl.toFixed(1)}`,
      own === undefined ? "" : `${own.leastMl.toFixed(1)} to ${own.mostMl.toFixed(1)}`,
    ];
  });
  const explained =
    spread === null
      ? "A single look at the scan tells nothing of its own uncertainty; ask for flips or several models to have one."
      : `Uncertainty: how far ${opinions} opinions (models times mirrors) lie from the averaged outline, and their range. It shows how far they disagree, not how far all of them may be wrong.`;
  return `${table(["Region", "Made of", "Volume, ml", "Uncertainty, ml", "Range, ml"], rows)}<p class="small">${explained}</p>`;
}

function views({ scan, labelMap }: Segmentation): string {
  const shown = SHOWN.filter((modality) => scan.modalities.includes(modality)).slice(0, ROWS);
  const figures = shown.flatMap((modality) =>
    drawCaseViews(scan.channels[scan.modalities.indexOf(modality)], labelMap).map(
      ({ name, width, height, pixels, slice, slices }) => {
        const png = Buffer.from(encodePng(width, height, pixels)).toString("base64");
        const caption = `${NAMES[modality]}, ${name}, slice ${slice} of ${slices}`;
        const [left, right] = SIDES[name];
        return `<figure><div class="view"><img width="${width}" height="${height}" alt="${caption}" src="data:image/png;base64,${png}"><span class="left">${left}</span><span class="right">${right}</span></div><figcaption>${caption}</figcaption></figure>`;
      },
    ),
  );
  return `<div class="views">${figures.join("")}</div>`;
}

function legend(labels: readonly string[]): string {
  return labels
    .flatMap((label, k) => {
      const colour = CLASS_COLOURS[k];
      return colour === undefined
        ? []
        : [`<span><i style="background: rgb(${colour.join(" ")})"></i>${escapeHtml(spaced(label))}</span>`];
    })
    .join("");
}

function origin({ models, segmentation, productVersion, madeAtMs }: CaseReportInput): string {
  const rows = models.map(({ description: { name, modelSha256, card }, signer }) => {
    const dice = card.evaluation.figures?.meanDice ?? null;
    return [
      name,
      modelSha256.slice(0, 16),
      dice === null ? "not measured" : `${dice.toFixed(3)} (${card.evaluation.figures?.cases} cases)`,
      signer === null ? "nobody" : `${signer.role} of federation ${signer.federationId.slice(0, 16)}`,
      card.licence ?? "none declared",
    ];
  });
  const mirrors = segmentation.opinions / models.length - 1;
  const way =
    mirrors === 0 ? "Seen once, upright." : `Seen upright and in ${mirrors} mirror${mirrors === 1 ? "" : "s"}.`;
  const made = `Made ${new Date(madeAtMs).toISOString().slice(0, 16).replace("T", " ")} UTC with Consilium ${productVersion}.`;
  return `${table(["Model", "Identity", "Mean Dice, by its card", "Signed by", "Licence"], rows)}<p class="small">${escapeHtml(`${way} ${made}`)} The model's card says what it was trained on and where it fails.</p>`;
}

/** "necroticCore" as "necrotic core". */
function spaced(label: string): string {
  return label.replace(/([a-z])([A-Z])/g, (_, low: string, high: string) => `${low} ${high.toLowerCase()}`);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: "th" | "td"): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return scrollingTable(
    `<table><thead>${cells(head, "th")}</thead><tbody>${rows.map((row) => cells(row, "td")).join("")}</tbody></table>`,
  );
}

const STYLE = `
:root { color-scheme: light; --ink: #1c2321; --soft: #5d6b66; --line: #d9e0dd; --fill: #f4f7f5; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.2rem; }
h1 { font-size: 1.4rem; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.1rem 0 .4rem; }
.use { background: #fff4e5; border-left: .3rem solid #b5541c; padding: .5rem .8rem; margin: 0; }
.note { background: var(--fill); padding: .5rem .8rem; margin: .5rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem .3rem 0; text-align: left; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; }
.views { display: grid; grid-template-columns: repeat(3, 1fr); gap: .6rem; }
figure { margin: 0; }
.view { position: relative; background: #000; border-radius: .3rem; overflow: hidden; aspect-ratio: 1; display: flex; align-items: center; justify-content: center; }
.view img { max-width: 100%; max-height: 100%; width: auto; height: auto; display: block; }
.view span { position: absolute; top: 50%; color: #fff; font-size: .8rem; transform: translateY(-50%); text-shadow: 0 0 3px #000; }
.left { left: .3rem; }
.right { right: .3rem; }
figcaption, .small { color: var(--soft); font-size: .82rem; margin: .25rem 0 0; }
.legend { display: flex; gap: 1.2rem; margin: .6rem 0 0; font-size: .85rem; flex-wrap: wrap; }
.legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; border-radius: .15rem; vertical-align: -1px; }
@media print { @page { size: A4; margin: 12mm; } main { padding: 0; } body { font-size: 11px; -webkit-print-color-adjust: exact; print-color-adjust: exact; } .views { grid-template-columns: repeat(3, 56mm); justify-content: center; } h2 { margin-top: .7rem; } }
`;
