/** A change of a study while it runs, in words: the same at the coordinator and at a site. */
import { formatDuration } from "./format.ts";

interface Change {
  readonly kind: string;
  readonly reason: string;
  readonly deadlineS?: number | undefined;
  readonly quorum?: number | string | undefined;
  readonly rounds?: number | undefined;
}

export function describeChange({ kind, reason, deadlineS, quorum, rounds }: Change): string {
  const rules = [
    deadlineS !== undefined && `deadline ${formatDuration(deadlineS * 1000)}`,
    quorum !== undefined && `quorum ${quorum}`,
    rounds !== undefined && `${rounds} rounds`,
  ].filter((rule) => rule !== false);
  return `${kind}${rules.length > 0 ? `, ${rules.join(", ")}` : ""}: ${reason}`;
}
