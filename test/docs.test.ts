/**
 * The documentation holds together: every page is listed and every link leads somewhere, every command that it names is
 * one, and every block of commands is run by a test or stands in the list below with the reason why not.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMMANDS } from "../src/cli/commands/index.ts";
import { CONTENTS, pathOf } from "../src/cli/docs/contents.ts";
import { renderSite, type SiteFile } from "../src/cli/docs/render-site.ts";
import { serveSite } from "../src/cli/docs/serve-site.ts";
import { longFlag } from "../src/cli/options.ts";
import { EXECUTED, NOT_EXECUTED, shellBlocks } from "./docs/blocks.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const sources = CONTENTS.flatMap(({ pages }) => pages.map(([source]) => source));
const textOf = (source: string): string => readFileSync(join(root, source), "utf8");

let site: ReadonlyMap<string, SiteFile>;
beforeAll(async () => {
  site = await renderSite(root);
});

describe("the site", () => {
  test("holds every page of docs/", () => {
    const found = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => `docs/${name.replaceAll("\\", "/")}`);
    expect(sources.filter((source) => source.startsWith("docs/")).sort()).toEqual(found.sort());
    for (const source of sources) expect(site.has(pathOf(source)), source).toBe(true);
  });

  test("every link between pages leads to a page, and to a heading that is there", () => {
    const idsOf = (path: string) => new Set([...pageText(path).matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    let links = 0;
    for (const path of site.keys()) {
      if (!path.endsWith(".html")) continue;
      for (const [, href] of pageText(path).matchAll(/<a href="([^"]+)"/g)) {
        if (/^https?:/.test(href)) continue;
        const { pathname, hash } = new URL(href, `http://docs/${path}`);
        const target = pathname.slice(1);
        expect(site.has(target), `${path} links to ${href}`).toBe(true);
        if (hash !== "") expect(idsOf(target), `${path} links to ${href}`).toContain(hash.slice(1));
        links++;
      }
    }
    expect(links).toBeGreaterThan(500);
  });

  test("loads nothing from elsewhere, and runs nothing", () => {
    for (const [path, { type, bytes }] of site) {
      if (!type.startsWith("text/html")) continue;
      const text = Buffer.from(bytes).toString("utf8");
      expect(text, path).not.toMatch(/<(script|iframe|link rel="stylesheet" href="http|img src="http)/);
    }
  });

  test("is served on loopback under a policy that forbids all else, by exact names", async () => {
    const { url, close } = await serveSite(site, 0);
    try {
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      const first = await fetch(`${url}/`);
      expect(first.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(await first.text()).toContain('<h1 id="consilium">');
      expect((await fetch(`${url}/reference/COMMANDS.html`)).status).toBe(200);
      for (const path of ["/../package.json", "/%2e%2e/package.json", "/src/cli/main.ts", "/nothing.html"]) {
        expect((await fetch(`${url}${path}`)).status, path).toBe(404);
      }
      expect((await fetch(url, { method: "POST" })).status).toBe(404);
    } finally {
      await close();
    }
  });

  function pageText(path: string): string {
    return Buffer.from(site.get(path)?.bytes ?? []).toString("utf8");
  }
});

describe("commands in the documentation", () => {
  const paths = new Map(COMMANDS.map((command) => [command.path.join(" "), command]));

  /** Whole command lines in code of a page: in blocks, and between backticks. */
  function commandLines(text: string): string[] {
    const joined = text.replace(/\\\n\s*/g, " ");
    const blocks = [...joined.matchAll(/^```.*?\n(.*?)^```/gms)].flatMap(([, block]) => block.split("\n"));
    const inline = [...joined.replace(/^```.*?^```/gms, "").matchAll(/`([^`]+)`/g)].map(([, code]) => code);
    return [...blocks, ...inline]
      .map(
        (line) => /^(?:.*npx |sudo -u consilium )?(consilium [a-z][^)]*)/.exec(line.replaceAll("\n", " "))?.[1] ?? "",
      )
      .filter((line) => line !== "");
  }

  const pages = sources.filter((source) => source !== "CHANGELOG.md");
  test.each(pages)("%s names commands and options that there are", (source) => {
    for (const line of commandLines(textOf(source))) {
      const words = line.split(/\s+/).slice(1);
      const known = [2, 1].map((count) => words.slice(0, count).join(" ")).find((path) => paths.has(path));
      // A group's name alone, or words of a sentence that begins with the product's name.
      if (known === undefined) {
        expect(
          COMMANDS.some(({ path }) => path[0] === words[0]),
          `${source}: ${line}`,
        ).toBe(true);
        continue;
      }
      const options = Object.keys(paths.get(known)?.options ?? {}).map(longFlag);
      for (const [flag] of line.split(/\s[|>]\s|&&|;/)[0].matchAll(/(?<=\s)--[a-z-]+/g)) {
        expect([...options, "--json", "--quiet", "--help", "--version"], `${source}: ${line}`).toContain(flag);
      }
    }
  });

  test("every block is run by a test, or stands in the list of those that are not", () => {
    const executed = new Set(EXECUTED.map(([source, heading]) => `${source}#${heading}`));
    const excused = new Set(NOT_EXECUTED.map(([source, heading]) => `${source}#${heading}`));
    const found = sources.flatMap((source) => shellBlocks(textOf(source)).map(({ heading }) => `${source}#${heading}`));
    // README's own blocks are all run by test/readme.slow.test.ts.
    const own = [...new Set(found)].filter((place) => !place.startsWith("README.md#"));
    for (const place of own) expect(executed.has(place) !== excused.has(place), place).toBe(true);
    for (const place of [...executed, ...excused]) expect(own, "a block that is no longer there").toContain(place);
  });
});

describe("examples beside the documentation", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "consilium-units-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const units = readdirSync(join(root, "docs/examples/systemd"));
  test.each(units)("%s starts a command that there is", (name) => {
    const unit = readFileSync(join(root, "docs/examples/systemd", name), "utf8");
    const [, started] = /^ExecStart=\/usr\/bin\/consilium (.*)$/m.exec(unit) ?? [];
    const command = COMMANDS.find(({ path }) => started?.startsWith(`${path.join(" ")} `));
    const flags = [...(started ?? "").matchAll(/--[a-z-]+/g)].map(([flag]) => flag);
    expect(flags.length).toBeGreaterThan(0);
    for (const flag of flags) expect(Object.keys(command?.options ?? {}).map(longFlag)).toContain(flag);
  });

  const analyser = "/usr/bin/systemd-analyze";
  test.runIf(existsSync(analyser)).each(units)("systemd finds nothing wrong in %s", (name) => {
    const unit = readFileSync(join(root, "docs/examples/systemd", name), "utf8");
    const verify = (text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text.replace("/usr/bin/consilium", process.execPath));
      const { stdout, stderr } = spawnSync(analyser, ["verify", path], { encoding: "utf8" });
      return stdout + stderr;
    };
    const complaints = (text: string): string[] => text.split("\n").filter((line) => line.includes(name));
    expect(complaints(verify(unit))).toEqual([]);
    // It would have said so.
    expect(verify(unit.replace("Restart=on-failure", "Restart=sometimes"))).toContain("sometimes");
  });
});
