/** What the parts of the console's server refuse in the same words. */
import { ConsiliumError, LIMITS } from "../base/index.ts";

export function notOffered(what: string): ConsiliumError {
  return new ConsiliumError("file-not-found", {
    subject: what,
    expected: "something that is served here",
    actual: "nothing of that name",
    hint: "Open the dashboard's first page.",
  });
}

export function signInRequired(): ConsiliumError {
  return new ConsiliumError("sign-in-required", {
    subject: "session",
    expected: "somebody who is signed in",
    actual: "nobody, or a session that ended",
    hint: "Ask the command line for a link: `consilium coordinator dashboard`, or `consilium site console`.",
  });
}

export function tooManyVolumes(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "scans for the viewer",
    expected: `at most ${LIMITS.consoleVolumes} at a time`,
    actual: "more",
    hint: "Close viewers that are not looked at, and open the case again.",
  });
}

export function tooManyStreams(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "streams of the console",
    expected: `at most ${LIMITS.consoleStreams} at a time`,
    actual: "more",
    hint: "Close other pages of this dashboard.",
  });
}
