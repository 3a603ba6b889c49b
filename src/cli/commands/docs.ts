/** `docs`: the documentation of this very version, for a browser. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { defineCommand } from "../command.ts";
import { countOf } from "../format.ts";
import { option } from "../options.ts";
import { untilAborted } from "../until-aborted.ts";

export const docs = defineCommand({
  path: ["docs"],
  summary: "Read the documentation in a browser",
  description:
    "Serves the pages of this version on 127.0.0.1 until it is interrupted. With --out it writes them as a static site " +
    "instead, which any web server can serve; no page loads anything from another host.",
  options: {
    port: option.integer("port to listen on (default: one that is free)", { max: 65_535 }),
    out: option.text("DIR", "write the site there instead of serving it"),
  },
  examples: ["consilium docs", "consilium docs --out site"],
  async run({ options, progress, signal, launcher }) {
    const { renderSite } = await import("../docs/render-site.ts");
    const files = await renderSite(join(dirname(launcher), ".."));
    if (options.out !== undefined) {
      for (const [path, { bytes }] of files) {
        const target = join(options.out, path);
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, bytes);
      }
      const pages = [...files.keys()].filter((path) => path.endsWith(".html")).length;
      return { json: { out: options.out, pages }, text: `Wrote ${countOf(pages, "page")} to ${options.out}.` };
    }
    const { serveSite } = await import("../docs/serve-site.ts");
    const site = await serveSite(files, options.port ?? 0);
    try {
      progress.note(`Documentation at ${site.url}, for this machine only.`);
      await untilAborted(signal);
      throw signal.reason;
    } finally {
      await site.close();
    }
  },
});
