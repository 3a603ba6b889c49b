/** `site doctor`: whether this site can take part, before a round finds out. */
import { readFile } from "node:fs/promises";
import type { Json } from "../../base/index.ts";
import { ConsiliumError } from "../../base/index.ts";
import type { Examination } from "../../site/index.ts";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";
import { option } from "../options.ts";
import { tlsProxyOf, tlsProxyOptions } from "../tls-proxy-options.ts";

export const siteDoctor = defineCommand({
  path: ["site", "doctor"],
  summary: "Test whether this site can take part",
  description:
    "Looks at the way to the coordinator (name, proxy, route, TLS, clock, membership, megabytes a second) and at what a " +
    "study asks of this machine: data, seconds a step, memory, disk, and whether a round fits into its deadline. Steps " +
    "run on made-up patches, never on patients' data. With --invitation before joining. Ends with 1 where something fails.",
  options: {
    home: option.text("DIR", "this site's home folder"),
    invitation: option.text("FILE", "look at the way only, before joining"),
    ...tlsProxyOptions,
    study: option.text("FILE", "study file to measure (default: the study that was offered last)"),
    steps: option.integerOr("training steps to time", 3, { min: 1, max: 1000 }),
    seconds: option.numberOr("N", "seconds of transfer to time, each way", 2, { min: 0.1, max: 60 }),
  },
  examples: [
    "consilium site doctor --invitation upenn.invitation",
    "consilium site doctor --home site --study study.yaml",
  ],
  async run({ options, progress, signal }) {
    const { home, invitation, study: file, steps, seconds } = options;
    if ((home === undefined) === (invitation === undefined)) {
      throw new ConsiliumError("usage", {
        subject: "consilium site doctor",
        expected: "--home of a site that has joined, or --invitation before it joins",
        actual: home === undefined ? "neither" : "both",
        hint: "See `consilium site doctor --help`.",
      });
    }
    const tlsProxy = await tlsProxyOf(options);
    if (tlsProxy !== undefined && home !== undefined) {
      throw new ConsiliumError("usage", {
        subject: "--through-tls-proxy",
        expected: "it beside --invitation",
        actual: "it beside --home",
        hint: "A site that has joined chooses by `consilium site line`, and the doctor looks at the line that it chose.",
      });
    }
    const { examineSite } = await import("../../site/index.ts");
    const { openStudyFile } = await import("../open-study.ts");
    const opened = file === undefined ? undefined : await openStudyFile(file);
    const modelBytes = opened?.modelFile === undefined ? undefined : new Uint8Array(await readFile(opened.modelFile));
    progress.note("Looking at the way to the coordinator and at this machine");
    const examination = await examineSite({
      home,
      invitationFile: invitation,
      tlsProxy,
      study: opened && { study: opened.study, modelBytes },
      steps,
      seconds,
      environment: process.env,
      signal,
      onFinding: ({ check, outcome }) => progress.note(`  ${check}: ${outcome}`),
    });
    return {
      json: examination as unknown as Json,
      text: describe(examination),
      exitCode: examination.fits ? 0 : 1,
    };
  },
});

function describe({ fits, study, findings }: Examination): string {
  const rows = findings.map(({ check, outcome, words }) => [check, outcome, words]);
  const hints = findings.flatMap(({ check, hint }) => (hint === undefined ? [] : [`${check}: ${hint}`]));
  const about = study === null ? "" : ` "${study}"`;
  const end = fits
    ? `Nothing stands in the way of taking part in${about || " a study"}.`
    : `This site cannot take part in${about || " a study"} as it is.`;
  return [formatTable(["Check", "Found", "What"], rows), ...hints, end].join("\n\n");
}
