/** A console over real HTTP, with a coordinator and without a site, and people who sign in to it: for the tests of both. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { openStudy, openStudyFile } from "../../src/cli/open-study.ts";
import type { ConsoleOptions } from "../../src/console/console-context.ts";
import {
  type ConsoleServer,
  coordinatorConsole,
  offeredStudies,
  openStudyFiles,
  type Role,
  registrationWork,
  replayWork,
  type StudyCommands,
  siteCases,
  siteConsole,
  siteDatasets,
  siteDoctor,
  startConsoleServer,
  studyReport,
} from "../../src/console/index.ts";
import { type Coordinator, initCoordinator, openCoordinator } from "../../src/coordinator/index.ts";

interface Fixture {
  folder: string;
  coordinator: Coordinator;
  server: ConsoleServer;
  studyFiles: Awaited<ReturnType<typeof openStudyFiles>>;
  studies: ReturnType<typeof offeredStudies>;
  nowMs: number;
}

/** What the present test has. */
export const at = {} as Fixture;

/** By the functions of the commands, without their processes. */
const COMMANDS: StudyCommands = {
  async check(path) {
    await openStudyFile(path);
  },
  async submit(path, sites) {
    const { study, initial, modelFile } = await openStudyFile(path);
    const objects = { study, initialParameters: initial, modelFile };
    return at.coordinator.submitStudy({ ...objects, ...(sites.length > 0 && { sites }) });
  },
};

export function useConsole(): void {
  beforeEach(async () => {
    at.folder = await mkdtemp(join(tmpdir(), "console-"));
    at.nowMs = Date.now();
    const home = join(at.folder, "home");
    await initCoordinator({ home, name: "Test", listen: "127.0.0.1:0", nowMs: at.nowMs });
    at.coordinator = await openCoordinator({ home });
    await writeFile(join(at.folder, "index.html"), "<!doctype html><title>Consilium</title>");
    at.studyFiles = await openStudyFiles(join(home, "study-files"), { nowMs: () => at.nowMs });
    at.studies = offeredStudies({
      coordinator: at.coordinator,
      files: at.studyFiles,
      commands: COMMANDS,
      openStudy(study) {
        const { initial } = openStudy(study, undefined, "study");
        return { study, initialParameters: initial };
      },
    });
    at.server = await start();
  });
  afterEach(async () => {
    await at.server.close();
    await at.studies.close();
    await at.studyFiles.close();
    await at.coordinator.close();
    await rm(at.folder, { recursive: true, force: true });
  });
}

export function start(other: Partial<ConsoleOptions> = {}): Promise<ConsoleServer> {
  const coordinatorRoutes = coordinatorConsole({
    home: join(at.folder, "home"),
    coordinator: at.coordinator,
    replay: replayWork(() => Promise.reject(new RangeError("no replay in this test"))),
    studies: at.studies,
  });
  // Both services on one server, so that every method is tried behind the same door.
  const cases = siteCases({
    home: join(at.folder, "no-site"),
    exportModel: () => Promise.reject(new RangeError("no model")),
  });
  const datasets = siteDatasets({ home: join(at.folder, "no-site"), intakes: [], reviews: [], datasets: [] });
  const doctor = siteDoctor(() => Promise.reject(new RangeError("no site")));
  const registration = registrationWork(() => Promise.reject(new RangeError("no site")));
  const siteRoutes = siteConsole({
    home: join(at.folder, "no-site"),
    productVersion: "0",
    cases,
    datasets,
    doctor,
    registration,
  });
  return startConsoleServer({
    face: "coordinator",
    name: "Test",
    version: "0.1.0",
    id: "test",
    port: 0,
    files: at.folder,
    clock: { nowMs: () => at.nowMs },
    routes(router) {
      coordinatorRoutes(router);
      siteRoutes(router);
    },
    studyFiles: at.studyFiles,
    volume: cases.volume,
    sheet: datasets.sheet,
    download: (name) => (name === "report.html" ? studyReport(at.coordinator) : Promise.resolve("content")),
    ...other,
  });
}

export interface SignedIn {
  readonly cookie: string;
  readonly csrf: string;
}

export async function signIn(role: Role): Promise<SignedIn> {
  const answer = await redeem(tokenOf(at.server.signInLink(role).url));
  const { session } = (await answer.json()) as { session: { csrf: string; role: Role } };
  expect(session.role).toBe(role);
  return { cookie: cookieOf(answer), csrf: session.csrf };
}
export function tokenOf(url: string): string {
  return url.slice(url.indexOf("=") + 1);
}
export function redeem(token: string): Promise<Response> {
  return fetch(`${at.server.url}/session`, { method: "POST", body: JSON.stringify({ token }) });
}
export function cookieOf(answer: Response): string {
  return (answer.headers.get("set-cookie") ?? "").split(";")[0];
}

interface Called {
  readonly status: number;
  /** The product's code where it refused. */
  readonly code: string | undefined;
}

/** A call as a browser makes it, streams too: the first message is waited for, then the call is broken off. */
export async function call(method: string, headers: Record<string, string>, streams = false): Promise<Called> {
  const stop = new AbortController();
  const body = Buffer.from("{}");
  const framed = Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]);
  const answer = await fetch(`${at.server.url}/api/${method}`, {
    method: "POST",
    headers: { "content-type": streams ? "application/connect+json" : "application/json", ...headers },
    body: streams ? framed : body,
    signal: stop.signal,
  });
  const reader = answer.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  await reader?.cancel();
  stop.abort();
  const text = Buffer.from(value ?? new Uint8Array()).toString("utf8");
  const code = /"message":"([a-z-]+): /.exec(text)?.[1];
  return { status: answer.status, code };
}
