/** The blocks of commands in the documentation: which are run, in which order, and which are not, and why. */
import { slugOf } from "../../src/cli/docs/heading-slug.ts";

export interface ShellBlock {
  /** Anchor of the heading that it stands under. */
  readonly heading: string;
  readonly text: string;
}

export function shellBlocks(page: string): readonly ShellBlock[] {
  const blocks: ShellBlock[] = [];
  let [heading, open] = ["", undefined as string[] | undefined];
  for (const line of page.split("\n")) {
    if (open === undefined && /^#+ /.test(line)) heading = slugOf(line.replace(/^#+ /, ""));
    else if (open === undefined && line === "```sh") open = [];
    else if (open !== undefined && line === "```") {
      blocks.push({ heading, text: `${open.join("\n")}\n` });
      open = undefined;
    } else open?.push(line);
  }
  return blocks;
}

type Place = readonly [source: string, heading: string];

/** One federation, told by the pages of its readers: `test/docs.slow.test.ts` runs them in this order, in one shell. */
export const EXECUTED: readonly Place[] = [
  ["docs/START.md", "try-it-by-hand"],
  ["docs/LEADS.md", "found-a-federation"],
  ["docs/LEADS.md", "invite-hospitals"],
  ["docs/OPERATIONS.md", "join"],
  ["docs/OPERATIONS.md", "register-the-data"],
  ["docs/LEADS.md", "declare-and-submit"],
  ["docs/REVIEWERS.md", "read-and-decide"],
  ["docs/OPERATIONS.md", "test-before-the-first-round"],
  ["docs/LEADS.md", "steer-it"],
  ["docs/DASHBOARD.md", "the-dashboard"],
  ["docs/OPERATIONS.md", "start"],
  ["docs/LEADS.md", "take-the-model"],
  ["docs/REVIEWERS.md", "what-left"],
  ["docs/REVIEWERS.md", "set-a-budget"],
  ["docs/CLINICIANS.md", "one-patient"],
  ["docs/CLINICIANS.md", "how-far-to-trust-it"],
  ["docs/CLINICIANS.md", "correct-drafts"],
  ["docs/OPERATIONS.md", "back-up"],
  ["docs/OPERATIONS.md", "upgrade"],
];

export const NOT_EXECUTED: readonly (readonly [...Place, why: string])[] = [
  ["docs/START.md", "see-the-whole-of-it", "CI runs the demonstration as a suite of its own (.ci/run)"],
  ["docs/OPERATIONS.md", "install", "scripts/check-package.mjs packs, unpacks and runs the package without a registry"],
  ["docs/OPERATIONS.md", "as-a-service-under-systemd", "needs root; the units are checked by systemd-analyze instead"],
  ["docs/OPERATIONS.md", "as-a-container", "needs an image registry"],
  ["docs/OPERATIONS.md", "uninstall", "would remove a package of the machine that runs the tests"],
  ["docs/DASHBOARD.md", "the-site-console", "never ends by itself; test/dashboard.slow.test.ts runs it"],
  ["docs/DASHBOARD.md", "data", "never ends by itself; test/site-data.slow.test.ts runs it"],
  ["docs/DASHBOARD.md", "what-it-takes", "a benchmark; what it builds is built by every test of the dashboard"],
  ["docs/EXTENDING.md", "an-operator-of-onnx", "the suites themselves; scripts/operators-page.test.ts makes the page"],
  ["docs/EXTENDING.md", "an-algorithm-of-aggregation", "would write pages; their tests make and compare them"],
  ["docs/adr/0003-no-dicom-node.md", "3-serve-is-no-dicom-node-itself", "looks at a package that was refused"],
  ["docs/RESULTS.md", "phantoms", "needs real MRI beside, and hours"],
  ["docs/RESULTS.md", "twenty-nine-sites-of-unequal-sizes", "takes hours"],
  ["docs/RESULTS.md", "noise-of-whole-sites", "takes hours"],
];
