/** `study report`: the report of the study that ended last, or of the one underway, as one HTML file. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { ConsiliumError } from "../../base/index.ts";
import { systemCode, writeError } from "../../protocol/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";

export const studyReport = defineCommand({
  path: ["study", "report"],
  summary: "Write the report of the study underway, or of the last one",
  description:
    "One HTML file that prints and asks no other host: the plan, figures by site and round, what was left out, traffic. " +
    "The same as the dashboard's. Reads the journal, changes nothing, and may run beside the coordinator.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    out: option.requiredText("FILE", "report to write; must not exist"),
    study: option.text("STUDY", "of an earlier study: its name, or the first 6 digits of its hash and more"),
  },
  examples: ["consilium study report --home coordinator --out report.html"],
  async run({ options }) {
    const { withState } = await import("../../coordinator/index.ts");
    const { studyReport: reportOf } = await import("../../console/index.ts");
    const { home, out, study } = options;
    const html = await withState(home, (read) => reportOf(read, study));
    try {
      await writeFile(out, html, { flag: "wx" });
    } catch (error) {
      throw systemCode(error) === "EEXIST" ? exists(out) : writeError(error, out);
    }
    return { json: { out: resolve(out), bytes: Buffer.byteLength(html) }, text: `Report in ${out}` };
  },
});

function exists(out: string): ConsiliumError {
  return new ConsiliumError("file-exists", {
    subject: out,
    expected: "a name that is free",
    actual: "a file",
    hint: "Choose another name, or remove the file.",
  });
}
