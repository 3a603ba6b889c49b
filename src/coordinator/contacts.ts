/**
 * When each site was heard last, and under which number. The number is durable before the message has an effect; the
 * rest (what it is doing) is for the status, and is gone after a restart until the site speaks again.
 */
import type { Sha256 } from "../base/index.ts";
import type { Heard, Journal } from "./journal.ts";
import type { Activity } from "./site-messages.ts";

export interface Contacts {
  /**
   * Verifies and notes one message of a key at a time, given the number that it must exceed.
   * @param verify throws where the message is refused; nothing is noted then
   */
  exclusively(keySha256: Sha256, verify: (afterSequence: number | undefined) => Promise<Heard>): Promise<void>;
  /**
   * A site was heard over mutual TLS, or by sealed calls without it.
   * @returns whether it came another way before; a site that was not heard yet is taken to come over mutual TLS
   */
  arrived(siteId: string, mutualTls: boolean): boolean;
  /** How it came last; undefined until it does. */
  hasMutualTls(siteId: string): boolean | undefined;
  active(siteId: string, activity: Activity): void;
  lastHeard(keySha256: Sha256): Heard | undefined;
  activityOf(siteId: string): Activity | undefined;
}

export async function openContacts(journal: Journal): Promise<Contacts> {
  const heard = await journal.lastHeard();
  const ways = new Map<string, boolean>();
  const activities = new Map<string, Activity>();
  const queues = new Map<Sha256, Promise<unknown>>();
  return {
    exclusively(keySha256, verify) {
      const noted = (queues.get(keySha256) ?? Promise.resolve()).then(async () => {
        const next = await verify(heard.get(keySha256)?.sequence);
        await journal.hear(next);
        heard.set(keySha256, next);
      });
      queues.set(
        keySha256,
        noted.catch(() => undefined),
      );
      return noted;
    },
    arrived(siteId, mutualTls) {
      const before = ways.get(siteId) ?? true;
      ways.set(siteId, mutualTls);
      return before !== mutualTls;
    },
    hasMutualTls: (siteId) => ways.get(siteId),
    active: (siteId, activity) => void activities.set(siteId, activity),
    lastHeard: (keySha256) => heard.get(keySha256),
    activityOf: (siteId) => activities.get(siteId),
  };
}
