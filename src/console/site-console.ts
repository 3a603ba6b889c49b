/** What a hospital's people see of their own home, and decide: the service behind `SiteConsole`. */
import type { ConnectRouter } from "@connectrpc/connect";
import { ConsiliumError, createTurns, type Json, LIMITS } from "../base/index.ts";
import { ACCOUNTANTS, type PrivacyBudget, rosterSha256Of } from "../privacy/index.ts";
import { SiteConsole, toConnectError } from "../protocol/index.ts";
import {
  approveStudy,
  pageOfLog,
  privacyAccount,
  readActivity,
  readSite,
  readSiteLog,
  reviewStudies,
  type StudyReview,
  setPrivacyBudget,
  siteStatus,
} from "../site/index.ts";
import { registrationOf } from "./register-order.ts";
import type { SiteCases } from "./site-cases.ts";
import type { SiteDatasets } from "./site-datasets.ts";
import { statusStream } from "./status-stream.ts";
import { unknownWord } from "./unknown-word.ts";
import type { RegistrationWork, SiteDoctor } from "./works.ts";

export interface SiteConsoleOptions {
  readonly home: string;
  readonly productVersion: string;
  readonly cases: Pick<SiteCases, "list" | "predict">;
  readonly datasets: SiteDatasets;
  readonly doctor: Pick<SiteDoctor, "begin" | "view">;
  readonly registration: Pick<RegistrationWork, "begin" | "view">;
}

export function siteConsole(options: SiteConsoleOptions): (router: ConnectRouter) => void {
  const { home, productVersion, cases, datasets, doctor, registration } = options;
  const status = async (): Promise<string> => {
    const { store } = await readSite(home);
    return JSON.stringify({ ...(await siteStatus(home)), activity: (await readActivity(store)) ?? null });
  };
  // Talking to the coordinator takes the home's lock for a moment: one at a time, or one would think that a site runs.
  const inTurn = createTurns();
  return (router) => {
    router.service(SiteConsole, {
      getStatus: () => answered(async () => ({ json: await status(), timeMs: BigInt(Date.now()) })),
      async *watchStatus(_, { signal }) {
        try {
          yield* statusStream({ read: status }, signal);
        } catch (error) {
          throw toConnectError(error);
        }
      },
      listReviews: () =>
        answered(async () => {
          const { reviews, asked } = await inTurn(() => reviewStudies({ home, productVersion }));
          const unreachable = asked instanceof ConsiliumError ? asked.toJSON() : null;
          return document({ reviews: reviews.map(reviewDocument), unreachable });
        }),
      decideStudy: (request) =>
        answered(async () => document(await inTurn(() => decide(home, productVersion, request)))),
      listDepartures: ({ what, study, before, limit }) =>
        answered(async () =>
          document(pageOfLog(await readSiteLog(home), { what, study, before: Number(before), limit })),
        ),
      getLedger: () => answered(async () => document(await privacyAccount(home))),
      setBudget: (request) =>
        answered(async () => {
          await inTurn(() => setPrivacyBudget(home, budgetOf(request)));
          return document(await privacyAccount(home));
        }),
      listCases: () => answered(async () => document(await cases.list())),
      getDataset: () => answered(async () => document(await datasets.dataset())),
      registerData: ({ key, ...asked }) =>
        answered(async () => {
          const dataset = await datasets.offered(key);
          return document(registration.begin({ dataset, ...registrationOf(asked) }));
        }),
      getRegistration: () => answered(async () => document(registration.view())),
      listIntakes: () => answered(async () => document(await datasets.intakes())),
      listCaseReviews: () => answered(async () => document(await datasets.reviews())),
      runDoctor: () => answered(async () => document(doctor.begin())),
      getDoctor: () => answered(async () => document(doctor.view())),
      predictCase: ({ caseId }) => answered(async () => document(await cases.predict(caseId))),
    });
  };
}

interface DecideRequest {
  readonly studyHash: string;
  readonly decision: string;
  readonly reason: string;
  readonly rosterSha256: string;
}

/** @throws ConsiliumError `roster-mismatch` where the offer is not what the reviewer saw, and what approving throws */
async function decide(home: string, productVersion: string, request: DecideRequest) {
  const { studyHash, decision, reason, rosterSha256 } = request;
  if (decision !== "approve" && decision !== "refuse") {
    throw unknownWord("decision", ["approve", "refuse"], decision);
  }
  const made = await approveStudy({
    home,
    productVersion,
    study: studyHash,
    decision,
    reason: reason.slice(0, LIMITS.reasonChars),
    rosterSha256,
  });
  const sent = made.sent instanceof ConsiliumError ? "not yet: the coordinator cannot be reached" : made.sent;
  return { decision: made.decision, sent };
}

/** @throws ConsiliumError `message-invalid`; bounds are the ledger's own to keep */
function budgetOf({ epsilon, delta, accountant }: BudgetRequest): PrivacyBudget {
  const by = ACCOUNTANTS.find((known) => known === (accountant || "rdp"));
  if (by === undefined) throw unknownWord("accountant", ACCOUNTANTS, accountant);
  return { epsilon, delta, accountant: by };
}

interface BudgetRequest {
  readonly epsilon: number;
  readonly delta: number;
  readonly accountant: string;
}

function reviewDocument(review: StudyReview) {
  const { studyHash, study, text, roster, networkBytes, offeredAtMs, decision, refusal, changes } = review;
  return {
    studyHash,
    name: study.name,
    study,
    text,
    roster,
    rosterSha256: rosterSha256Of(roster),
    networkBytes,
    offeredAtMs,
    decision: decision ?? null,
    refusal: refusal?.toJSON() ?? null,
    changes: changes ?? null,
  };
}

function document(value: unknown): { json: string } {
  return { json: JSON.stringify(value as Json) };
}

async function answered<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toConnectError(error);
  }
}
