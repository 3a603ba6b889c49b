/** What the dashboard asks of a running coordinator: the service behind `CoordinatorConsole`. */
import type { ConnectRouter } from "@connectrpc/connect";
import { createRateLimit, type Json, LIMITS, systemClock } from "../base/index.ts";
import {
  type Coordinator,
  checkHomePassphrase,
  compareStudyModels,
  modelsOf,
  roundCount,
  verifyHome,
} from "../coordinator/index.ts";
import { CoordinatorConsole, toConnectError } from "../protocol/index.ts";
import { SESSION } from "./callers.ts";
import type { OfferedStudies } from "./offered-studies.ts";
import { statusStream } from "./status-stream.ts";
import { checkedPlan, submittedPlan } from "./study-plan.ts";
import type { ReplayWork } from "./works.ts";

export interface CoordinatorConsoleOptions {
  readonly home: string;
  readonly coordinator: Coordinator;
  readonly studies: Pick<OfferedStudies, "check" | "submit">;
  readonly replay: Pick<ReplayWork, "begin" | "view">;
}

export function coordinatorConsole(options: CoordinatorConsoleOptions): (router: ConnectRouter) => void {
  const { home, coordinator, studies, replay } = options;
  const passphrases = createRateLimit(
    "passphrases of the authority's key",
    LIMITS.consoleSignInsBurst,
    LIMITS.consoleSignInsPerSecond,
    systemClock,
  );
  return (router) => {
    router.service(CoordinatorConsole, {
      getStatus: ({ roundsAfter }) => ({
        json: JSON.stringify(coordinator.status(roundsAfter)),
        timeMs: BigInt(Date.now()),
      }),
      async *watchStatus({ roundsAfter }, { signal }) {
        let known = roundsAfter;
        const source = {
          read: () => JSON.stringify(coordinator.status(known)),
          onChange: (listener: () => void) => coordinator.onNews(listener),
        };
        for await (const update of statusStream(source, signal)) {
          yield update;
          // The last round goes out again, since its evaluation comes after it.
          known = Math.max(known, roundsIn(coordinator) - 1);
        }
      },
      getStudy: () => document(submittedPlan(coordinator.state())),
      checkStudy: ({ yaml }, { values }) =>
        answered(async () => {
          const study = await studies.check(yaml, values.get(SESSION));
          return document(checkedPlan(coordinator.state(), study));
        }),
      submitStudy: (asked, { values }) =>
        answered(async () => document(await studies.submit(asked, values.get(SESSION)))),
      stopStudy: ({ reason }) =>
        answered(async () => {
          await coordinator.stopStudy(words(reason));
          return {};
        }),
      beginStudy: ({ reason }) =>
        answered(async () => {
          await coordinator.changeStudy({ kind: "study-begun", reason: words(reason) });
          return {};
        }),
      pauseStudy: ({ paused, reason }) =>
        answered(async () => {
          await coordinator.changeStudy({ kind: paused ? "study-paused" : "study-resumed", reason: words(reason) });
          return {};
        }),
      changeRules: ({ reason, deadlineS, quorum, rounds }) =>
        answered(async () => {
          await coordinator.changeStudy({
            kind: "study-changed",
            reason: words(reason),
            ...(deadlineS !== undefined && { deadlineS }),
            ...(quorum !== undefined && { quorum: quorum === 0 ? "all" : quorum }),
            ...(rounds !== undefined && { rounds }),
          });
          return {};
        }),
      inviteSite: ({ siteId, validHours }) =>
        answered(async () => {
          const made = await coordinator.invite({ siteId, validHours });
          return { siteId: made.siteId, expiresMs: BigInt(made.expiresMs), text: made.text };
        }),
      revokeSite: ({ siteId, reason }) =>
        answered(async () => {
          await coordinator.revokeSite(siteId, words(reason));
          return {};
        }),
      listModels: () => document(modelsOf(coordinator.state())),
      compareModels: ({ before, after, region }) =>
        answered(() =>
          document(
            compareStudyModels(modelsOf(coordinator.state()), {
              before: before || undefined,
              after: after || undefined,
              region: region || undefined,
            }),
          ),
        ),
      listJournal: ({ after, limit }) => answered(() => journalPage(coordinator, Number(after), limit)),
      listCountersigned: () => answered(() => countersignedHeads(coordinator)),
      verifyJournal: () => answered(async () => document(await verifyHome(home))),
      runReplay: () => answered(() => document(replay.begin())),
      getReplay: () => answered(() => document(replay.view())),
      rotateAuthority: ({ passphrase, overlapDays }) =>
        answered(async () => {
          passphrases.take("all");
          await checkHomePassphrase(home, passphrase === "" ? undefined : passphrase);
          return document(await coordinator.rotateAuthority(overlapDays));
        }),
    });
  };
}

function document(value: unknown): { json: string } {
  return { json: JSON.stringify(value as Json) };
}

async function answered<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toConnectError(error);
  }
}

function words(reason: string): string {
  return reason.slice(0, LIMITS.reasonChars);
}

function roundsIn(coordinator: Coordinator): number {
  return roundCount(coordinator.state().study);
}

async function journalPage({ journal }: Coordinator, after: number, limit: number) {
  const most = LIMITS.journalPageRecords;
  const head = journal.head();
  const records = await journal.page(after, limit === 0 ? most : Math.min(limit, most));
  return {
    records: records.map(({ number, body, sha256 }) => ({ number: BigInt(number), body, sha256 })),
    headNumber: BigInt(head.number),
    headSha256: head.sha256,
  };
}

async function countersignedHeads({ journal }: Coordinator) {
  const heads = await journal.countersigned();
  return {
    heads: heads.map(({ siteId, keySha256, head, evidence }) => ({
      siteId,
      keySha256,
      number: BigInt(head.number),
      sha256: head.sha256,
      header: evidence.header,
      body: new Uint8Array(Buffer.from(evidence.body, "base64")),
      signature: new Uint8Array(Buffer.from(evidence.signature, "base64")),
    })),
  };
}
