/**
 * Whether this site can take part: the line to the coordinator, and what a study asks of this machine. It is asked
 * before a round, by a person or a program; it changes nothing but a line in the site's log for what its test of the
 * line sends (zeros).
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { systemClock } from "../../base/index.ts";
import {
  type CoordinatorProbe,
  type ProbeOptions,
  parseInvitation,
  probeCoordinator,
  probeSealed,
} from "../../protocol/index.ts";
import type { Study } from "../../study/index.ts";
import { readSite, type Site, type TlsProxy } from "../home.ts";
import { lockHome } from "../home-lock.ts";
import { destinationOf } from "../line.ts";
import { readReviews } from "../reviews.ts";
import { readRegisteredData } from "../site-data.ts";
import { openSiteLog } from "../site-log.ts";
import { examineLine } from "./examine-line.ts";
import { examineStudy } from "./examine-study.ts";
import type { Finding, OnFinding } from "./finding.ts";

export interface ExamineOptions {
  /** A joined home. */
  readonly home?: string | undefined;
  /** An invitation, before joining. */
  readonly invitationFile?: string | undefined;
  /** Beside an invitation: a proxy that ends TLS, which the site would speak through. A joined site has chosen already. */
  readonly tlsProxy?: TlsProxy | undefined;
  /** The study to measure; the one that was offered last unless given. */
  readonly study?: { readonly study: Study; readonly modelBytes: Uint8Array | undefined } | undefined;
  /** Training steps that are timed. */
  readonly steps: number;
  /** Seconds of transfer, each way. */
  readonly seconds: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** Told of each as soon as it is found. */
  readonly onFinding?: OnFinding;
}

export interface Examination {
  /** Whether nothing failed. */
  readonly fits: boolean;
  readonly study: string | null;
  readonly findings: readonly Finding[];
}

/** @throws ConsiliumError `home-invalid`, `invitation-invalid`, `invitation-expired` */
export async function examineSite(options: ExamineOptions): Promise<Examination> {
  const { home, invitationFile, onFinding } = options;
  const site = invitationFile === undefined && home !== undefined ? await readSite(home) : undefined;
  const { probe, address } = site === undefined ? await probeOfInvitation(options) : probeOfSite(site, options);
  try {
    const line = await withUploadNoted(site, (noteUpload) =>
      examineLine({ probe, address, joined: site !== undefined, noteUpload, seconds: options.seconds, onFinding }),
    );
    const examined = options.study ?? (site && (await offeredStudy(site)));
    const { downBytesPerSecond, upBytesPerSecond } = line;
    const aboutStudy =
      examined === undefined
        ? []
        : await examineStudy({
            ...examined,
            data: site && (await readRegisteredData(site.store)),
            home: home ?? ".",
            steps: options.steps,
            downBytesPerSecond,
            upBytesPerSecond,
            signal: options.signal,
            onFinding,
          });
    const findings = [...line.findings, ...aboutStudy];
    return {
      fits: findings.every(({ outcome }) => outcome !== "failed"),
      study: examined?.study.name ?? null,
      findings,
    };
  } finally {
    probe.close();
  }
}

function probeOfSite(site: Site, { environment }: ExamineOptions): { probe: CoordinatorProbe; address: string } {
  const { address } = site.membership;
  const { authorityPem, certificatePem, keyPem } = site;
  const own = { certificatePem, keyPem };
  return { address, probe: probeOver(site.tlsProxy, { address, believed: { authorityPem }, own, environment }) };
}

async function probeOfInvitation(options: ExamineOptions): Promise<{ probe: CoordinatorProbe; address: string }> {
  const file = options.invitationFile ?? "";
  const invitation = parseInvitation(await readFile(file, "utf8"), basename(file), systemClock.nowMs());
  const { address, caFingerprint } = invitation;
  const believed = { fingerprint: caFingerprint };
  const { environment, tlsProxy } = options;
  return { address, probe: probeOver(tlsProxy, { address, believed, environment }) };
}

function probeOver(tlsProxy: TlsProxy | undefined, options: ProbeOptions): CoordinatorProbe {
  return tlsProxy === undefined ? probeCoordinator(options) : probeSealed({ ...options, proxyCaPem: tlsProxy.caPem });
}

async function offeredStudy({ store }: Site): Promise<NonNullable<ExamineOptions["study"]> | undefined> {
  const [review] = await readReviews(store);
  if (review === undefined) return undefined;
  const { network } = review.study;
  const held = network.kind === "onnx" && network.sha256 !== undefined && (await store.hasObject(network.sha256));
  const modelBytes = held && network.kind === "onnx" ? await store.object(network.sha256 ?? "") : undefined;
  return { study: review.study, modelBytes };
}

type NoteUpload = Parameters<typeof examineLine>[0]["noteUpload"];

/** What leaves is in the log first, and the log has one writer at a time. */
async function withUploadNoted<T>(site: Site | undefined, work: (note: NoteUpload) => Promise<T>): Promise<T> {
  const lock = site && (await lockHome(site.home).catch(() => undefined));
  if (site === undefined || lock === undefined) return work(undefined);
  try {
    const log = await openSiteLog(site.store);
    const to = destinationOf(site.membership);
    return await work((what) =>
      log.record({ what: "connection test", to, ...what, studyHash: "", round: 0 }, systemClock.nowMs()),
    );
  } finally {
    lock.release();
  }
}
