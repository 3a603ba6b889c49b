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
}

interface Kept {
  readonly session: Session;
  lastMs: number;
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
  /** Opens a session for somebody whose identity was established elsewhere. */
  open(role: Role, who: string): { readonly cookie: string; readonly session: Session };
  /** The session of a cookie; a call keeps it alive. Undefined where there is none. */
  find(cookie: string | undefined): Session | undefined;
  end(cookie: string): void;
}

export function createSessions(clock: Clock): Sessions {
  const links = new Map<Sha256, Link>();
  const sessions = new Map<Sha256, Kept>();

  function open(role: Role, who: string, endsByMs = Number.POSITIVE_INFINITY): { cookie: string; session: Session } {
    const nowMs = clock.nowMs();
    const cookie = newToken();
    const expiresMs = Math.min(nowMs + LIMITS.consoleSessionMs, endsByMs);
    const session = { role, who, csrf: newToken(), expiresMs };
    for (const [key, kept] of sessions) if (hasEnded(kept, nowMs)) sessions.delete(key);
    if (sessions.size >= LIMITS.consoleSessions) dropIdlest(sessions);
    sessions.set(sha256(cookie), { session, lastMs: nowMs });
    return { cookie, session };
  }
  const lives = (session: Session): boolean =>
    [...sessions.values()].some((kept) => kept.session === session && !hasEnded(kept, clock.nowMs()));
  return {
    open: (role, who) => open(role, who),
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
      if (from === undefined) return open(role, "one-time link");
      if (!lives(from)) throw linkSpent();
      return open(role, from.who, from.expiresMs);
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
    end: (cookie) => void sessions.delete(sha256(cookie)),
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

function dropIdlest(sessions: Map<Sha256, Kept>): void {
  const [idlest] = [...sessions].reduce((a, b) => (a[1].lastMs <= b[1].lastMs ? a : b));
  sessions.delete(idlest);
}

function linkSpent(): ConsiliumError {
  return new ConsiliumError("sign-in-required", {
    subject: "sign-in link",
    expected: `a link that was not used yet, at most ${LIMITS.consoleLinkMs / 60_000} minutes old`,
    actual: "another",
    hint: "Ask for a new one: `consilium coordinator dashboard --home HOME`, or `consilium site console --home HOME`.",
  });
}
