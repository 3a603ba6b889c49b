/**
 * The last head of the coordinator's journal that this site was told, kept so that records cannot be taken away behind
 * its back: the coordinator cannot give an answer whose head lies before it.
 */
import { z } from "zod";
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import { parseDocument } from "./home.ts";
import type { SiteStore } from "./site-store.ts";

const HEAD_DOCUMENT = "journal-head";
const headSchema = z.strictObject({ number: z.number().int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** A record's place in the coordinator's chain. */
export interface JournalHead {
  readonly number: number;
  readonly sha256: Sha256;
}

export interface Heads {
  last(): JournalHead | undefined;
  /**
   * Takes the head of an answer; on disk before this resolves.
   * @throws ConsiliumError `journal-rolled-back` for one before the last, or for another of the same number
   */
  tell(head: JournalHead | undefined): Promise<void>;
}

export async function openHeads(store: SiteStore): Promise<Heads> {
  let last = await readHead(store);
  return {
    last: () => last,
    async tell(head) {
      if (head === undefined && last === undefined) return;
      const before = last?.number ?? 0;
      const told = headSchema.safeParse(head);
      const same = head?.number === before && last !== undefined;
      if (!told.success || told.data.number < before || (same && told.data.sha256 !== last?.sha256)) {
        throw rolledBack(last, head);
      }
      if (same) return;
      await store.write(HEAD_DOCUMENT, { ...told.data });
      last = told.data;
    },
  };
}

/** @throws ConsiliumError `home-invalid` */
export async function readHead(store: SiteStore): Promise<JournalHead | undefined> {
  const kept = await store.read(HEAD_DOCUMENT);
  return kept === undefined ? undefined : parseDocument(headSchema, kept, `${HEAD_DOCUMENT}.json`);
}

function rolledBack(last: JournalHead | undefined, head: JournalHead | undefined): ConsiliumError {
  return new ConsiliumError("journal-rolled-back", {
    subject: "the coordinator's journal",
    expected: `record ${last?.number} of SHA-256 ${last?.sha256.slice(0, 12)}, or one after it`,
    actual: head === undefined ? "no record" : `record ${head.number} of SHA-256 ${head.sha256.slice(0, 12)}`,
    hint: "The coordinator lost or removed records that this site knows of: ask the study lead what happened. To follow it all the same, join anew in another folder.",
  });
}
