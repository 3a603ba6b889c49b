/** `coordinator revoke`: ends one site's membership, and touches no other. */
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";

export const coordinatorRevoke = defineCommand({
  path: ["coordinator", "revoke"],
  summary: "Revoke a site",
  description:
    "The site's key is refused from now on, and what it gave to the round that is open is left out. The study goes on " +
    "where enough sites are left for its quorum. To take part again, the site joins anew with a new invitation.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    site: option.requiredText("NAME", "the site"),
    reason: option.requiredText("TEXT", "why; sites are told"),
  },
  examples: ['consilium coordinator revoke --home coordinator --site upenn --reason "its key was copied"'],
  async run({ options }) {
    const { adminClient } = await import("../../coordinator/index.ts");
    const { home, site, reason } = options;
    await adminClient(home).revokeSite(site, reason);
    return { json: { site, revoked: true }, text: `${site} is revoked.` };
  },
});
