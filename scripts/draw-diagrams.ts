/**
 * Draws the diagrams of the documentation, docs/pictures/*.mmd, as pictures beside them, so that they are seen wherever
 * Markdown is read. Mermaid is no dependency of the product's:
 *
 *   npm install --prefix DIR mermaid@11 && npx tsx scripts/draw-diagrams.ts DIR
 *
 * Each picture names the digest of its source; a test fails where they part.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { sha256 } from "../src/base/index.ts";

export const PICTURES = fileURLToPath(new URL("../docs/pictures/", import.meta.url));

/** The comment at the end of a drawn picture. */
export function markOf(source: string): string {
  return `<!-- drawn from ${sha256(Buffer.from(source))} -->`;
}

export function diagrams(): readonly string[] {
  return readdirSync(PICTURES).filter((name) => name.endsWith(".mmd"));
}

async function draw(mermaidFolder: string): Promise<void> {
  const { openBrowser } = await import("../test/dashboard/browser.ts");
  const browser = await openBrowser();
  try {
    const page = await browser.newPage();
    await page.setContent("<body></body>");
    await page.addScriptTag({ path: join(mermaidFolder, "node_modules", "mermaid", "dist", "mermaid.min.js") });
    await page.addScriptTag({ content: DRAW });
    for (const name of diagrams()) {
      const source = readFileSync(join(PICTURES, name), "utf8");
      const svg = await page.evaluate((given) => (globalThis as unknown as Page).drawDiagram(given), source);
      writeFileSync(join(PICTURES, name.replace(/mmd$/, "svg")), `${svg}\n${markOf(source)}\n`);
    }
  } finally {
    await browser.close();
  }
}

/** In the page. Text as SVG's own, so that programs without HTML show it; on white, since pages may be dark. */
const DRAW = `globalThis.drawDiagram = async (source) => {
  mermaid.initialize({ startOnLoad: false, htmlLabels: false, flowchart: { htmlLabels: false }, theme: "neutral" });
  const { svg } = await mermaid.render("diagram", source);
  return svg.replace(/style="[^"]*"/, 'style="background: white"');
};`;

type Page = typeof globalThis & { readonly drawDiagram: (source: string) => Promise<string> };

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error("name the folder in which mermaid is installed");
  await draw(folder);
}
