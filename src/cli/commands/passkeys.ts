/** `passkeys list` and `passkeys remove`: what operators of a home sign in by, at the machine that keeps it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConsiliumError } from "../../base/index.ts";
import type { ListedPasskey } from "../../console/index.ts";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";
import { option } from "../options.ts";

const home = option.requiredText("DIR", "home folder of the coordinator, or of a site");

export const passkeysList = defineCommand({
  path: ["passkeys", "list"],
  summary: "List the passkeys by which operators sign in to a home's console",
  description: "They are registered in a browser, by an operator who is signed in. The home keeps public keys alone.",
  options: { home },
  examples: ["consilium passkeys list --home site"],
  async run({ options }) {
    const passkeys = await passkeysOf(options.home);
    const rows = passkeys.map(({ id, label, role, createdMs, lastUsedMs }) => [
      label,
      short(id),
      role,
      minute(createdMs),
      lastUsedMs === null ? "never" : minute(lastUsedMs),
    ]);
    return {
      json: { passkeys: passkeys.map((each) => ({ ...each })) },
      text:
        rows.length === 0
          ? "No passkey is registered."
          : formatTable(["Name", "Identifier", "Role", "Registered, UTC", "Last used, UTC"], rows),
    };
  },
});

export const passkeysRemove = defineCommand({
  path: ["passkeys", "remove"],
  summary: "Remove a passkey",
  description:
    "Nobody signs in by it any more; where a console runs, whoever is signed in by it is signed out. Does not touch the " +
    "device that keeps it.",
  args: [{ name: "PASSKEY", help: "its name, or the beginning of its identifier (8 characters and more)" }],
  options: { home },
  examples: ['consilium passkeys remove "Anna\'s laptop" --home site'],
  async run({ options, args }) {
    const { removePasskeyOf } = await import("../../console/index.ts");
    const { id, label } = chosen(await passkeysOf(options.home), args[0]);
    await removePasskeyOf(options.home, id);
    return { json: { removed: id, label }, text: `${label} is removed.` };
  },
});

/** @throws ConsiliumError `home-invalid` for a folder that is no home */
async function passkeysOf(folder: string): Promise<readonly ListedPasskey[]> {
  const { listPasskeys, PASSKEYS_FILE } = await import("../../console/index.ts");
  if (!existsSync(join(folder, "coordinator.json"))) {
    const { readSite } = await import("../../site/index.ts");
    await readSite(folder);
  }
  return listPasskeys(join(folder, PASSKEYS_FILE));
}

function chosen(passkeys: readonly ListedPasskey[], wanted: string): ListedPasskey {
  const found = passkeys.filter(({ id, label }) => label === wanted || (wanted.length >= 8 && id.startsWith(wanted)));
  if (found.length === 1) return found[0];
  throw new ConsiliumError("file-not-found", {
    subject: `passkey ${JSON.stringify(wanted.slice(0, 80))}`,
    expected: "the name of one, or the beginning of its identifier",
    actual: found.length === 0 ? "none of that name" : `${found.length} of that name`,
    hint: "See `consilium passkeys list --home HOME`.",
  });
}

function short(id: string): string {
  return id.slice(0, 12);
}

function minute(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace("T", " ");
}
