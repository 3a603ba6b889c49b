/** The passphrase of the authority's key: whether a home has one, and giving it another. */

import { unlocked } from "./authority.ts";
import { lockCoordinatorHome } from "./coordinator.ts";
import { changePassphrase, readHome } from "./home.ts";

/** Whether the authority's key is encrypted at rest. @throws ConsiliumError `home-invalid` */
export async function isAuthoritySealed(folder: string): Promise<boolean> {
  return (await readHome(folder)).authority.sealed;
}

/**
 * Whether somebody knows the passphrase of the authority's key; nothing is asked of one that is not encrypted.
 * @throws ConsiliumError `passphrase-wrong`, `passphrase-missing`, `home-invalid`
 */
export async function checkHomePassphrase(folder: string, passphrase: string | undefined): Promise<void> {
  unlocked((await readHome(folder, passphrase)).authority);
}

/**
 * Seals the authority's key under a new passphrase, or for the first time; the coordinator must be stopped.
 * @param present the passphrase until now, where there is one
 * @throws ConsiliumError `home-locked`, `passphrase-wrong`, `passphrase-missing`, `usage` for one that is too short
 */
export async function changeHomePassphrase(folder: string, present: string | undefined, next: string): Promise<void> {
  await readHome(folder, present);
  const lock = await lockCoordinatorHome(folder);
  try {
    await changePassphrase(folder, present, next);
  } finally {
    lock.release();
  }
}
