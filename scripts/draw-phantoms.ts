/**
 * Draws docs/pictures/phantoms.png: cases of one cohort beside each other, two in a row.
 *
 *   npx tsx scripts/draw-phantoms.ts [OUT.png]
 */
import { writeFileSync } from "node:fs";
import { makePhantom, montagePng } from "../src/imaging/index.ts";

const CASES = 8;
const SEED = 1;
const SPACING_MM = 2;

const out = process.argv[2] ?? "docs/pictures/phantoms.png";
const phantoms = Array.from({ length: CASES }, (_, i) =>
  makePhantom({ seed: SEED, caseIndex: i, siteIndex: i % 4, spacingMm: SPACING_MM }),
);
writeFileSync(out, montagePng(phantoms, 2));
