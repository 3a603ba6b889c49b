/** The line to the coordinator: name, proxy, route, TLS, clock, membership, and what passes in a second. */
import { LIMITS, sha256 } from "../../base/index.ts";
import type { CoordinatorProbe, Transfer } from "../../protocol/index.ts";
import { bad, type Finding, find, good, type OnFinding, skipped } from "./finding.ts";

export interface LineOptions {
  readonly probe: CoordinatorProbe;
  readonly address: string;
  /** Whether the site has joined: before, only who listens there can be looked at. */
  readonly joined: boolean;
  /** Notes in the site's log that a test leaves, before it does; undefined where the home is in use. */
  readonly noteUpload: ((what: { bytes: number; sha256: string }) => Promise<void>) | undefined;
  readonly seconds: number;
  readonly onFinding: OnFinding;
}

export interface LineExamination {
  readonly findings: readonly Finding[];
  /** Bytes a second; undefined where it was not measured. */
  readonly downBytesPerSecond: number | undefined;
  readonly upBytesPerSecond: number | undefined;
}

/** Each stage needs the one before: after one that failed the others are skipped. */
export async function examineLine(options: LineOptions): Promise<LineExamination> {
  const { probe, joined, noteUpload, seconds, onFinding } = options;
  const { sealing } = probe;
  const findings: Finding[] = [];
  let down: Transfer | undefined;
  let up: Transfer | undefined;
  const stages: readonly (readonly [string, () => Promise<Omit<Finding, "check">>])[] = [
    ["name", () => nameFound(probe)],
    ["route", () => routeFound(probe)],
    ["tls", () => tlsFound(probe)],
    ...(sealing === undefined ? [] : [["sealing", () => sealingFound(sealing)] as const]),
    ["clock", () => (joined ? clockFound(probe) : Promise.resolve(skipped("looked at once the site has joined")))],
    ["membership", () => membershipFound(options)],
    [
      "download",
      async () => {
        if (!joined) return skipped("measured once the site has joined");
        down = await probe.measure("down", seconds);
        return rateFound(down);
      },
    ],
    [
      "upload",
      async () => {
        if (!joined) return skipped("measured once the site has joined");
        if (noteUpload === undefined) return skipped("the home is in use: stop the site to have it measured");
        await noteUpload({ bytes: LIMITS.probeBytes, sha256: sha256(new Uint8Array(LIMITS.probeBytes)) });
        up = await probe.measure("up", seconds);
        return rateFound(up);
      },
    ],
  ];
  for (const [check, look] of stages) {
    const broken = findings.find(({ outcome }) => outcome === "failed");
    const asked = broken ? () => Promise.resolve(skipped(`after ${broken.check} failed`)) : look;
    findings.push(await find(check, asked, onFinding));
  }
  return { findings, downBytesPerSecond: rateOf(down), upBytesPerSecond: rateOf(up) };
}

async function nameFound(probe: CoordinatorProbe): Promise<Omit<Finding, "check">> {
  const { host, addresses } = await probe.name();
  const via = probe.proxy();
  const words = host === addresses[0] ? `${host} is an address` : `${host} is ${addresses.join(", ")}`;
  return good(via === undefined ? words : `${words} (the proxy of HTTPS_PROXY)`, { host, addresses });
}

async function routeFound(probe: CoordinatorProbe): Promise<Omit<Finding, "check">> {
  const ms = await probe.route();
  const via = probe.proxy();
  const words = `a connection opens in ${ms.toFixed(0)} ms`;
  return good(via === undefined ? `${words}, straight` : `${words}, through the proxy ${via}`, {
    milliseconds: ms,
    proxy: via ?? null,
  });
}

async function tlsFound(probe: CoordinatorProbe): Promise<Omit<Finding, "check">> {
  const { protocol, expiresMs, authoritySha256 } = await probe.tls();
  const figures = { protocol, expiresMs, authoritySha256, mutual: probe.sealing === undefined };
  if (probe.sealing !== undefined) {
    const words = `${protocol}, ended by a proxy as this site chose, with a certificate until ${dayOf(expiresMs)}; mutual TLS is off`;
    const hint =
      "Where your network lets this address through unopened, leave the option out, or run `consilium site line --mutual-tls`.";
    return bad("warning", words, hint, figures);
  }
  return good(
    `${protocol}, the federation's own certificate until ${dayOf(expiresMs)}; nothing between ends TLS`,
    figures,
  );
}

async function sealingFound(ask: NonNullable<CoordinatorProbe["sealing"]>): Promise<Omit<Finding, "check">> {
  const { expiresMs, authoritySha256 } = await ask();
  const words = `the coordinator behind the proxy takes sealed calls, under the federation's own certificate until ${dayOf(expiresMs)}`;
  return good(words, { expiresMs, authoritySha256 });
}

function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

async function clockFound(probe: CoordinatorProbe): Promise<Omit<Finding, "check">> {
  const offsetMs = Math.round(await probe.clockOffsetMs());
  const seconds = Math.abs(offsetMs) / 1000;
  const figures = { offsetMs };
  if (Math.abs(offsetMs) <= LIMITS.clockOffsetToldMs)
    return good(`within ${Math.ceil(seconds)} s of the coordinator's`, figures);
  const words = `${seconds.toFixed(0)} s ${offsetMs > 0 ? "behind" : "ahead of"} the coordinator's`;
  return bad("failed", words, "Set this machine's clock: certificates and deadlines go by it.", figures);
}

async function membershipFound({ probe, joined }: LineOptions): Promise<Omit<Finding, "check">> {
  if (!joined) return skipped("`consilium site join` has not been run here");
  await probe.membership();
  return good("the coordinator knows this site and its key");
}

function rateFound({ bytes, seconds }: Transfer): Omit<Finding, "check"> {
  const rate = bytes / seconds;
  return good(`${(rate / 1e6).toFixed(1)} MB a second`, { bytesPerSecond: Math.round(rate) });
}

function rateOf(transfer: Transfer | undefined): number | undefined {
  return transfer && transfer.bytes / transfer.seconds;
}
