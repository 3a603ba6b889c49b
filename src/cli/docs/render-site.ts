/**
 * The documentation as a static site, out of the Markdown that lies in the package: every page stands by itself, with
 * one style sheet, no script, and nothing from any other host.
 *
 * Invariants
 * - A link between pages leads to a page of the site, or rendering fails; one to a file of the sources is shown as its
 *   name, since the site does not hold sources.
 * - Raw HTML of a page is shown as text.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, posix, relative } from "node:path";
import { Marked, type Tokens } from "marked";
import { ConsiliumError, escapeHtml } from "../../base/index.ts";
import { CONTENTS, pathOf } from "./contents.ts";
import { slugOf } from "./heading-slug.ts";
import { STYLE } from "./style.ts";

export interface SiteFile {
  readonly type: "text/html; charset=utf-8" | "text/css; charset=utf-8" | "image/png" | "image/svg+xml";
  readonly bytes: Uint8Array;
}

const SOURCES: readonly string[] = CONTENTS.flatMap(({ pages }) => pages.map(([source]) => source));

/** @param root the package's folder. @returns files by their path. @throws ConsiliumError `file-not-found` */
export async function renderSite(root: string): Promise<ReadonlyMap<string, SiteFile>> {
  const files = new Map<string, SiteFile>();
  const pictures = join(root, "docs", "pictures");
  const names = existsSync(pictures) ? (await readdir(pictures)).filter((name) => /[.](png|svg)$/.test(name)) : [];
  for (const name of names) {
    const type = name.endsWith(".svg") ? "image/svg+xml" : "image/png";
    files.set(`pictures/${name}`, { type, bytes: await readFile(join(pictures, name)) });
  }
  for (const source of SOURCES) {
    const text = await readSource(root, source);
    const html = renderPage(source, text, new Set(files.keys()));
    files.set(pathOf(source), { type: "text/html; charset=utf-8", bytes: Buffer.from(html) });
  }
  return files.set("style.css", { type: "text/css; charset=utf-8", bytes: Buffer.from(STYLE) });
}

async function readSource(root: string, source: string): Promise<string> {
  try {
    return await readFile(join(root, source), "utf8");
  } catch (cause) {
    throw new ConsiliumError("file-not-found", {
      subject: source,
      expected: "the documentation in the package's folder",
      actual: "no such file",
      hint: "Install the package again.",
      cause,
    });
  }
}

function renderPage(source: string, text: string, pictures: ReadonlySet<string>): string {
  const path = pathOf(source);
  const slugs = new Map<string, number>();
  const marked = new Marked({
    gfm: true,
    renderer: {
      heading({ tokens, depth, text: raw }: Tokens.Heading) {
        const id = uniqueSlug(raw, slugs);
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }: Tokens.Link) {
        const inner = this.parser.parseInline(tokens);
        const target = targetOf(source, href);
        return target === undefined ? inner : `<a href="${escapeHtml(target)}">${inner}</a>`;
      },
      image({ href, text: alt }: Tokens.Image) {
        const picture = pathOf(posix.join(posix.dirname(source), href));
        if (!pictures.has(picture)) return `<p class="soft">[${escapeHtml(alt)}]</p>`;
        return `<img src="${escapeHtml(linkFrom(path, picture))}" alt="${escapeHtml(alt)}" loading="lazy">`;
      },
      table(token: Tokens.Table) {
        const head = `<tr>${token.header.map((cell) => `<th>${this.parser.parseInline(cell.tokens)}</th>`).join("")}</tr>`;
        const body = token.rows.map(
          (row) => `<tr>${row.map((cell) => `<td>${this.parser.parseInline(cell.tokens)}</td>`).join("")}</tr>`,
        );
        return `<div class="table" tabindex="0" role="region" aria-label="Table"><table><thead>${head}</thead><tbody>${body.join("\n")}</tbody></table></div>\n`;
      },
      code: ({ text: code }: Tokens.Code) => `<pre tabindex="0"><code>${escapeHtml(code)}</code></pre>\n`,
      html: ({ text: raw }: Tokens.HTML | Tokens.Tag) => escapeHtml(raw),
    },
  });
  const body = marked.parse(text, { async: false });
  const title = /^# (.+)$/m.exec(text)?.[1] ?? "Consilium";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} – Consilium</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${linkFrom(path, "style.css")}">
</head>
<body>
<a class="skip" href="#content">To the content</a>
<nav aria-label="Pages">
<p class="brand"><a href="${linkFrom(path, "index.html")}">Consilium</a></p>
${CONTENTS.map(({ title: part, pages }) => partOf(part, pages, path)).join("\n")}
</nav>
<main id="content">
${body}</main>
</body>
</html>
`;
}

function partOf(title: string, pages: (typeof CONTENTS)[number]["pages"], path: string): string {
  const items = pages.map(([source, name]) => {
    const current = pathOf(source) === path ? ' aria-current="page"' : "";
    return `<li><a href="${linkFrom(path, pathOf(source))}"${current}>${escapeHtml(name)}</a></li>`;
  });
  return `<h2>${escapeHtml(title)}</h2>\n<ul>\n${items.join("\n")}\n</ul>`;
}

/** Where a link of a page leads on the site; undefined where it names a file of the sources. */
function targetOf(source: string, href: string): string | undefined {
  if (/^https?:/.test(href) || href.startsWith("#")) return href;
  const [file, fragment] = href.split("#");
  const named = posix.normalize(posix.join(posix.dirname(source), file));
  if (!named.endsWith(".md")) return undefined;
  if (!SOURCES.includes(named)) {
    throw new ConsiliumError("file-not-found", {
      subject: source,
      expected: "links to pages of the documentation",
      actual: href,
      hint: "Correct the link, or list the page in src/cli/docs/contents.ts.",
    });
  }
  return `${linkFrom(pathOf(source), pathOf(named))}${fragment === undefined ? "" : `#${fragment}`}`;
}

function linkFrom(from: string, to: string): string {
  return relative(dirname(from), to).replaceAll("\\", "/") || posix.basename(to);
}

function uniqueSlug(heading: string, known: Map<string, number>): string {
  const slug = slugOf(heading);
  const times = known.get(slug) ?? 0;
  known.set(slug, times + 1);
  return times === 0 ? slug : `${slug}-${times}`;
}
