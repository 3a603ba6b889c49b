/** `site start`: a hospital's process, which asks what to do, trains and evaluates. */
import { readFile } from "node:fs/promises";
import { type Json, LIMITS } from "../../base/index.ts";
import { type CommandResult, defineCommand } from "../command.ts";
import { toConsiliumError } from "../errors.ts";
import { option } from "../options.ts";
import { createSiteTeller, describeSiteEvent } from "../site-events.ts";

export const siteStart = defineCommand({
  path: ["site", "start"],
  summary: "Take part: train, evaluate and answer",
  description:
    "Dials out to the coordinator; nothing listens here. Stop it at any moment and start it again: it goes on from " +
    "what it had kept. Every message and object that leaves is in this site's log (`consilium site log`), and so is what " +
    "was erased here when a study ended.",
  options: {
    home: option.requiredText("DIR", "this site's home folder"),
    lowerings: option.text(
      "FILE",
      "table of lowerings that `model tune` wrote for this machine; its digest is in every run record",
    ),
    maxRate: option.number(
      "MB",
      "megabytes a second that models and updates may take of the line, both ways together",
      {
        min: LIMITS.throttleMinBytesPerSecond / 1e6,
      },
    ),
    once: option.flag("end with the study, instead of waiting for the next"),
  },
  examples: ["consilium site start --home site", "consilium site start --home site --once"],
  async run({ options, version, progress, signal }) {
    const {
      caseCacheFolder,
      dialCoordinator,
      eraseCaseCache,
      openSite,
      quietError,
      quietWhereNamed,
      readRegisteredData,
      recordActivity,
      runSite,
    } = await import("../../site/index.ts");
    const { openLocalWork } = await import("../../segmentation/index.ts");
    const { readLowerings } = await import("../read-lowerings.ts");
    const lowerings = options.lowerings === undefined ? undefined : await readLowerings(options.lowerings);
    const site = await openSite(options.home);
    const link = dialCoordinator(site, options.maxRate === undefined ? undefined : options.maxRate * 1e6);
    const activity = recordActivity(site.store);
    const data = await readRegisteredData(site.store);
    const onEvent = createSiteTeller({ progress, activity, quiet: (error) => quietError(error, data) });
    try {
      progress.note(`${site.siteId} of "${site.membership.federationName}", coordinator ${site.membership.address}`);
      const outcome = await runSite({
        site,
        link,
        productVersion: version,
        signal,
        until: options.once ? "study-ends" : "stopped",
        onEvent,
        eraseCaches: () => eraseCaseCache(options.home),
        openWork: async ({ study, data, networkFile }) => {
          const modelBytes = networkFile === undefined ? undefined : await readFile(networkFile);
          const cacheDir = caseCacheFolder(options.home);
          return openLocalWork({ study, data, cacheDir, lowerings, ...(modelBytes && { modelBytes }) });
        },
      });
      signal.throwIfAborted();
      return resultOf(outcome);
    } catch (error) {
      throw quietWhereNamed(toConsiliumError(error), data);
    } finally {
      await activity.close();
      await link.close();
      await site.close();
    }
  },
});

type Outcome = Awaited<ReturnType<typeof import("../../site/index.ts")["runSite"]>>;

function resultOf(outcome: Outcome): CommandResult {
  const json = { ...outcome } as Json;
  if (outcome.kind === "stopped") return { json, text: "Stopped." };
  return { json, text: describeSiteEvent(outcome), exitCode: outcome.kind === "failed" ? 1 : 0 };
}
