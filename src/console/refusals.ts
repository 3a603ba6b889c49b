/** What the parts of the console's server refuse in the same words. */
import { ConsiliumError } from "../base/index.ts";

export function notOffered(what: string): ConsiliumError {
  return new ConsiliumError("file-not-found", {
    subject: what,
    expected: "something that is served here",
    actual: "nothing of that name",
    hint: "Open the dashboard's first page.",
  });
}
