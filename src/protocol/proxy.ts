/**
 * Which way out: straight, or through the proxy that HTTPS_PROXY names, unless NO_PROXY excepts the coordinator. The
 * spelling is that of curl and most tools: upper or lower case, `http://[user:password@]host[:port]`; NO_PROXY is a list
 * of names (with everything under them), addresses, ranges such as 10.0.0.0/8, each with an optional port, or `*`.
 *
 * Invariant: a proxy's password is in no message and no log.
 */
import { BlockList, isIP } from "node:net";
import { ConsiliumError } from "../base/index.ts";
import { splitAddress } from "./tls.ts";

export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  /** Whether the proxy itself is spoken to over TLS. */
  readonly tls: boolean;
  /** Value of Proxy-Authorization (RFC 9110, 11.7; Basic: RFC 7617). */
  readonly authorization: string | undefined;
  /** host:port, for messages. */
  readonly name: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param address host:port of the coordinator
 * @returns undefined where it is dialled straight
 * @throws ConsiliumError `usage` for a proxy that cannot be understood
 */
export function proxyFor(address: string, environment: Environment): HttpProxy | undefined {
  const typed = (environment.HTTPS_PROXY ?? environment.https_proxy ?? "").trim();
  if (typed === "" || isExcepted(address, environment.NO_PROXY ?? environment.no_proxy ?? "")) return undefined;
  return parseProxy(typed);
}

function parseProxy(typed: string): HttpProxy {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `http://${typed}`);
  if (url === null || !["http:", "https:"].includes(url.protocol) || url.hostname === "") {
    throw new ConsiliumError("usage", {
      subject: "HTTPS_PROXY",
      expected: "http://host:port or http://user:password@host:port",
      actual: url === null ? "something else" : `a proxy of kind ${url.protocol.slice(0, -1)}`,
      hint: "Ask your network's operator for the address of the HTTP proxy; special characters of a password are %-encoded.",
    });
  }
  const tls = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (tls ? 443 : 80) : Number(url.port);
  return { host, port, tls, authorization: authorizationOf(url), name: `${url.hostname}:${port}` };
}

function authorizationOf({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials).toString("base64")}`;
}

function isExcepted(address: string, list: string): boolean {
  const { host, port } = splitAddress(address);
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .some((entry) => matches(entry.toLowerCase(), host.toLowerCase(), port));
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === "*") return true;
  const [, bracketed, plain, entryPort] = /^(?:\[([^\]]+)\]|([^:]+|.*:.*:.*?))(?::(\d{1,5}))?$/.exec(entry) ?? [];
  if (entryPort !== undefined && Number(entryPort) !== port) return false;
  const name = bracketed ?? plain ?? entry;
  if (isIP(host)) return inRange(name, host);
  const suffix = name.replace(/^\*?\./, "");
  return host === suffix || host.endsWith(`.${suffix}`);
}

function inRange(entry: string, host: string): boolean {
  const family = isIP(host) === 6 ? "ipv6" : "ipv4";
  const [network, prefix] = entry.split("/");
  if (isIP(network) !== isIP(host)) return false;
  const range = new BlockList();
  const bits = prefix === undefined ? (family === "ipv6" ? 128 : 32) : Number(prefix);
  try {
    range.addSubnet(network, bits, family);
    return range.check(host, family);
  } catch {
    return false;
  }
}
