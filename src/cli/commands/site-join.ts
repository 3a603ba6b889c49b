/** `site join`: a hospital becomes a member of a federation by an invitation. */
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";
import { tlsProxyOf, tlsProxyOptions } from "../tls-proxy-options.ts";

export const siteJoin = defineCommand({
  path: ["site", "join"],
  summary: "Join a federation with an invitation",
  description:
    "Makes a key in the home folder, which never leaves it; a certificate request goes to the coordinator named in " +
    "the invitation, over TLS pinned to the invitation's fingerprint. An invitation works once and expires. Where the " +
    "hospital's proxy ends TLS, --through-tls-proxy chooses to do without mutual TLS: requests and replies are then " +
    "signed and sealed to a key that the invitation's fingerprint vouches for.",
  options: {
    home: option.requiredText("DIR", "this site's home folder; made if it is not there"),
    invitation: option.requiredText("FILE", "invitation from the study lead"),
    ...tlsProxyOptions,
  },
  examples: ["consilium site join --home site --invitation upenn.invitation"],
  async run({ options, version }) {
    const { joinFederation } = await import("../../site/index.ts");
    const { siteId, federationName, federationId, address, mutualTls } = await joinFederation({
      home: options.home,
      invitationFile: options.invitation,
      productVersion: version,
      tlsProxy: await tlsProxyOf(options),
    });
    return {
      json: { siteId, federationName, federationId, address, mutualTls: mutualTls !== false },
      text: `Joined "${federationName}" as ${siteId}.${mutualTls === false ? " Mutual TLS is off: messages are sealed and signed." : ""} Next: consilium site data --home ${options.home} --dataset DIR`,
    };
  },
});
