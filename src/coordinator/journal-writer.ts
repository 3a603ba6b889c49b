/**
 * Writes to the journal's database, those that wait at the same moment in one transaction: a disk that needs some
 * milliseconds to make a write last needs no longer for forty, and nothing else runs meanwhile.
 *
 * Invariants
 * - A write is on disk (WAL, synchronous = FULL) when its promise resolves.
 * - A transaction is whole or not at all: where it fails, each write in it has failed, and the next ones are tried anew.
 * - Writes keep the order in which they were asked for.
 */
import { setImmediate } from "node:timers/promises";
import type { Client, InStatement } from "@libsql/client";
import { LIMITS } from "../base/index.ts";
import { guarded } from "./journal-database.ts";

export interface JournalWriter {
  /** @throws ConsiliumError `disk-full`, `folder-not-writable`, after which nothing of it is written */
  write(statements: readonly InStatement[]): Promise<void>;
}

interface Waiting {
  readonly statements: readonly InStatement[];
  resolve(): void;
  reject(reason: unknown): void;
}

export function createJournalWriter(client: Client): JournalWriter {
  let waiting: Waiting[] = [];
  let running = false;

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      // What is ready in this turn of the loop comes along.
      await setImmediate();
      const group = waiting.slice(0, LIMITS.journalWritesTogether);
      waiting = waiting.slice(group.length);
      await writeGroup(group);
    }
    running = false;
  }
  async function writeGroup(group: readonly Waiting[]): Promise<void> {
    const statements = group.flatMap((each) => each.statements);
    try {
      await guarded(() => client.batch(statements, "write"));
    } catch (error) {
      for (const each of group) each.reject(error);
      return;
    }
    for (const each of group) each.resolve();
  }
  return {
    write(statements) {
      return new Promise((resolve, reject) => {
        waiting.push({ statements, resolve, reject });
        if (running) return;
        running = true;
        void writeAll();
      });
    },
  };
}
