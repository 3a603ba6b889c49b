/** Contact sheets from the console that served this page: by both of the session's tokens, one after the other. */
import { csrfToken, troubleOf } from "../../api.ts";
import type { Trouble } from "../../trouble.ts";

let turn: Promise<unknown> = Promise.resolve();

/** @throws a Trouble */
export function loadSheet(intake: string, caseId: string, state: string): Promise<Blob> {
  const loaded = turn.then(() => ask(intake, caseId, state));
  turn = loaded.catch(() => undefined);
  return loaded;
}

async function ask(intake: string, caseId: string, state: string): Promise<Blob> {
  try {
    const asked = new URLSearchParams({ intake, case: caseId, state });
    const answer = await fetch(`/sheet?${asked}`, { headers: { "x-consilium-csrf": csrfToken() } });
    if (answer.ok) return await answer.blob();
    throw ((await answer.json()) as { error: Trouble }).error;
  } catch (error) {
    throw troubleOf(error);
  }
}
