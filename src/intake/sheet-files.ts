/** The contact sheets of a case, as they lie in intake's folder: one PNG file for each state that draws one. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { MODALITIES, MODALITY_NAMES, type Modality } from "../study/index.ts";
import { type CaseState, intakeFolder, STATES } from "./case-record.ts";

/** What the sheet of a state shows. */
export const SHEET_TITLES: Readonly<Partial<Record<CaseState, string>>> = {
  converted: "Converted: each scan on its own grid",
  registered: "Registered: all as T1 with contrast lies",
  extracted: "Brain found: its outline over all",
  done: "Done: on the atlas; red the atlas's brain, yellow a tumour that came drawn",
};

export function sheetLegend(missing: readonly Modality[] = []): string {
  const shown = MODALITIES.filter((modality) => !missing.includes(modality)).map((each) => MODALITY_NAMES[each]);
  return `From the left: ${shown.join(", ")}. The patient's right is on the left.`;
}

export function sheetFolder(out: string, caseId: string): string {
  return join(intakeFolder(out), "sheets", caseId);
}

const sheetPath = (out: string, caseId: string, state: CaseState): string =>
  join(sheetFolder(out, caseId), `${state}.png`);

/** The states whose sheets a case has, in their order. */
export function sheetsOf(out: string, caseId: string): readonly CaseState[] {
  return STATES.filter((state) => existsSync(sheetPath(out, caseId, state)));
}

/** A PNG file. @throws ConsiliumError `file-not-found` */
export async function readSheet(out: string, caseId: string, state: CaseState): Promise<Uint8Array> {
  try {
    return await readFile(sheetPath(out, caseId, state));
  } catch (cause) {
    throw new ConsiliumError("file-not-found", {
      subject: `contact sheet of ${caseId}`,
      expected: "a picture that intake drew",
      actual: "none",
      hint: "It was removed since the page was opened: load the page again.",
      cause,
    });
  }
}
