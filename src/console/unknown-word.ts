/** What is refused where a browser names something that is not among what can be chosen. */
import { ConsiliumError } from "../base/index.ts";

export function unknownWord(subject: string, known: readonly string[], actual: string): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject,
    expected: `one of ${known.join(", ")}`,
    actual: JSON.stringify(actual.slice(0, 40)),
    hint: "Choose one of them.",
  });
}
