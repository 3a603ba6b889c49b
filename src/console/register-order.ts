/** What a browser may say of a registration, made an order: words that are chosen, and no paths. */
import { MODALITIES } from "../imaging/index.ts";
import { unknownWord } from "./unknown-word.ts";
import type { RegisterOrder } from "./works.ts";

const CONVENTIONS = ["brats2021", "brats2023", "brats2024"] as const satisfies readonly RegisterOrder["labels"][];
const COUNTS = ["as before", "private", "told"] as const satisfies readonly RegisterOrder["counts"][];

interface Asked {
  readonly labels: string;
  readonly mayMiss: readonly string[];
  readonly excludeBroken: boolean;
  readonly counts: string;
}

/** @throws ConsiliumError `message-invalid` */
export function registrationOf(asked: Asked): Omit<RegisterOrder, "dataset"> {
  return {
    labels: asked.labels === "" ? null : known("labels", CONVENTIONS, asked.labels),
    mayMiss: [...new Set(asked.mayMiss.map((scan) => known("scan", MODALITIES, scan)))],
    excludeBroken: asked.excludeBroken,
    counts: known("counts", COUNTS, asked.counts === "" ? "as before" : asked.counts),
  };
}

function known<const T extends string>(subject: string, words: readonly T[], given: string): T {
  const found = words.find((each) => each === given);
  if (found === undefined) throw unknownWord(subject, words, given);
  return found;
}
