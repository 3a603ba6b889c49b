/** `study submit`: a study is offered to the sites that have joined. */
import { defineCommand } from "../command.ts";
import { countOf } from "../format.ts";
import { option } from "../options.ts";

export const studySubmit = defineCommand({
  path: ["study", "submit"],
  summary: "Submit a study to the sites that have joined",
  description:
    "Fixes the study by its hash and the roster of sites with their keys, and offers both to each site's reviewer. The " +
    "first round begins when all of them have approved.",
  args: [{ name: "FILE", help: "study file, .yaml" }],
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    sites: option.list("NAMES", "sites that are to take part, with commas between (default: all that joined)"),
  },
  examples: ["consilium study submit --home coordinator study.yaml"],
  async run({ args, options }) {
    const { adminClient } = await import("../../coordinator/index.ts");
    const { openStudyFile } = await import("../open-study.ts");
    const { study, initial, modelFile } = await openStudyFile(args[0]);
    const submitted = await adminClient(options.home).submitStudy({
      study,
      initialParameters: initial,
      modelFile,
      sites: options.sites,
    });
    const { hash, name, roster, notJoined } = submitted;
    const absent =
      notJoined.length === 0 ? "" : `\nInvited and not joined, so without a part in it: ${notJoined.join(", ")}.`;
    return {
      json: { studyHash: hash, name, roster, notJoined },
      text: `Study "${name}" is offered to ${countOf(roster.length, "site")}: ${roster.join(", ")}.${absent}\n${hash}`,
    };
  },
});
