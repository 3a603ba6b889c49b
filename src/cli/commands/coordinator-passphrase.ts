/** `coordinator passphrase`: encrypts the authority's key, or encrypts it anew under another passphrase. */
import { defineCommand } from "../command.ts";
import { forgetPassphrase } from "../kept-passphrase.ts";
import { option } from "../options.ts";
import { newPassphrase, passphraseOptions, presentPassphrase } from "../passphrase.ts";

export const coordinatorPassphrase = defineCommand({
  path: ["coordinator", "passphrase"],
  summary: "Give the authority's key a passphrase, or another one",
  description: "Stop the coordinator first. Copies of the home that were made before keep the passphrase they had.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    ...passphraseOptions,
    newPassphraseFile: option.text(
      "FILE",
      "file with the new passphrase (or CONSILIUM_NEW_CA_PASSPHRASE, or typed when asked)",
    ),
  },
  examples: [
    "consilium coordinator passphrase --home coordinator --passphrase-file passphrase --new-passphrase-file new",
  ],
  async run({ options }) {
    const { changeHomePassphrase } = await import("../../coordinator/index.ts");
    const { home, passphraseFile, newPassphraseFile } = options;
    const present = await presentPassphrase(home, { file: passphraseFile });
    const next = await newPassphrase({ file: newPassphraseFile, variable: "CONSILIUM_NEW_CA_PASSPHRASE" });
    await changeHomePassphrase(home, present, next);
    await forgetPassphrase(home);
    return { json: { home, encrypted: true }, text: "The authority's key is encrypted under the new passphrase." };
  },
});
