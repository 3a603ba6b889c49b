/**
 * What can be done where: every command beside what the dashboard and the console ask for the same, or why it is on the
 * command line alone; and the other way round. `scripts/reference-pages.test.ts` fails where a command, a method or a
 * plain request is in neither.
 */
import { COMMANDS } from "../../src/cli/commands/index.ts";
import type { Route } from "../../src/console/index.ts";
import type { CoordinatorConsole, SiteConsole } from "../../src/protocol/index.ts";

type OfCoordinator = keyof typeof CoordinatorConsole.method;
type OfSite = keyof typeof SiteConsole.method;
export type Asked = `coordinator ${OfCoordinator}` | `site ${OfSite}` | Route;

interface InBoth {
  readonly asked: readonly Asked[];
  /** What the browser does otherwise, or leaves to the command. */
  readonly but?: string;
}

/** Why a command has no counterpart in a browser. */
interface OnTheCommandLine {
  readonly why: string;
}

const FILES = "works on files of whoever runs it, named by paths; a browser names none, and no home is asked";
const PROCESS = "a process of the machine, which its service manager starts and stops";
const ENGINE = "an engineer's tool for networks, without a home";
/** By which a browser brings an ONNX network, and weights to start from. */
const STUDY_FILES = ["GET /study-files", "POST /study-file", "DELETE /study-file"] as const;

export const WHERE: Readonly<Record<string, InBoth | OnTheCommandLine>> = {
  demo: { why: "begins a federation of its own, to look at" },
  intake: {
    asked: ["site listIntakes", "GET /sheet"],
    but: "the browser shows states, errors and contact sheets; taking in reads folders that a path names",
  },
  simulate: { why: FILES },
  train: { why: FILES },
  segment: {
    asked: ["site predictCase", "site listCases", "GET /volume"],
    but: "the browser outlines cases that are registered, by the site's own model, and shows them",
  },
  serve: { why: PROCESS },
  evaluate: { why: FILES },
  compare: { why: FILES },
  "review draft": { why: FILES },
  "review return": { why: FILES },
  "review status": { asked: ["site listCaseReviews"] },
  "cohort make": { why: FILES },
  "cohort check": {
    asked: ["site getDataset"],
    but: "the browser shows what the last check for this site found",
  },
  "coordinator init": { why: "before it there is no home to sign in to" },
  "coordinator start": { why: PROCESS },
  "coordinator dashboard": {
    why: "gives roles: whoever may read the home decides, and nobody who is signed in gives another role",
  },
  "coordinator invite": { asked: ["coordinator inviteSite"] },
  "coordinator revoke": { asked: ["coordinator revokeSite"] },
  "coordinator rotate-ca": {
    asked: ["coordinator rotateAuthority"],
    but: "the browser asks for the passphrase each time, and keeps it nowhere",
  },
  "coordinator passphrase": {
    why: "the coordinator must be stopped; a new passphrase is typed at the machine that keeps the key, and nowhere else",
  },
  "coordinator verify": {
    asked: ["coordinator verifyJournal", "coordinator listJournal", "coordinator listCountersigned"],
    but: "the browser checks chain, signatures and countersigned heads by itself as well; --head takes heads from elsewhere",
  },
  "study check": { asked: ["coordinator checkStudy", ...STUDY_FILES] },
  "study submit": { asked: ["coordinator submitStudy", ...STUDY_FILES] },
  "study statistics": { asked: ["coordinator getStatus"] },
  "study matrix": { asked: ["coordinator getStatus"] },
  "study plan": { asked: ["coordinator getStudy"] },
  "study report": { asked: ["GET /download/report.html"] },
  "study begin": { asked: ["coordinator beginStudy"] },
  "study pause": { asked: ["coordinator pauseStudy"] },
  "study resume": { asked: ["coordinator pauseStudy"] },
  "study change": { asked: ["coordinator changeRules"] },
  "study stop": { asked: ["coordinator stopStudy"] },
  status: { asked: ["coordinator getStatus", "coordinator watchStatus"] },
  replay: {
    asked: ["coordinator runReplay", "coordinator getReplay"],
    but: "the browser lists 500 rounds, those that differ first",
  },
  "site doctor": { asked: ["site runDoctor", "site getDoctor"] },
  "site join": {
    why: "before it there is no home to sign in to; the invitation is a secret that no browser's folder of downloads keeps",
  },
  "site line": {
    why: "decides whom the site believes on its way out, by a proxy's certificate in a file, while the site is stopped",
  },
  "site data": {
    asked: ["site registerData", "site getRegistration", "site getDataset"],
    but: "the browser chooses among folders that the console was started with (`--data`, `--intake`, `--review`) and the registered one: a path that it named could be any of the machine; the split's seed is the command's",
  },
  "site review": { asked: ["site listReviews"] },
  "site approve": { asked: ["site decideStudy"] },
  "site leave": { asked: ["site decideStudy"] },
  "site start": { why: PROCESS },
  "site console": {
    why: "gives roles: whoever may read the home decides, and nobody who is signed in gives another role",
  },
  "site status": { asked: ["site getStatus", "site watchStatus"] },
  "site log": { asked: ["site listDepartures"] },
  "site ledger": { asked: ["site getLedger"] },
  "site budget": { asked: ["site setBudget"] },
  "passkeys list": { asked: ["POST /passkey/list"] },
  "passkeys remove": { asked: ["POST /passkey/remove"] },
  "model export": {
    asked: [
      "GET /download/model.onnx",
      "GET /download/weights.safetensors",
      "GET /download/model.json",
      "GET /download/card.md",
    ],
    but: "the browser fetches the folder's files one by one",
  },
  "model compare": { asked: ["coordinator compareModels", "coordinator listModels"] },
  "model inspect": { why: ENGINE },
  "model profile": { why: ENGINE },
  "model tune": { why: ENGINE },
  "model verify": { why: ENGINE },
  "privacy epsilon": { why: "reckons with numbers that are typed, without a home" },
  next: { asked: ["coordinator getStatus", "site getStatus"], but: "screens say what to do next in their place" },
  docs: { why: "serves these pages" },
  completion: { why: "of a shell" },
};

