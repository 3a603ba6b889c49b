/** A real Chromium that npm alone installs (@sparticuz/chromium), driven by playwright-core. */
import sparticuz from "@sparticuz/chromium";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";

/**
 * On two cores a renderer has three pool threads. Where V8's background compilers hold all three, and wait for the main
 * thread to collect garbage, while the main thread asks for a font by way of the pool, the page stands still for good:
 * under load one page in some tens. Compiling on the main thread leaves the pool free.
 */
const COMPILE_IN_FRONT = "--js-flags=--no-concurrent-recompilation --no-concurrent-sparkplug";

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: await sparticuz.executablePath(),
    // In one process the contexts of several people would share what is one's own: cookies.
    args: [
      ...sparticuz.args.filter((arg) => arg !== "--single-process"),
      "--use-angle=swiftshader",
      "--enable-unsafe-swiftshader",
      "--ignore-gpu-blocklist",
      COMPILE_IN_FRONT,
    ],
    headless: true,
  });
}

export interface Visit {
  readonly page: Page;
  /** Requests to any host but the console's own. */
  readonly foreign: readonly string[];
  /** What the page complained of: errors, and what its policy forbade. */
  readonly complaints: readonly string[];
}

/** A browser of somebody's own, signed in by a link. */
export async function visit(browser: Browser, link: string): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
  const page = await context.newPage();
  const [foreign, complaints]: [string[], string[]] = [[], []];
  const { host } = new URL(link);
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.host !== host) foreign.push(request.url());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(link);
  await page.getByRole("navigation").waitFor();
  return { page, foreign, complaints };
}

/** What axe finds on the page as it is, at its worst first; only what is serious or critical. */
export async function seriousProblems(page: Page): Promise<string[]> {
  // Added by the browser's own means: the page's policy would refuse a script of a stranger, as it should.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    interface Found {
      readonly id: string;
      readonly impact: string;
      readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary: string }[];
    }
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: readonly Found[] }> } };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
  });
}
