/**
 * The invitation: one small JSON file that takes a site into a federation. It says where the coordinator is and which
 * authority to believe, and carries the secret that binds the site's certificate request to it. It serves once, and
 * only until it expires; who reads it before the site does can join in its place, so it travels by a private way.
 */
import { z } from "zod";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { isSiteId } from "./names.ts";

const INVITATION_SCHEMA = "consilium.invitation/1";
const MAX_CHARS = 16_384;

const invitationSchema = z.strictObject({
  schema: z.literal(INVITATION_SCHEMA),
  federation: z.string().min(1).max(200),
  /** host:port of the coordinator, as sites dial it. */
  address: z.string().regex(/^(\[[0-9a-fA-F:]+\]|[^\s:/[\]]+):\d{1,5}$/),
  /** SHA-256 of the authority's certificate (DER). */
  caFingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  invitationId: z.string().regex(/^[0-9a-f]{32}$/),
  siteId: z.string().refine(isSiteId, "not a site name"),
  /** 32 random bytes, base64url. */
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  expiresMs: z.number().int().min(0),
});

export type Invitation = z.infer<typeof invitationSchema>;

export function formatInvitation(invitation: Omit<Invitation, "schema">): string {
  return `${JSON.stringify(invitationSchema.parse({ schema: INVITATION_SCHEMA, ...invitation }), null, 2)}\n`;
}

/**
 * @param subject the file's name, for messages
 * @throws ConsiliumError `invitation-invalid`, or `invitation-expired` where its time has passed.
 */
export function parseInvitation(text: string, subject: string, nowMs: number): Invitation {
  const parsed = invitationSchema.safeParse(text.length <= MAX_CHARS ? jsonOf(text) : undefined);
  if (!parsed.success) {
    throw new ConsiliumError("invitation-invalid", {
      subject,
      expected: "an invitation file of `consilium coordinator invite`",
      actual: z.prettifyError(parsed.error).replaceAll("\n", " ").slice(0, 300),
      hint: "Ask the study lead to send the file again, as a file and not as text in a message.",
    });
  }
  const { expiresMs, siteId } = parsed.data;
  if (nowMs > expiresMs) {
    throw new ConsiliumError("invitation-expired", {
      subject: `invitation of ${siteId}`,
      expected: `use until ${new Date(expiresMs).toISOString()}`,
      actual: new Date(nowMs).toISOString(),
      hint: `Ask the study lead for a new one (it holds ${LIMITS.invitationValidHours} hours), or check this clock.`,
    });
  }
  return parsed.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
