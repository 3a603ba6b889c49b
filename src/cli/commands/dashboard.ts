/** `coordinator dashboard` and `site console`: what a browser shows of a home. */
import { join } from "node:path";
import { ConsiliumError } from "../../base/index.ts";
import type { Role } from "../../console/index.ts";
import { type CommandResult, defineCommand } from "../command.ts";
import { option } from "../options.ts";
import { untilAborted } from "../until-aborted.ts";

const ROLES = ["lead", "reviewer", "operator", "auditor", "read-only"] as const satisfies readonly Role[];

export const coordinatorDashboard = defineCommand({
  path: ["coordinator", "dashboard"],
  summary: "Sign in to the dashboard of a running coordinator",
  description:
    "Prints an address that works once, for ten minutes: open it in a browser on this machine. `consilium coordinator " +
    "start` serves the dashboard, on this machine only; from another one, forward its port by ssh. Whoever opens the " +
    "address has the role that was asked for.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    role: option.oneOf("what the browser may do (default: lead)", ROLES),
  },
  examples: [
    "consilium coordinator dashboard --home coordinator",
    "consilium coordinator dashboard --home coordinator --role auditor",
  ],
  async run({ options }) {
    const { requestLink } = await import("../../console/index.ts");
    return linkResult(await requestLink(options.home, options.role ?? "lead"), options.role ?? "lead");
  },
});

export const siteConsole = defineCommand({
  path: ["site", "console"],
  summary: "Serve this site's console to browsers on this machine",
  description:
    "Shows this site's data from intake to review, what studies want to run here, what runs, and what left, and lets a " +
    "reviewer decide. Listens on 127.0.0.1 " +
    "only, beside `site start` or without it, until it is interrupted. With --link a console that runs already gives " +
    "one more address to sign in with.",
  options: {
    home: option.requiredText("DIR", "this site's home folder"),
    port: option.integer("port to listen on (default: one that is free)", { max: 65_535 }),
    role: option.oneOf("what the browser may do (default: reviewer)", ROLES),
    intake: option.list("DIRS", "folders of `consilium intake` to show, beside the registered dataset's own"),
    review: option.list("DIRS", "folders of `consilium review` to show"),
    data: option.list("DIRS", "datasets that an operator may register from the console, beside those"),
    link: option.flag("only print another address of the console that runs"),
  },
  examples: [
    "consilium site console --home site",
    "consilium site console --home site --link --role auditor",
    "consilium site console --home site --intake data/own --review review --data data/glioma",
  ],
  async run({ options, version, progress, signal, launcher }) {
    const {
      builtDashboard,
      offerLinks,
      PASSKEYS_FILE,
      registrationWork,
      requestLink,
      siteCases,
      siteConsole,
      siteDatasets,
      siteDoctor,
      startConsoleServer,
    } = await import("../../console/index.ts");
    const { readSite } = await import("../../site/index.ts");
    const { exportModel } = await import("../export-model.ts");
    const { modelFile } = await import("../model-file.ts");
    const { doctorProcess, registerProcess } = await import("../command-process.ts");
    const { home, role = "reviewer" } = options;
    const { siteId, membership, certificatePem } = await readSite(home);
    if (options.link) return linkResult(await requestLink(home, role), role);
    const cases = siteCases({ home, exportModel: (out) => exportModel(home, { which: "best" }, out, version) });
    const { intake: intakes = [], review: reviews = [], data = [] } = options;
    const datasets = siteDatasets({ home, intakes, reviews, datasets: data });
    const doctor = siteDoctor(doctorProcess({ launcher, home }));
    const registration = registrationWork(registerProcess({ launcher, home }));
    const server = await startConsoleServer({
      face: "site",
      name: `${siteId}, ${membership.federationName}`,
      version,
      id: `${siteId} ${certificatePem}`,
      port: options.port ?? 0,
      files: builtDashboard(import.meta.url),
      routes: siteConsole({ home, productVersion: version, cases, datasets, doctor, registration }),
      volume: cases.volume,
      sheet: datasets.sheet,
      passkeysFile: join(home, PASSKEYS_FILE),
      download: (name, wanted) =>
        name === "report.html" ? Promise.reject(noReport()) : modelFile({ home, name, ...wanted, version }),
    });
    const links = await offerLinks(home, server);
    try {
      progress.note(`Console of ${siteId} at ${server.url}, for this machine only. Sign in as ${role}, once:`);
      progress.note(server.signInLink(role).url);
      await untilAborted(signal);
      throw signal.reason;
    } finally {
      await links.close();
      await server.close();
      await cases.close();
      await doctor.close();
      await registration.close();
    }
  },
});

function noReport(): ConsiliumError {
  return new ConsiliumError("study-unknown", {
    subject: "report",
    expected: "the coordinator's dashboard",
    actual: "a site's console",
    hint: "A site knows its own figures alone: ask the study's lead for the report.",
  });
}

function linkResult(
  { url, expiresMs }: { readonly url: string; readonly expiresMs: number },
  role: Role,
): CommandResult {
  const minutes = Math.max(1, Math.round((expiresMs - Date.now()) / 60_000));
  return {
    json: { url, role, expires: new Date(expiresMs).toISOString() },
    text: `${url}\nSigns in as ${role}, once, within ${minutes} minutes.`,
  };
}
