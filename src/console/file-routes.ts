/** Files beside the services: a study's model and report, and what shows patients. */
import type { ServerResponse } from "node:http";
import { LIMITS } from "../base/index.ts";
import type { DownloadName } from "./authorisation.ts";
import type { ConsoleContext, Handler, Handlers, WantedModel } from "./console-context.ts";
import { notOffered, tooManyVolumes } from "./refusals.ts";
import { PAGE_POLICY, REPORT_POLICY } from "./static-files.ts";

export const FILE_ROUTES: Handlers<`GET /download/${DownloadName}` | "GET /volume" | "GET /sheet"> = {
  "GET /download/model.onnx": download("model.onnx"),
  "GET /download/weights.safetensors": download("weights.safetensors"),
  "GET /download/model.json": download("model.json"),
  "GET /download/card.md": download("card.md"),
  "GET /download/report.html": download("report.html"),
  "GET /volume": (context, { asked, response }) =>
    answerPatientsFile(context, response, async () => {
      const [caseId, part] = [asked.get("case"), asked.get("part")];
      if (context.volume === undefined || caseId === null || part === null) throw notOffered("a case's scan");
      return { type: "application/octet-stream", bytes: await context.volume(caseId, part) };
    }),
  "GET /sheet": (context, { asked, response }) =>
    answerPatientsFile(context, response, async () => {
      const [intake, caseId, state] = [asked.get("intake"), asked.get("case"), asked.get("state")];
      if (context.sheet === undefined || intake === null || caseId === null || state === null) {
        throw notOffered("a contact sheet");
      }
      return { type: "image/png", bytes: await context.sheet(intake, caseId, state) };
    }),
};

function download(name: DownloadName): Handler {
  return async (context, { asked, response }) => {
    const bytes = Buffer.from(await context.download(name, wantedIn(asked)));
    const page = name === "report.html";
    const attachment = page ? {} : { "content-disposition": `attachment; filename="${name}"` };
    response.writeHead(200, {
      "content-type": page
        ? "text/html; charset=utf-8"
        : name.endsWith(".md")
          ? "text/plain; charset=utf-8"
          : "application/octet-stream",
      "content-security-policy": page ? REPORT_POLICY : PAGE_POLICY,
      "content-length": bytes.length,
      "cache-control": "no-store",
      ...attachment,
    });
    response.end(bytes);
  };
}

/** @throws ConsiliumError `file-not-found` */
function wantedIn(asked: URLSearchParams): WantedModel {
  const [which, region] = [asked.get("which") ?? "best", asked.get("region")];
  const study = asked.get("study") ?? undefined;
  if (region !== null) return { which: { region }, study };
  if (which !== "best" && which !== "final") throw notOffered("a model that is neither the best nor the last");
  return { which, study };
}

/** A patient's scan or picture: kept by no cache, so many at a time. */
async function answerPatientsFile(
  { volumes }: ConsoleContext,
  response: ServerResponse,
  read: () => Promise<{ readonly type: string; readonly bytes: Uint8Array }>,
): Promise<void> {
  if (volumes.size >= LIMITS.consoleVolumes) throw tooManyVolumes();
  volumes.add(response);
  try {
    const { type, bytes } = await read();
    const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
    response.writeHead(200, {
      "content-type": type,
      "content-length": bytes.length,
      "cache-control": "no-store",
      "content-security-policy": PAGE_POLICY,
      ...(gzipped && { "content-encoding": "gzip" }),
    });
    await sent(response, bytes);
  } finally {
    volumes.delete(response);
  }
}

/** Until it is with the browser, or the browser gone; one that takes nothing for a while is left. */
function sent(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve();
    response.once("close", resolve);
    response.setTimeout(LIMITS.requestTimeoutMs, () => response.destroy());
    response.end(bytes);
  });
}
