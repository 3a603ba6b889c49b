/** Names that both ends must spell alike. */
import { ConsiliumError, LIMITS } from "../base/index.ts";

export const PROTOCOL_VERSION = 1;

/** The sender of every answer, and the common name of the coordinator's certificate; no site may be called so. */
export const COORDINATOR_NAME = "coordinator";

/** `constructor` too: records keyed by site are plain objects, which all seem to have a member of that name. */
const RESERVED: ReadonlySet<string> = new Set([COORDINATOR_NAME, "constructor"]);
const SITE_ID = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

export function isSiteId(text: string): boolean {
  return SITE_ID.test(text) && text.length <= LIMITS.siteIdChars && !RESERVED.has(text);
}

/** @throws ConsiliumError `message-invalid` for anything but lower-case letters, digits and inner hyphens. */
export function checkSiteId(text: string): string {
  if (isSiteId(text)) return text;
  throw new ConsiliumError("message-invalid", {
    subject: "site name",
    expected: `lower-case letters, digits and inner hyphens, at most ${LIMITS.siteIdChars}, and no reserved name`,
    actual: JSON.stringify(text.slice(0, 80)),
    hint: "Choose a short name for the site, such as upenn or st-marys.",
  });
}
