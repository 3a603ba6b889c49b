/** Who belongs to the federation: invitations, enrolled keys, and what sites say about themselves. */
import { canonicalJson, type Json, LIMITS } from "../base/index.ts";
import type { SiteEnrolled, SiteInvited, SiteRenewed, SiteReported } from "./events.ts";
import type { SiteRecord } from "./records.ts";
import type { CoordinatorState } from "./state.ts";
import { accepted, discarded, rejected, type Taken } from "./verdict.ts";

export function inviteSite(state: CoordinatorState, event: SiteInvited): Taken {
  const { invitationId, siteId, expiresMs } = event;
  if (invitationId in state.invitations) {
    return rejected(state, "invitation-used", {
      subject: `invitation of ${siteId}`,
      expected: "a new identifier",
      actual: "one that was given already",
      hint: "Make another invitation.",
    });
  }
  const members = new Set([...Object.keys(state.sites), ...openInvitations(state, event.atMs)]);
  if (!members.has(siteId) && members.size >= LIMITS.sitesPerFederation) {
    return rejected(state, "limit-exceeded", {
      subject: `site ${siteId}`,
      expected: `at most ${LIMITS.sitesPerFederation} sites`,
      actual: `${members.size} sites and invitations`,
      hint: "Open a second federation, or wait until invitations expire.",
    });
  }
  const invitations = { ...state.invitations, [invitationId]: { invitationId, siteId, expiresMs } };
  return accepted({ ...state, invitations });
}

/** Sites that were invited and have neither joined nor let the invitation expire. */
export function openInvitations(state: CoordinatorState, nowMs: number): string[] {
  return Object.values(state.invitations)
    .filter(({ usedByKeySha256, expiresMs }) => usedByKeySha256 === undefined && expiresMs >= nowMs)
    .map(({ siteId }) => siteId);
}

export function enrolSite(state: CoordinatorState, event: SiteEnrolled): Taken {
  const { siteId, invitationId, keySha256, certificatePem, productVersion, atMs } = event;
  const invitation = state.invitations[invitationId];
  const subject = `invitation of ${siteId}`;
  if (invitation === undefined || invitation.siteId !== siteId) {
    return rejected(state, "invitation-invalid", {
      subject,
      expected: "an invitation that this coordinator gave to this site",
      actual: "another",
      hint: "Ask the study lead for an invitation of this federation and for this site's name.",
    });
  }
  if (invitation.usedByKeySha256 === keySha256) {
    return discarded(state, "invitation-used", {
      subject,
      expected: "its first use",
      actual: "the same site's second",
      hint: "The site is enrolled already.",
    });
  }
  if (invitation.usedByKeySha256 !== undefined) {
    return rejected(state, "invitation-used", {
      subject,
      expected: "an invitation that was not used",
      actual: "one that another key has used",
      hint: "If that was not this site, tell the study lead at once; in any case ask for a new invitation.",
    });
  }
  if (atMs > invitation.expiresMs) {
    return rejected(state, "invitation-expired", {
      subject,
      expected: `use until ${new Date(invitation.expiresMs).toISOString()}`,
      actual: new Date(atMs).toISOString(),
      hint: "Ask the study lead for a new invitation.",
    });
  }
  const site = { siteId, keySha256, certificatePem, enrolledMs: atMs, productVersion };
  return accepted({
    ...state,
    invitations: { ...state.invitations, [invitationId]: { ...invitation, usedByKeySha256: keySha256 } },
    sites: { ...state.sites, [siteId]: site },
  });
}

export function renewSite(state: CoordinatorState, event: SiteRenewed): Taken {
  const { siteId, keySha256, certificatePem } = event;
  const site = state.sites[siteId];
  if (site === undefined || site.keySha256 !== keySha256 || site.revoked !== undefined) {
    return rejected(state, "site-unknown", {
      subject: `certificate of ${siteId}`,
      expected: "a renewal for the site's present key",
      actual: site?.revoked ? "one for a site that was revoked" : "one for another key",
      hint: "Join the federation anew, with a new invitation.",
    });
  }
  return accepted({ ...state, sites: { ...state.sites, [siteId]: { ...site, certificatePem } } });
}

export function reportSite(state: CoordinatorState, event: SiteReported): Taken {
  const { siteId, productVersion, data } = event;
  const site = state.sites[siteId];
  if (site === undefined) {
    return rejected(state, "site-unknown", {
      subject: `site ${siteId}`,
      expected: "a site of this federation",
      actual: "another",
      hint: "Join the federation first, with an invitation: `consilium site join`.",
    });
  }
  if (isKnown(site, event)) {
    return discarded(state, "usage", {
      subject: `site ${siteId}`,
      expected: "news",
      actual: "what was known",
      hint: "Nothing needs to be done.",
    });
  }
  const told = { ...site, productVersion, ...(data && { data }) };
  return accepted({ ...state, sites: { ...state.sites, [siteId]: told } });
}

/** Whether a report says nothing of a site that is not known. */
export function isKnown(site: SiteRecord, { productVersion, data = site.data }: SiteReported): boolean {
  const [told, known] = [data, site.data].map((counts) => canonicalJson((counts ?? null) as unknown as Json));
  return site.productVersion === productVersion && told === known;
}
