/** `coordinator invite`: a file that lets one site join, once. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { LIMITS } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";

export const coordinatorInvite = defineCommand({
  path: ["coordinator", "invite"],
  summary: "Invite a site",
  description:
    "Writes a file with the coordinator's address, the fingerprint of its authority and a secret that works once, until " +
    "it expires. Whoever has the file can join as that site: send it by a private way.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    site: option.requiredText("NAME", "the site: lower-case letters, digits and hyphens"),
    out: option.requiredText("FILE", "invitation to write"),
    validHours: option.number("N", `hours until it expires (default: ${LIMITS.invitationValidHours})`, {
      min: 0.001,
      max: 8760,
    }),
  },
  examples: ["consilium coordinator invite --home coordinator --site upenn --out upenn.invitation"],
  async run({ options }) {
    const { adminClient } = await import("../../coordinator/index.ts");
    const { home, site, out, validHours } = options;
    const { siteId, expiresMs, text } = await adminClient(home).invite({ siteId: site, validHours });
    await writeFile(out, text, { mode: 0o600 });
    const expires = new Date(expiresMs).toISOString();
    return {
      json: { site: siteId, expires, out: resolve(out) },
      text: `Invitation for ${siteId} in ${out}, until ${expires.slice(0, 16).replace("T", " ")} UTC.`,
    };
  },
});
