/**
 * What a site's process is doing, as its own people see it beside the process: the last piece of work with how far it
 * is, and the last lines that the process told. One small document in the home, which never leaves it.
 *
 * Invariants: written at most every LIMITS.siteActivityMs, whole or not at all; at most LIMITS.siteActivityLines lines;
 * what cannot be written (a full disk) disturbs no work.
 */
import { z } from "zod";
import { type Clock, type Json, LIMITS, systemClock } from "../base/index.ts";
import { parseDocument } from "./home.ts";
import type { SiteStore } from "./site-store.ts";

const DOCUMENT = "activity";

const workSchema = z.strictObject({
  what: z.enum(["surveying", "training", "evaluating"]),
  round: z.number().int(),
  done: z.number(),
  total: z.number(),
  loss: z.number().nullable(),
  /** When this piece of work began. */
  sinceMs: z.number(),
});

const activitySchema = z.strictObject({
  atMs: z.number(),
  /** Null between two pieces of work. */
  work: workSchema.nullable(),
  /** Oldest first. */
  lines: z.array(z.strictObject({ atMs: z.number(), text: z.string() })),
});

export type SiteActivity = z.infer<typeof activitySchema>;
type Work = Omit<z.infer<typeof workSchema>, "sinceMs">;

export interface ActivityRecorder {
  working(work: Work): void;
  told(line: string): void;
  /** Writes what is still to be written. */
  close(): Promise<void>;
}

export function recordActivity(store: SiteStore, clock: Clock = systemClock): ActivityRecorder {
  let work: SiteActivity["work"] = null;
  let lines: SiteActivity["lines"] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function write(): void {
    timer = undefined;
    const document = { atMs: clock.nowMs(), work, lines };
    writing = writing.then(() => store.write(DOCUMENT, document as unknown as Json)).catch(() => undefined);
  }
  function changed(): void {
    timer ??= setTimeout(write, LIMITS.siteActivityMs);
    timer.unref();
  }
  return {
    working(now) {
      const goesOn = work !== null && work.what === now.what && work.round === now.round;
      work = { ...now, sinceMs: goesOn && work !== null ? work.sinceMs : clock.nowMs() };
      if (now.done >= now.total) work = null;
      changed();
    },
    told(text) {
      lines = [...lines, { atMs: clock.nowMs(), text: text.slice(0, LIMITS.reasonChars) }].slice(
        -LIMITS.siteActivityLines,
      );
      changed();
    },
    async close() {
      clearTimeout(timer);
      work = null;
      write();
      await writing;
    },
  };
}

/** Undefined before a process of this version worked here. */
export async function readActivity(store: SiteStore): Promise<SiteActivity | undefined> {
  const value = await store.read(DOCUMENT);
  return value === undefined ? undefined : parseDocument(activitySchema, value, `${DOCUMENT}.json`);
}
