/** The dashboard beside a running coordinator, with what the command line knows of studies and models. */
import { join } from "node:path";
import { systemClock } from "../base/index.ts";
import type { Coordinator } from "../coordinator/index.ts";
import { replayProcess, studyProcesses } from "./command-process.ts";
import { modelFile } from "./model-file.ts";
import { openStudy } from "./open-study.ts";

export interface DashboardOptions {
  readonly coordinator: Coordinator;
  readonly home: string;
  readonly version: string;
  /** Path of the launcher, for commands beside it. */
  readonly launcher: string;
  readonly port: number;
  /** Path of a sign-in file, for an identity provider beside one-time links. */
  readonly signIn?: string | undefined;
  /** Told what the operator should know. */
  readonly note: (text: string) => void;
}

export interface Dashboard {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws ConsiliumError `usage` where the port is taken, `file-not-found` where the dashboard is not built */
export async function serveDashboard({
  coordinator,
  home,
  version,
  launcher,
  port,
  signIn,
  note,
}: DashboardOptions): Promise<Dashboard> {
  const {
    builtDashboard,
    coordinatorConsole,
    offeredStudies,
    offerLinks,
    openIdProvider,
    openStudyFiles,
    PASSKEYS_FILE,
    readSignInFile,
    replayWork,
    startConsoleServer,
    studyReport,
  } = await import("../console/index.ts");
  const identity = signIn === undefined ? undefined : openIdProvider(await readSignInFile(signIn), systemClock);
  const { name, id } = coordinator.federation();
  const replay = replayWork(replayProcess({ launcher, home }));
  const studyFiles = await openStudyFiles(join(home, "study-files"), systemClock);
  const studies = offeredStudies({
    coordinator,
    files: studyFiles,
    commands: studyProcesses({ launcher, home }),
    openStudy(declared) {
      const { study, initial } = openStudy(declared, undefined, "study");
      return { study, initialParameters: initial };
    },
  });
  const routes = coordinatorConsole({ home, coordinator, replay, studies });
  const server = await startConsoleServer({
    face: "coordinator",
    name,
    version,
    id,
    port,
    files: builtDashboard(import.meta.url),
    routes,
    studyFiles,
    identity,
    passkeysFile: join(home, PASSKEYS_FILE),
    onRefused: (error) => note(refusalOf(error)),
    download: (file, wanted) =>
      file === "report.html"
        ? studyReport(coordinator, wanted.study)
        : modelFile({ home, name: file, ...wanted, version }),
  });
  const links = await offerLinks(home, server);
  return {
    url: server.url,
    async close() {
      await links.close();
      await server.close();
      await Promise.all([replay.close(), studies.close()]);
      await studyFiles.close();
    },
  };
}

/** What was refused, and what the provider said to it; no token is in either. */
function refusalOf(error: unknown): string {
  const { message, cause } = error instanceof Error ? error : new Error("unknown");
  const code = (cause as { readonly error?: unknown } | undefined)?.error;
  const why = cause instanceof Error ? ` (${cause.message}${typeof code === "string" ? `: ${code}` : ""})` : "";
  return `Sign-in refused: ${message}${why}`;
}
