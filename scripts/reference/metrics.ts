/**
 * The reference of figures: what the code says of each, and what it gives for regions that are empty, which is measured
 * here on small label maps and not written down.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { LESION_RULES, measureLabelMaps, type RegionMeasures, USUAL_MEASURES } from "../../src/segmentation/index.ts";

const SEGMENTATION = fileURLToPath(new URL("../../src/segmentation/", import.meta.url));

/** Where `consilium evaluate --json` has the members of each interface. */
const PLACES = [
  { file: "metrics.ts", interface: "RegionScores", path: "regions.REGION." },
  { file: "measure-case.ts", interface: "RegionMeasures", path: "surfaceDistance.regions.REGION", member: "nsd" },
  { file: "measure-case.ts", interface: "VolumesMl", path: "volumesMl.REGION." },
  { file: "lesion-wise.ts", interface: "LesionScores", path: "lesionWise.regions.REGION." },
] as const;

export function metricsPage(): string {
  const rows = PLACES.flatMap((place) =>
    membersOf(place.file, place.interface)
      .filter(({ name }) => !("member" in place) || name === place.member)
      .map(({ name, type, words }) => `| \`${place.path}${"member" in place ? "" : name}\` | ${type} | ${words} |`),
  );
  const rules = Object.entries(LESION_RULES).map(
    ([name, { growSteps, leastMm3 }]) => `| \`${name}\` | ${growSteps} | ${leastMm3} |`,
  );
  return `# Figures

What \`consilium evaluate --json\` has for each region of a case, and by default: a tolerance of ${USUAL_MEASURES.toleranceMm} mm
for the surface distance, and the lesions of \`glioma\`. Definitions and oracles: [What figures mean](../METRICS.md).

| figure | type | meaning |
| --- | --- | --- |
${rows.join("\n")}

## Lesions

| \`--lesions\` | steps that the reference is grown by | lesions left out, up to mm^3 |
| --- | --- | --- |
${rules.join("\n")}

## Empty regions

As measured on maps of 12 x 12 x 12 mm with a region of 64 mm^3, or none; null is an undefined figure.

| figure | neither map has it | the prediction alone | the reference alone |
| --- | --- | --- | --- |
${emptyRows().join("\n")}
`;
}

interface Member {
  readonly name: string;
  readonly type: string;
  readonly words: string;
}

/** Members of an interface whose type is a number, or a number or null, with their docstrings. */
function membersOf(file: string, wanted: string): readonly Member[] {
  const text = readFileSync(`${SEGMENTATION}${file}`, "utf8");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found = source.statements.find(
    (statement): statement is ts.InterfaceDeclaration =>
      ts.isInterfaceDeclaration(statement) && statement.name.text === wanted,
  );
  if (found === undefined) throw new Error(`${file} has no interface ${wanted}`);
  return found.members.filter(ts.isPropertySignature).flatMap((member) => {
    const type = member.type?.getText(source) ?? "";
    if (!/^number( [|] null)?$/.test(type)) return [];
    const words = ts.getJSDocCommentsAndTags(member).map((doc) => ts.getTextOfJSDocComment(doc.comment) ?? "");
    const name = member.name.getText(source);
    if (words.join("") === "") throw new Error(`${wanted}.${name} has no words`);
    return [{ name, type: type.replace(" | ", " or "), words: words.join(" ").replaceAll(/\s+/g, " ") }];
  });
}

const SIDE = 12;

/** A cube of 4 x 4 x 4 voxels of class 1, or nothing. */
function mapWith(region: boolean): Uint8Array {
  return Uint8Array.from({ length: SIDE ** 3 }, (_, i) => {
    const at = [i % SIDE, Math.floor(i / SIDE) % SIDE, Math.floor(i / SIDE ** 2)];
    return region && at.every((x) => x >= 4 && x < 8) ? 1 : 0;
  });
}

function emptyRows(): string[] {
  const measured = [
    [false, false],
    [true, false],
    [false, true],
  ].map(([prediction, reference]) => {
    const dims = [SIDE, SIDE, SIDE] as const;
    return measureLabelMaps(mapWith(prediction), mapWith(reference), dims, [1, 1, 1], { R: [1] }).R;
  });
  const figures: readonly (readonly [string, (of: RegionMeasures) => number | null])[] = [
    ["Dice", ({ dice }) => dice],
    ["HD95, mm", ({ hd95 }) => hd95],
    ["sensitivity", ({ sensitivity }) => sensitivity],
    ["specificity", ({ specificity }) => specificity],
    ["surface distance (NSD)", ({ nsd }) => nsd],
    ["lesion-wise Dice", ({ lesionWise }) => lesionWise.dice],
    ["lesion-wise HD95, mm", ({ lesionWise }) => lesionWise.hd95],
  ];
  const cell = (value: number | null): string => (value === null ? "null" : String(Number(value.toFixed(3))));
  return figures.map(([name, of]) => `| ${name} | ${measured.map((each) => cell(of(each))).join(" | ")} |`);
}
