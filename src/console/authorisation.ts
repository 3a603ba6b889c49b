/**
 * Who may do what in the dashboard and in a site's console: the tables from which every call and every plain request is let
 * through or refused, and from which the tests that try each of them under every role are made.
 *
 * Invariant: a method or a route that is not in its table does not compile, and one that is unknown at run time is refused.
 */
import { ConsiliumError } from "../base/index.ts";
import { CoordinatorConsole, SiteConsole } from "../protocol/index.ts";

export const ROLES = ["lead", "reviewer", "operator", "auditor", "read-only"] as const;
export type Role = (typeof ROLES)[number];

/** Whose home is looked at. */
export type Face = "coordinator" | "site";

const EVERYBODY: readonly Role[] = ROLES;

/** Who sees a patient's scans, and may have them outlined: whoever works with them at the hospital anyway. */
export const PATIENTS: readonly Role[] = ["reviewer", "operator"];

type Rights<Methods> = Readonly<Record<keyof Methods, readonly Role[]>>;

const COORDINATOR_METHODS: Rights<typeof CoordinatorConsole.method> = {
  getStatus: EVERYBODY,
  watchStatus: EVERYBODY,
  getStudy: EVERYBODY,
  checkStudy: ["lead", "reviewer"],
  submitStudy: ["lead"],
  stopStudy: ["lead"],
  beginStudy: ["lead"],
  pauseStudy: ["lead"],
  changeRules: ["lead"],
  inviteSite: ["lead", "operator"],
  revokeSite: ["lead"],
  listModels: EVERYBODY,
  compareModels: EVERYBODY,
  listJournal: ["lead", "auditor"],
  listCountersigned: ["lead", "auditor"],
  verifyJournal: ["lead", "auditor"],
  runReplay: ["lead", "auditor"],
  getReplay: ["lead", "auditor"],
  rotateAuthority: ["lead"],
};

const SITE_METHODS: Rights<typeof SiteConsole.method> = {
  getStatus: EVERYBODY,
  watchStatus: EVERYBODY,
  listReviews: EVERYBODY,
  decideStudy: ["reviewer"],
  listDepartures: ["reviewer", "operator", "auditor"],
  getLedger: ["reviewer", "operator", "auditor"],
  setBudget: ["reviewer"],
  listCases: PATIENTS,
  predictCase: PATIENTS,
  getDataset: PATIENTS,
  registerData: ["operator"],
  getRegistration: ["operator"],
  listIntakes: PATIENTS,
  listCaseReviews: PATIENTS,
  runDoctor: ["operator"],
  getDoctor: ["operator"],
};

/** Plain requests by which people sign in: whoever reaches the console may make them. */
export const OPEN_ROUTES = [
  "GET /session",
  "POST /session",
  "GET /oidc/begin",
  "GET /oidc/callback",
  "POST /passkey/sign-in",
  "POST /passkey/signed-in",
] as const;

export type OpenRoute = (typeof OPEN_ROUTES)[number];

interface RouteRights {
  readonly roles: readonly Role[];
  /** Of the session: its cookie alone where a link of the page leads there, else its second token as well. */
  readonly shows: "cookie" | "both tokens";
}

/** Who may register a passkey, to sign in by under the same role, and remove one. */
const WITH_PASSKEYS: RouteRights = { roles: ["operator"], shows: "both tokens" };
/** Who may bring the files that a study names: whoever may submit it. */
const WITH_STUDIES: RouteRights = { roles: ["lead"], shows: "both tokens" };
const WITH_PATIENTS: RouteRights = { roles: PATIENTS, shows: "both tokens" };

/** All other plain requests, by what they ask for. Beside both lists there are the page's own files alone. */
export const ROUTES = {
  "DELETE /session": { roles: EVERYBODY, shows: "both tokens" },
  "POST /passkey/list": WITH_PASSKEYS,
  "POST /passkey/register": WITH_PASSKEYS,
  "POST /passkey/registered": WITH_PASSKEYS,
  "POST /passkey/remove": WITH_PASSKEYS,
  "POST /passkey/at-name": WITH_PASSKEYS,
  "GET /study-files": WITH_STUDIES,
  "POST /study-file": WITH_STUDIES,
  "DELETE /study-file": WITH_STUDIES,
  "GET /volume": WITH_PATIENTS,
  "GET /sheet": WITH_PATIENTS,
  "GET /download/model.onnx": { roles: ["lead", "operator"], shows: "cookie" },
  "GET /download/weights.safetensors": { roles: ["lead", "operator"], shows: "cookie" },
  "GET /download/model.json": { roles: ["lead", "operator"], shows: "cookie" },
  "GET /download/card.md": { roles: EVERYBODY, shows: "cookie" },
  "GET /download/report.html": { roles: EVERYBODY, shows: "cookie" },
} as const satisfies Readonly<Record<string, RouteRights>>;

export type Route = keyof typeof ROUTES;

type NameOfDownload<Each> = Each extends `GET /download/${infer Name}` ? Name : never;
export type DownloadName = NameOfDownload<Route>;

/** By the name under which Connect knows a method: `consilium.v1.CoordinatorConsole/GetStatus`. */
export const AUTHORISATION: ReadonlyMap<string, readonly Role[]> = new Map([
  ...rightsOf(CoordinatorConsole, COORDINATOR_METHODS),
  ...rightsOf(SiteConsole, SITE_METHODS),
]);

interface Described {
  readonly typeName: string;
  readonly methods: readonly { readonly name: string; readonly localName: string }[];
}

function rightsOf({ typeName, methods }: Described, rights: Readonly<Record<string, readonly Role[]>>) {
  return methods.map(({ name, localName }) => [`${typeName}/${name}`, rights[localName] ?? []] as const);
}

/** @throws ConsiliumError `role-refused` */
export function checkRole(role: Role, allowed: readonly Role[] | undefined, what: string): void {
  if (allowed?.includes(role)) return;
  throw new ConsiliumError("role-refused", {
    subject: what,
    expected: allowed === undefined || allowed.length === 0 ? "something that is offered here" : allowed.join(" or "),
    actual: role,
    hint: "Ask whoever runs this home for a link with another role.",
  });
}
