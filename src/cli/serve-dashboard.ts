/** The dashboard beside a running coordinator, with what the command line knows of studies and models. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../base/index.ts";
import type { DownloadName } from "../console/index.ts";
import type { Coordinator } from "../coordinator/index.ts";
import { exportModel } from "./export-model.ts";
import { openStudy } from "./open-study.ts";

export interface DashboardOptions {
  readonly coordinator: Coordinator;
  readonly home: string;
  readonly version: string;
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
  port,
  signIn,
  note,
}: DashboardOptions): Promise<Dashboard> {
  const {
    builtDashboard,
    coordinatorConsole,
    offerLinks,
    openIdProvider,
    readSignInFile,
    startConsoleServer,
    studyReport,
  } = await import("../console/index.ts");
  const identity = signIn === undefined ? undefined : openIdProvider(await readSignInFile(signIn), systemClock);
  const { studyFromText } = await import("../study/index.ts");
  const { name, id } = coordinator.federation();
  const routes = coordinatorConsole({
    home,
    coordinator,
    openStudy(yaml) {
      const { study, initial } = openStudy(studyFromText(yaml, "study"), undefined, "study");
      return { study, initialParameters: initial };
    },
  });
  const server = await startConsoleServer({
    face: "coordinator",
    name,
    version,
    id,
    port,
    files: builtDashboard(import.meta.url),
    routes,
    identity,
    passkeysFile: join(home, "passkeys.json"),
    onRefused: (error) => note(refusalOf(error)),
    download: (file) => (file === "report.html" ? studyReport(coordinator) : modelFile(home, file, version)),
  });
  const links = await offerLinks(home, server);
  return {
    url: server.url,
    async close() {
      await links.close();
      await server.close();
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

/** A file of the best model's folder, as `model export` writes it. */
async function modelFile(home: string, name: DownloadName, version: string): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "consilium-model-"));
  try {
    await exportModel(home, "best", join(folder, "model"), version);
    return await readFile(join(folder, "model", name));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
