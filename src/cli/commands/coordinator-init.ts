/** `coordinator init`: founds a federation, with its certificate authority and its journal. */
import { defineCommand } from "../command.ts";
import { forgetPassphrase } from "../kept-passphrase.ts";
import { option } from "../options.ts";
import { foundingPassphrase, passphraseOptions } from "../passphrase.ts";

export const coordinatorInit = defineCommand({
  path: ["coordinator", "init"],
  summary: "Found a federation",
  description:
    "Makes the home folder with the federation's certificate authority, whose key is encrypted under a passphrase: given, " +
    "typed at a terminal, or else made and kept in this account's configuration folder, apart from the home. " +
    "Keep a copy of the folder at a safe place, and the passphrase at another: without it no site can join or renew.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder; made if it is not there"),
    name: option.requiredText("TEXT", "the federation's name, as sites see it"),
    listen: option.textOr("HOST:PORT", "where to listen; port 0 takes a free one at the first start", "127.0.0.1:7443"),
    ...passphraseOptions,
    unencrypted: option.flag("leave the authority's key unencrypted: for trials on one machine"),
    address: option.text("HOST:PORT", "what sites dial, where it differs from --listen"),
  },
  examples: [
    'consilium coordinator init --home coordinator --name "Brain tumour federation" --passphrase-file passphrase --listen 127.0.0.1:7443',
    'consilium coordinator init --home coordinator --name "Brain tumour federation" --passphrase-file passphrase --listen 0.0.0.0:7443 --address consilium.example.org:7443',
  ],
  async run({ options }) {
    const { initCoordinator } = await import("../../coordinator/index.ts");
    const { home, name, listen, address, passphraseFile, unencrypted } = options;
    const { passphrase, file: kept } = unencrypted ? {} : await foundingPassphrase(home, { file: passphraseFile });
    const federation = await initCoordinator({ home, name, listen, address, passphrase, nowMs: Date.now() });
    // One that is kept for an earlier home in this place opens this one no more.
    if (kept === undefined) await forgetPassphrase(home);
    return {
      json: {
        name: federation.name,
        address: federation.address,
        listen: federation.listen,
        fingerprint: federation.id,
        keyEncrypted: passphrase !== undefined,
        passphraseKeptIn: kept ?? null,
      },
      text:
        (passphrase === undefined ? "The authority's key is not encrypted.\n" : "") +
        (kept === undefined
          ? ""
          : `Nobody gave a passphrase: one was made, and is kept in ${kept}. Copy it to a safe place.\n`) +
        `Founded "${federation.name}".\nFingerprint of its authority (SHA-256): ${federation.id}\n` +
        `Next: consilium coordinator start --home ${home}${passphraseFile ? ` --passphrase-file ${passphraseFile}` : ""}`,
    };
  },
});
