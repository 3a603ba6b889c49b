/**
 * Who is signed in: links that work once, and the sessions that they open.
 *
 * A link carries a random token in its fragment, which no server or log sees; the page sends it once, and gets a cookie
 * that scripts cannot read, and a second token that every call must show (against calls that other pages make).
 *
 * Invariants
 * - Tokens are 32 random bytes; of links and sessions only SHA-256 digests are kept, in memory, and they end with the
 *   process.
 * - A link works once, for LIMITS.consoleLinkMs. A session ends after LIMITS.consoleIdleMs without a call, after
 *   LIMITS.consoleSessionMs whatever happens, or when it is signed out.
 * - A link that a session asked for opens one of the same person that ends no later, and nothing once that has ended.
 * - Sessions that a passkey opened, and those that they opened by links, end with the passkey.
 * - More sessions than LIMITS.consoleSessions end the one that was idle longest; so with links.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { type Clock, ConsiliumError, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import type { Role } from "./authorisation.ts";

export interface Session {
  readonly role: Role;
  /** Who signed in, for people: "one-time link", or a name that an identity provider gave. */
  readonly who: string;
  readonly csrf: string;
  readonly expiresMs: number;
  /** Identifier of the passkey that it was opened by, itself or the session whose link opened it. */
  readonly passkeyId: string | undefined;
}

interface Kept {
  readonly session: Session;
  lastMs: number;
}

interface Opening extends Pick<Session, "role" | "who" | "passkeyId"> {
  readonly endsByMs?: number;
}

interface Link {
  readonly role: Role;
  /** By which it was asked for: what it opens is the same person's, and ends no later. */
  readonly from: Session | undefined;
  readonly expiresMs: number;
}

export interface Sessions {
  /** A token for one signing in. @param from the session that asks for it: one that has ended opens nothing. */
  createLink(role: Role, from?: Session): { readonly token: string; readonly expiresMs: number };
  /** @throws ConsiliumError `sign-in-required` for a token that is unknown, used or too old */
  redeem(token: string): { readonly cookie: string; readonly session: Session };
  /** Opens a session for somebody whose identity was established elsewhere. @param passkeyId by which, if by one */
  open(role: Role, who: string, passkeyId?: string): { readonly cookie: string; readonly session: Session };
  /** The session of a cookie; a call keeps it alive. Undefined where there is none. */
  find(cookie: string | undefined): Session | undefined;
  end(cookie: string): void;
  /** Ends all that a passkey opened. */
  endByPasskey(passkeyId: string): void;
  /** Whether a session was ended, or its time is over: what it began is told no more. Not whether it is idle. */
  isOver(session: Session): boolean;
}

export function createSessions(clock: Clock): Sessions {
  const links = new Map<Sha256, Link>();
  const sessions = new Map<Sha256, Kept>();
  const ended = new WeakSet<Session>();

  function open(opening: Opening): { cookie: string; session: Session } {
    const { role, who, passkeyId, endsByMs = Number.POSITIVE_INFINITY } = opening;
    const nowMs = clock.nowMs();
    const cookie = newToken();
    const expiresMs = Math.min(nowMs + LIMITS.consoleSessionMs, endsByMs);
    const session = { role, who, csrf: newToken(), expiresMs, passkeyId };
    for (const [key, kept] of sessions) if (hasEnded(kept, nowMs)) sessions.delete(key);
    if (sessions.size >= LIMITS.consoleSessions) end(idlestOf(sessions));
    sessions.set(sha256(cookie), { session, lastMs: nowMs });
    return { cookie, session };
  }
  function end(key: Sha256): void {
    const kept = sessions.get(key);
    if (kept !== undefined) ended.add(kept.session);
    sessions.delete(key);
  }
  const lives = (session: Session): boolean =>
    [...sessions.values()].some((kept) => kept.session === session && !hasEnded(kept, clock.nowMs()));
  return {
    open: (role, who, passkeyId) => open({ role, who, passkeyId }),
    createLink(role, from) {
      const nowMs = clock.nowMs();
      for (const [key, { expiresMs }] of links) if (expiresMs <= nowMs) links.delete(key);
      if (links.size >= LIMITS.consoleSessions) links.delete([...links.keys()][0]);
      const token = newToken();
      const expiresMs = nowMs + LIMITS.consoleLinkMs;
      links.set(sha256(token), { role, from, expiresMs });
      return { token, expiresMs };
    },
    redeem(token) {
      const key = sha256(token);
      const link = links.get(key);
      links.delete(key);
      if (link === undefined || link.expiresMs <= clock.nowMs()) throw linkSpent();
      const { role, from } = link;
      if (from === undefined) return open({ role, who: "one-time link", passkeyId: undefined });
      if (!lives(from)) throw linkSpent();
      return open({ role, who: from.who, passkeyId: from.passkeyId, endsByMs: from.expiresMs });
    },
    find(cookie) {
      if (cookie === undefined) return undefined;
      const kept = sessions.get(sha256(cookie));
      if (kept === undefined) return undefined;
      if (hasEnded(kept, clock.nowMs())) {
        sessions.delete(sha256(cookie));
        return undefined;
      }
      kept.lastMs = clock.nowMs();
      return kept.session;
    },
    end: (cookie) => end(sha256(cookie)),
    endByPasskey(passkeyId) {
      for (const [key, { session }] of sessions) if (session.passkeyId === passkeyId) end(key);
    },
    isOver: (session) => ended.has(session) || clock.nowMs() >= session.expiresMs,
  };
}

export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** Whether both are the same, in a time that does not depend on where they differ. */
export function sameSecret(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function hasEnded({ session, lastMs }: Kept, nowMs: number): boolean {
  return nowMs >= session.expiresMs || nowMs - lastMs >= LIMITS.consoleIdleMs;
}

function idlestOf(sessions: ReadonlyMap<Sha256, Kept>): Sha256 {
  const [idlest] = [...sessions].reduce((a, b) => (a[1].lastMs <= b[1].lastMs ? a : b));
  return idlest;
}

function linkSpent(): ConsiliumError {
  return new ConsiliumError("sign-in-required", {
    subject: "sign-in link",
    expected: `a link that was not used yet, at most ${LIMITS.consoleLinkMs / 60_000} minutes old`,
    actual: "another",
    hint: "Ask for a new one: `consilium coordinator dashboard --home HOME`, or `consilium site console --home HOME`.",
  });
}
