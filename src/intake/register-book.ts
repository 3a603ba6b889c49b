/**
 * The book that gives studies and patients their pseudonyms, kept in the dataset's intake folder: a case is P0001-1, its
 * patient P0001, numbered in the order of arrival, which says nothing of dates or names.
 *
 * Invariants
 * - A study keeps its pseudonym in every later run, and a patient's studies share a subject.
 * - Identifiers stand in it as keyed digests alone (HMAC-SHA-256 under a key drawn for this dataset), since digests of
 *   hospital numbers without a key are found by trying them all. The key lies beside them: the folder stays at the site.
 */
import { createHmac, randomBytes } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type DicomStudy, writeFileAtomically } from "../imaging/index.ts";
import { intakeFolder, parseDocument } from "./case-record.ts";

const bookSchema = z.strictObject({
  schema: z.literal("consilium.intake-book/1"),
  key: z.string().regex(/^[0-9a-f]{64}$/),
  /** Keyed digest of a patient's identifier: the subject. */
  subjects: z.record(z.string(), z.string()),
  /** Keyed digest of a study's UID: the case. */
  cases: z.record(z.string(), z.string()),
});

type Book = z.infer<typeof bookSchema>;

export interface NamedStudy {
  readonly study: DicomStudy;
  readonly caseId: string;
  readonly subject: string;
}

export interface RegisterBook {
  /** Pseudonyms of these studies; new ones are on disk when it returns. */
  name(studies: readonly DicomStudy[]): Promise<NamedStudy[]>;
  /** A digest under the dataset's key. */
  digest(text: string): string;
}

export async function openBook(out: string): Promise<RegisterBook> {
  const path = join(intakeFolder(out), "book.json");
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  let book: Book =
    text === undefined
      ? { schema: "consilium.intake-book/1", key: randomBytes(32).toString("hex"), subjects: {}, cases: {} }
      : parseDocument(bookSchema, text, "intake/book.json");
  const digest = (value: string): string =>
    createHmac("sha256", Buffer.from(book.key, "hex")).update(value).digest("hex").slice(0, 32);
  return {
    digest,
    async name(studies) {
      const named = studies.map((study) => {
        const known = digest(`study ${study.study}`);
        // Without an identifier a study is a patient of its own: two strangers must not become one.
        const patient = digest(
          study.patientDigest === undefined ? `study ${study.study}` : `patient ${study.patientDigest}`,
        );
        const subject = book.subjects[patient] ?? `P${String(Object.keys(book.subjects).length + 1).padStart(4, "0")}`;
        const ofSubject = Object.values(book.cases).filter((id) => id.startsWith(`${subject}-`)).length;
        const caseId = book.cases[known] ?? `${subject}-${ofSubject + 1}`;
        book = {
          ...book,
          subjects: { ...book.subjects, [patient]: subject },
          cases: { ...book.cases, [known]: caseId },
        };
        return { study, caseId, subject };
      });
      await writeFileAtomically(path, Buffer.from(`${JSON.stringify(book, null, 1)}\n`));
      await chmod(path, 0o600);
      return named;
    },
  };
}
