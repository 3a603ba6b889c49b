/** `study check`: reads a study file as a coordinator would, and says what it would do. */
import type { Json } from "../../base/index.ts";
import type { Study } from "../../study/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";
import { changesSection } from "../study-changes.ts";

export const studyCheck = defineCommand({
  path: ["study", "check"],
  summary: "Check a study file, and say in words what it does",
  args: [{ name: "FILE", help: "study file, .yaml" }],
  options: {
    full: option.flag("print the study with every default filled in"),
    home: option.text("DIR", "a coordinator's home: also says what changed since its study underway, or its last"),
  },
  examples: ["consilium study check study.yaml", "consilium study check study.yaml --home coordinator"],
  async run({ args, options }) {
    const { describeStudy, studyHash } = await import("../../study/index.ts");
    const { plannedPrivacy, plannedSitePrivacy } = await import("../../privacy/index.ts");
    const { openStudyFile } = await import("../open-study.ts");
    const { study } = await openStudyFile(args[0]);
    const hash = studyHash(study);
    const before = options.home === undefined ? undefined : await changesSince(options.home, study);
    const planned = plannedPrivacy(study);
    const ofSites = plannedSitePrivacy(study);
    const text = options.full
      ? JSON.stringify(study, null, 2)
      : describeStudy(study, { patientEpsilon: planned?.epsilon, siteEpsilon: ofSites?.epsilon });
    return {
      json: {
        studyHash: hash,
        study: study as unknown as Json,
        ...(planned && { patientLevel: planned as unknown as Json }),
        ...(ofSites && { siteLevel: ofSites as unknown as Json }),
        ...(before !== undefined && { before: before as unknown as Json }),
      },
      text: [text, ...(before === undefined ? [] : [changesSection(before)]), `Hash of the study: ${hash}`].join(
        "\n\n",
      ),
    };
  },
});

async function changesSince(home: string, study: Study) {
  const { withState } = await import("../../coordinator/index.ts");
  const { checkedPlan } = await import("../../console/index.ts");
  return withState(home, async ({ state }) => checkedPlan(state(), study).before);
}
