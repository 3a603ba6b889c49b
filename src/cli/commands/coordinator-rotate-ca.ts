/** `coordinator rotate-ca`: another authority takes over, and sites follow it by themselves. */
import { LIMITS, systemClock } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";
import { passphraseOptions, presentPassphrase } from "../passphrase.ts";

export const coordinatorRotateCa = defineCommand({
  path: ["coordinator", "rotate-ca"],
  summary: "Replace the federation's certificate authority",
  description:
    "Makes a new authority, vouched for by the present one. For some days both are believed: each site follows at its " +
    "next contact and gets a certificate of the new one; `consilium status` names those that have not yet. Then the old " +
    "one ends, and a site that was not heard joins anew. Works while the coordinator runs.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    ...passphraseOptions,
    overlapDays: option.numberOr("N", "days for which both are believed", LIMITS.authorityOverlapDays, {
      min: 0.0001,
      max: LIMITS.authorityOverlapMaxDays,
    }),
  },
  examples: ["consilium coordinator rotate-ca --home coordinator --passphrase-file passphrase"],
  async run({ options }) {
    const { adminClient } = await import("../../coordinator/index.ts");
    const { home, passphraseFile, overlapDays } = options;
    const passphrase = await presentPassphrase(home, { file: passphraseFile });
    const { fromSha256, toSha256, endsMs } = await adminClient(home, systemClock, passphrase).rotateAuthority(
      overlapDays,
    );
    const until = new Date(endsMs).toISOString();
    return {
      json: { from: fromSha256, to: toSha256, until },
      text:
        `Fingerprint of the new authority (SHA-256): ${toSha256}\n` +
        `The old one is believed until ${until.slice(0, 16).replace("T", " ")} UTC; sites follow by themselves.\n` +
        "Invitations that are open hold until then. Copy the home to its safe place.",
    };
  },
});
