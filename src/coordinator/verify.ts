/** The full check of a home's journal, beside a coordinator that runs or on one that is stopped. */
import { join } from "node:path";
import { readHome } from "./home.ts";
import { type JournalHead, openJournal } from "./journal.ts";
import { auditJournal, type JournalAudit } from "./journal-audit.ts";

/**
 * @param heads that sites keep of their own: each must be a record of this journal
 * @throws ConsiliumError `home-invalid`, `journal-corrupt`, `journal-version`, `journal-rolled-back`
 */
export async function verifyHome(home: string, heads: readonly JournalHead[] = []): Promise<JournalAudit> {
  await readHome(home);
  const journal = await openJournal(join(home, "journal.db"), "read");
  try {
    return await auditJournal(journal, heads);
  } finally {
    journal.close();
  }
}
