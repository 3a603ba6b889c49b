/**
 * The pages on which a site looks at its intake: each case with its state, its checks or its failure, what every series
 * was taken for, and the contact sheets of each state. HTML files that need nothing else; many cases spread over pages.
 */
import { join } from "node:path";
import { escapeHtml, LIMITS } from "../base/index.ts";
import { type SeriesVerdict, writeFileAtomically } from "../imaging/index.ts";
import { type CaseRecord, intakeFolder } from "./case-record.ts";
import { intakeCase } from "./read-intake.ts";
import { readSheet } from "./sheet-files.ts";

export interface IntakePageInput {
  readonly out: string;
  readonly records: readonly CaseRecord[];
  /** Of the studies seen in this run, by case. */
  readonly verdicts: ReadonlyMap<string, readonly SeriesVerdict[]>;
  readonly atlas: string;
}

/** @returns the path of the first page. */
export async function writeIntakePages({ out, records, verdicts, atlas }: IntakePageInput): Promise<string> {
  const pages = Math.max(1, Math.ceil(records.length / LIMITS.intakeCasesPerPage));
  const nameOf = (page: number): string => (page === 0 ? "index.html" : `page-${page + 1}.html`);
  for (let page = 0; page < pages; page++) {
    const shown = records.slice(page * LIMITS.intakeCasesPerPage, (page + 1) * LIMITS.intakeCasesPerPage);
    const sections: string[] = [];
    for (const record of shown) sections.push(await caseSection(out, record, verdicts.get(record.caseId) ?? []));
    const links = Array.from({ length: pages }, (_, p) =>
      p === page ? `<strong>${p + 1}</strong>` : `<a href="${nameOf(p)}">${p + 1}</a>`,
    );
    const nav = pages === 1 ? "" : `<nav>Page ${links.join(" ")}</nav>`;
    const html = pageHtml(`${summary(records, atlas)}${nav}${overview(shown)}${sections.join("\n")}`);
    await writeFileAtomically(join(intakeFolder(out), nameOf(page)), Buffer.from(html));
  }
  return join(intakeFolder(out), nameOf(0));
}

function summary(records: readonly CaseRecord[], atlas: string): string {
  const failed = records.filter(({ failure }) => failure !== undefined).length;
  const done = records.filter(({ state, failure }) => state === "done" && failure === undefined).length;
  return `<h1>Intake</h1>
<p><strong>${done} done, ${failed} failed</strong>${records.length > done + failed ? `, ${records.length - done - failed} not finished` : ""}, of ${records.length}. Atlas: ${escapeHtml(atlas)}.</p>
<p class="note">For this site's eyes only: pictures of states before “done” show whole heads.</p>`;
}

function overview(records: readonly CaseRecord[]): string {
  const rows = records.map((record) => {
    const { caseId, subject, checks, failure } = record;
    const cells = [
      `<a href="#${caseId}">${caseId}</a>`,
      subject,
      stateOf(record),
      checks ? `${checks.brainMl.toFixed(0)} ml` : "",
      checks ? checks.atlasOverlap.toFixed(2) : "",
      failure ? escapeHtml(failure.code) : "",
    ];
    return `<tr${failure ? ' class="failed"' : ""}>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
  });
  return `<table><tr><th>Case</th><th>Patient</th><th>State</th><th>Brain</th><th>Overlap with atlas</th><th>Error</th></tr>${rows.join("")}</table>`;
}

function stateOf({ state, failure }: CaseRecord): string {
  return failure === undefined ? state : `failed towards ${failure.towards}`;
}

async function caseSection(out: string, record: CaseRecord, verdicts: readonly SeriesVerdict[]): Promise<string> {
  const { caseId, failure, facts, legend, sheets } = intakeCase(out, record);
  const figures: string[] = [];
  for (const { state, title } of sheets) {
    const png = Buffer.from(await readSheet(out, caseId, state)).toString("base64");
    figures.push(
      `<figure><img alt="${state}" src="data:image/png;base64,${png}"><figcaption>${title}</figcaption></figure>`,
    );
  }
  return `<section id="${caseId}"><h2>${caseId} <small>${stateOf(record)}</small></h2>
${failure ? `<p class="failure"><strong>${escapeHtml(failure.code)}</strong> ${escapeHtml(failure.subject)}: expected ${escapeHtml(failure.expected)}, got ${escapeHtml(failure.actual)}. ${escapeHtml(failure.hint)}</p>` : ""}
${facts.map((fact) => `<p class="small">${escapeHtml(fact)}</p>`).join("")}
${figures.length > 0 ? `<p class="small">${legend}</p><div class="sheets">${figures.join("")}</div>` : ""}
${seriesTable(verdicts)}</section>`;
}

function seriesTable(verdicts: readonly SeriesVerdict[]): string {
  if (verdicts.length === 0) return "";
  const rows = verdicts.map(
    ({ series, modality, confidence, reason, used }) =>
      `<tr><td>${series.tags.seriesNumber ?? ""}</td><td>${series.frames.length}</td><td>${modality ?? "none"}</td><td>${confidence.toFixed(2)}</td><td>${used ? "used" : ""}</td><td>${escapeHtml(reason)}</td></tr>`,
  );
  return `<details><summary>${verdicts.length} series</summary><table><tr><th>Number</th><th>Images</th><th>Taken for</th><th>Confidence</th><th></th><th>Because</th></tr>${rows.join("")}</table></details>`;
}

function pageHtml(body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Intake</title>
<style>
body{font:15px/1.45 system-ui,sans-serif;margin:0;color:#1d2733;background:#f6f7f9}
main{max-width:1320px;margin:0 auto;padding:1.5rem}
h1{margin:0 0 .3rem}h2{margin:0 0 .4rem;font-size:1.15rem}h2 small{font-weight:400;color:#5b6876}
section{background:#fff;border:1px solid #dde2e8;border-radius:8px;padding:1rem;margin:1rem 0}
table{border-collapse:collapse;background:#fff;font-size:.92rem}td,th{border:1px solid #dde2e8;padding:.25rem .6rem;text-align:left}
th{background:#eef1f4}tr.failed td{background:#fdeceb}
.failure{background:#fdeceb;border-left:4px solid #c0392b;padding:.5rem .8rem;margin:.4rem 0}
.note{color:#5b6876}.small{color:#5b6876;font-size:.88rem;margin:.2rem 0}
.sheets{display:flex;flex-wrap:wrap;gap:.8rem}figure{margin:0}img{display:block;max-width:100%;background:#000;border-radius:4px}
figcaption{font-size:.88rem;color:#5b6876;margin-top:.2rem}details{margin-top:.5rem}
</style></head><body><main>
${body}
</main></body></html>
`;
}
