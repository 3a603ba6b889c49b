/** What to do next in a folder: the homes that lie there, where each stands, and the command that goes on from there. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import type { CoordinatorStatus } from "../coordinator/index.ts";
import type { SiteStatus } from "../site/index.ts";

export interface NextStep {
  /** What the step is about: a home, or the folder. */
  readonly about: string;
  /** Where it stands, in a sentence. */
  readonly state: string;
  /** Whole command lines, without the prompt; none where there is nothing to do but wait. */
  readonly commands: readonly string[];
}

/** Folders that are looked at below the given one; more are left aside. */
const MOST_FOLDERS = 200;

type HomeKind = "coordinator" | "site";

export async function nextSteps(folder: string): Promise<readonly NextStep[]> {
  const names = await namesIn(folder);
  const homes = await homesIn(folder, names);
  const steps: NextStep[] = [];
  for (const { path, kind } of homes) steps.push(await stepOf(path, kind));
  const invitations = names.filter((name) => name.endsWith(".invitation"));
  const noSiteHere = !homes.some(({ kind }) => kind === "site");
  if (noSiteHere && !homes.some(({ kind }) => kind === "coordinator")) {
    steps.push(...invitations.slice(0, 1).map(joinStep));
  }
  return steps.length > 0 ? steps : [firstStep()];
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort().slice(0, MOST_FOLDERS);
  } catch (cause) {
    throw new ConsiliumError("file-unreadable", {
      subject: folder,
      expected: "a folder that this user may read",
      actual: "another",
      hint: "Give a folder that holds homes, or a home.",
      cause,
    });
  }
}

async function homesIn(
  folder: string,
  names: readonly string[],
): Promise<readonly { readonly path: string; readonly kind: HomeKind }[]> {
  const own = await homeKind(folder);
  if (own !== undefined) return [{ path: folder, kind: own }];
  const found = await Promise.all(
    names.map(async (name) => ({
      path: folder === "." ? name : join(folder, name),
      kind: await homeKind(join(folder, name)),
    })),
  );
  return found.flatMap(({ path, kind }) => (kind === undefined ? [] : [{ path, kind }]));
}

async function homeKind(folder: string): Promise<HomeKind | undefined> {
  const holds = (name: string): Promise<boolean> =>
    readFile(join(folder, name)).then(
      () => true,
      () => false,
    );
  if (await holds("coordinator.json")) return "coordinator";
  return (await holds("federation.json")) ? "site" : undefined;
}

async function stepOf(path: string, kind: HomeKind): Promise<NextStep> {
  try {
    if (kind === "site") {
      const { siteStatus } = await import("../site/index.ts");
      return siteStep(path, await siteStatus(path));
    }
    const { adminClient } = await import("../coordinator/index.ts");
    return coordinatorStep(path, await adminClient(path).status(), Date.now());
  } catch (error) {
    if (!(error instanceof ConsiliumError)) throw error;
    return { about: path, state: error.message, commands: [] };
  }
}

/** @param nowMs by which invitations are open */
export function coordinatorStep(
  home: string,
  { federation, serving, sites, invitations, study }: CoordinatorStatus,
  nowMs: number,
): NextStep {
  const about = `${home}, coordinator of "${federation.name}"`;
  const at = `--home ${home}`;
  const step = (state: string, ...commands: string[]): NextStep => ({ about, state, commands });
  const ended = study === null || study.end !== null;
  if (!serving && (sites.length === 0 || !ended)) return step("It is stopped.", `consilium coordinator start ${at}`);
  const waiting = invitations.filter(({ used, expiresMs }) => !used && expiresMs > nowMs).map(({ siteId }) => siteId);
  if (sites.length === 0) {
    const invite = `consilium coordinator invite ${at} --site NAME --out NAME.invitation`;
    return waiting.length === 0
      ? step("No site has joined or is invited.", invite)
      : step(`Invited, not joined yet: ${waiting.join(", ")}.`, invite);
  }
  if (study === null) return step(`${joined(sites.length)}; no study yet.`, `consilium study submit ${at} study.yaml`);
  if (study.end?.kind === "failed") {
    return step(`Study "${study.name}" failed: ${study.end.reason}`, `consilium study submit ${at} study.yaml`);
  }
  if (study.end !== null) {
    return step(`Study "${study.name}" is done.`, `consilium model export ${at} --out model`);
  }
  const watch = [`consilium status ${at} --watch`, `consilium coordinator dashboard ${at}`];
  if (study.phase === "approving") {
    const silent = study.roster.filter((id) => study.decisions[id] === undefined);
    return step(`Study "${study.name}" waits for the reviewers of ${silent.join(", ")}.`, ...watch);
  }
  return step(`Study "${study.name}": ${study.phase}, round ${study.round} of ${study.roundsInAll}.`, ...watch);
}

export function siteStep(home: string, { siteId, membership, running, data, studies }: SiteStatus): NextStep {
  const about = `${home}, site ${siteId} of "${membership.federationName}"`;
  const at = `--home ${home}`;
  const step = (state: string, ...commands: string[]): NextStep => ({ about, state, commands });
  if (data === undefined) {
    return step(
      "No data is registered.",
      "consilium cohort check DATASET",
      `consilium site data ${at} --dataset DATASET`,
    );
  }
  const awaited = studies.find(({ decision, end }) => decision === "awaited" && end === undefined);
  if (awaited !== undefined) {
    return step(
      `Study "${awaited.name}" waits for this site's reviewer.`,
      `consilium site review ${at}`,
      `consilium site approve ${at} ${awaited.studyHash.slice(0, 12)}`,
    );
  }
  if (!running) {
    const done = studies[0]?.end?.kind === "done";
    if (done) return step(`Study "${studies[0].name}" is done.`, `consilium model export ${at} --out model`);
    return step("It is stopped.", `consilium site start ${at}`, `consilium site review ${at}`);
  }
  return step("It is at work.", `consilium site status ${at}`, `consilium site console ${at}`);
}

function joinStep(invitation: string): NextStep {
  return {
    about: invitation,
    state: "An invitation lies here.",
    commands: [`consilium site join --home site --invitation ${invitation}`],
  };
}

function firstStep(): NextStep {
  return {
    about: "this folder",
    state: "No home of a coordinator or of a site is here.",
    commands: [
      "consilium demo",
      'consilium coordinator init --home coordinator --name "NAME" --listen HOST:7443',
      "consilium site join --home site --invitation FILE",
      "consilium --help",
    ],
  };
}

function joined(count: number): string {
  return count === 1 ? "One site has joined" : `${count} sites have joined`;
}
