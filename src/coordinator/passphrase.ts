/** The passphrase of the authority's key: whether a home has one, and giving it another. */
import { lockCoordinatorHome } from "./coordinator.ts";
import { changePassphrase, readHome } from "./home.ts";

/** Whether the authority's key is encrypted at rest. @throws ConsiliumError `home-invalid` */
export async function isAuthoritySealed(folder: string): Promise<boolean> {
  return (await readHome(folder)).authority.sealed;
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
