/** `site join`: a hospital becomes a member of a federation by an invitation. */
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";

export const siteJoin = defineCommand({
  path: ["site", "join"],
  summary: "Join a federation with an invitation",
  description:
    "Makes a key in the home folder, which never leaves it; a certificate request goes to the coordinator named in " +
    "the invitation, over TLS pinned to the invitation's fingerprint. An invitation works once and expires.",
  options: {
    home: option.requiredText("DIR", "this site's home folder; made if it is not there"),
    invitation: option.requiredText("FILE", "invitation from the study lead"),
  },
  examples: ["consilium site join --home site --invitation upenn.invitation"],
  async run({ options, version }) {
    const { joinFederation } = await import("../../site/index.ts");
    const { siteId, federationName, federationId, address } = await joinFederation({
      home: options.home,
      invitationFile: options.invitation,
      productVersion: version,
    });
    return {
      json: { siteId, federationName, federationId, address },
      text: `Joined "${federationName}" as ${siteId}. Next: consilium site data --home ${options.home} --dataset DIR`,
    };
  },
});
