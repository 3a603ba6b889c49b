/**
 * Who may do what in the dashboard and in a site's console: the one table from which every call is let through or
 * refused, and from which the test that tries every method under every role is made.
 *
 * Invariant: a method that is not in the table does not compile, and one that is unknown at run time is refused.
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

/** Who may register a passkey, to sign in by under the same role, and remove one. */
export const PASSKEY_ROLES: readonly Role[] = ["operator"];

type Rights<Methods> = Readonly<Record<keyof Methods, readonly Role[]>>;

const COORDINATOR_METHODS: Rights<typeof CoordinatorConsole.method> = {
  getStatus: EVERYBODY,
  watchStatus: EVERYBODY,
  getStudy: EVERYBODY,
  checkStudy: ["lead", "reviewer"],
  submitStudy: ["lead"],
  stopStudy: ["lead"],
  pauseStudy: ["lead"],
  changeRules: ["lead"],
  inviteSite: ["lead", "operator"],
  revokeSite: ["lead"],
  listModels: EVERYBODY,
  listJournal: ["lead", "auditor"],
  listCountersigned: ["lead", "auditor"],
  verifyJournal: ["lead", "auditor"],
};

const SITE_METHODS: Rights<typeof SiteConsole.method> = {
  getStatus: EVERYBODY,
  watchStatus: EVERYBODY,
  listReviews: EVERYBODY,
  decideStudy: ["reviewer"],
  listDepartures: ["reviewer", "operator", "auditor"],
  getLedger: ["reviewer", "operator", "auditor"],
  listCases: PATIENTS,
  predictCase: PATIENTS,
  getDataset: PATIENTS,
  listIntakes: PATIENTS,
  listCaseReviews: PATIENTS,
  runDoctor: ["operator"],
  getDoctor: ["operator"],
};

/** Files that are fetched by plain GET, beside the methods. */
export const DOWNLOADS = {
  "model.onnx": ["lead", "operator"],
  "weights.safetensors": ["lead", "operator"],
  "card.md": EVERYBODY,
  "report.html": EVERYBODY,
} as const satisfies Readonly<Record<string, readonly Role[]>>;

export type DownloadName = keyof typeof DOWNLOADS;

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