const PASSKEYS = "made by a browser and its device, for signing in to it";

/** What is asked by browsers and has no command. */
export const IN_BROWSERS_ALONE: Readonly<Partial<Record<Asked, string>>> = {
  "DELETE /session": "ends a browser's session",
  "POST /passkey/register": PASSKEYS,
  "POST /passkey/registered": PASSKEYS,
  "POST /passkey/at-name": PASSKEYS,
};

export function wherePage(): string {
  const rows = COMMANDS.map(({ path }) => {
    const words = path.join(" ");
    const entry = WHERE[words];
    const [asked, told] = "why" in entry ? ["–", entry.why] : [entry.asked.map(askedText).join(", "), entry.but ?? ""];
    return `| \`consilium ${words}\` | ${asked} | ${told} |`;
  });
  const alone = Object.entries(IN_BROWSERS_ALONE).map(([asked, why]) => `| ${askedText(asked)} | ${why} |`);
  return `# What can be done where

The command line and the browser do the same by the same functions. Where one of them leaves something out, it is said
here with the reason. Names in the second column are methods and requests of the [API](API.md); *coordinator* is the
dashboard, *site* the site's console.

| command | in the browser | what differs, or why not |
| --- | --- | --- |
${rows.join("\n")}

## In browsers alone

| asked | why there is no command |
| --- | --- |
${alone.join("\n")}
`;
}

function askedText(asked: string): string {
  const [face, method] = asked.split(" ");
  if (face !== "coordinator" && face !== "site") return `\`${asked}\``;
  return `${face} \`${method[0].toUpperCase()}${method.slice(1)}\``;
}
