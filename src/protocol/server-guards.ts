/**
 * What one caller may take of the coordinator's port. Whoever is slow, silent or asks without end is held back by itself,
 * and leaves the others what is theirs.
 *
 * Who is believed is known by its key; who is not, by the address that it calls from. Sites behind one address (a proxy, a
 * hospital's gateway) share that address's connections, but each has its own calls.
 */
import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { type Clock, createRateLimit, LIMITS, type RateLimit } from "../base/index.ts";

export interface ServerLimits {
  /** Of all callers together; more are closed at once. */
  readonly connections: number;
  /** Of one address, whether believed or not: a small part of all. */
  readonly connectionsPerAddress: number;
  /** Of one believed key: a link has two, and commands beside a running site their own. The oldest is closed. */
  readonly sessionsPerSite: number;
  /** How long a session lasts that shows no certificate: joining takes seconds. */
  readonly strangerSessionMs: number;
  /** Of one believed key: pieces of objects are calls, too. */
  readonly callsAtOnce: number;
  readonly callsPerSecond: number;
  /** Of one address without a certificate. */
  readonly strangerCallsAtOnce: number;
  readonly strangerCallsPerSecond: number;
  /** From a call's first byte to its last; a piece of an object at the slowest throttle takes seven minutes. */
  readonly callMs: number;
}

export const USUAL_SERVER_LIMITS: ServerLimits = {
  connections: 4 * LIMITS.sitesPerFederation,
  connectionsPerAddress: 512,
  sessionsPerSite: 8,
  strangerSessionMs: 60_000,
  callsAtOnce: 2_000,
  callsPerSecond: 500,
  strangerCallsAtOnce: 200,
  strangerCallsPerSecond: 20,
  callMs: 10 * 60_000,
};

export interface ServerGuards {
  onConnection(socket: Socket): void;
  /** @param keySha256 of the believed certificate; undefined for a stranger. */
  onSession(session: Http2Session, keySha256: string | undefined): void;
  /** Whether the caller may ask now. */
  mayCall(session: Http2Session | undefined): boolean;
  /** The same of a sealed call: of whose address it is before it is opened, of whose key it is after. */
  maySeal(caller: Socket | string): boolean;
}

export function createServerGuards(limits: ServerLimits, clock: Clock): ServerGuards {
  const connections = new Map<string, number>();
  const sessionsOf = new Map<string, Set<Http2Session>>();
  const keys = new WeakMap<Http2Session, string>();
  const calls = createRateLimit("calls of a site", limits.callsAtOnce, limits.callsPerSecond, clock);
  /** Behind one proxy are several sites. */
  const sealed = createRateLimit("sealed calls of an address", limits.callsAtOnce, limits.callsPerSecond, clock);
  const strangers = createRateLimit(
    "calls without a certificate",
    limits.strangerCallsAtOnce,
    limits.strangerCallsPerSecond,
    clock,
  );
  return {
    onConnection(socket) {
      const address = addressOf(socket);
      const open = (connections.get(address) ?? 0) + 1;
      if (open > limits.connectionsPerAddress) {
        socket.destroy();
        return;
      }
      connections.set(address, open);
      socket.once("close", () => {
        const left = (connections.get(address) ?? 1) - 1;
        if (left > 0) connections.set(address, left);
        else connections.delete(address);
      });
    },
    onSession(session, keySha256) {
      if (keySha256 === undefined) {
        const end = setTimeout(() => session.destroy(), limits.strangerSessionMs);
        end.unref();
        session.once("close", () => clearTimeout(end));
        return;
      }
      keys.set(session, keySha256);
      const own = sessionsOf.get(keySha256) ?? new Set();
      sessionsOf.set(keySha256, own.add(session));
      session.once("close", () => {
        own.delete(session);
        if (own.size === 0) sessionsOf.delete(keySha256);
      });
      const [oldest] = own;
      if (own.size > limits.sessionsPerSite) oldest.destroy();
    },
    mayCall(session) {
      if (session === undefined || session.destroyed) return false;
      const key = keys.get(session);
      if (key === undefined) return mayTake(strangers, addressOf(session.socket));
      return mayTake(calls, key);
    },
    maySeal: (caller) => (typeof caller === "string" ? mayTake(calls, caller) : mayTake(sealed, addressOf(caller))),
  };
}

function mayTake(limit: RateLimit, caller: string): boolean {
  try {
    limit.take(caller);
    return true;
  } catch {
    return false;
  }
}

function addressOf({ remoteAddress }: { readonly remoteAddress?: string | undefined }): string {
  return remoteAddress ?? "";
}
