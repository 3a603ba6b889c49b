/**
 * The dashboard's own files, as they were built, and the headers under which a browser may use them.
 *
 * Invariants: only files that were found at the start are served, by their exact names; nothing on a page is loaded
 * from, or sent to, any other host; no page may be framed by another.
 */
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { ConsiliumError } from "../base/index.ts";
import { notOffered } from "./refusals.ts";

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** Scripts and styles come from this server alone; pictures may be the page's own, as the viewer's are. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A report is a document of its own, with its styles and pictures inside and no script. */
export const REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";

export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
};

export interface StaticFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  /** Named by its content, so that a browser may keep it for good. */
  readonly immutable: boolean;
}

/** Where a build keeps the dashboard: beside the folder of the file that asks. */
export function builtDashboard(from: string): string {
  return fileURLToPath(new URL("../dashboard/", from));
}

/** @returns files by their path, `/app.js`; `/` is `index.html`. @throws ConsiliumError `file-not-found` */
export async function readStaticFiles(folder: string): Promise<ReadonlyMap<string, StaticFile>> {
  if (!existsSync(join(folder, "index.html"))) {
    throw new ConsiliumError("file-not-found", {
      subject: "dashboard",
      expected: "its files in the build",
      actual: "none",
      hint: "Run `npm run build`, and start it from `bin/consilium.mjs`.",
    });
  }
  const names = (await readdir(folder)).filter((name) => extension(name) in TYPES).sort();
  const files = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, name));
      const immutable = /-[A-Z0-9]{8}[.]\w+$/.test(name);
      const file = { type: TYPES[extension(name)], bytes, gzipped: gzipSync(bytes), immutable };
      return [`/${name === "index.html" ? "" : name}`, file] as const;
    }),
  );
  return new Map(files);
}

/** @throws ConsiliumError `file-not-found` */
export function answerStatic(
  statics: ReadonlyMap<string, StaticFile>,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
): void {
  const file = statics.get(path);
  if (file === undefined || request.method !== "GET") throw notOffered(`${request.method} ${path.slice(0, 80)}`);
  const gzips = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  response.writeHead(200, {
    "content-type": file.type,
    "content-security-policy": PAGE_POLICY,
    "cache-control": file.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
    ...(gzips && { "content-encoding": "gzip" }),
  });
  response.end(gzips ? file.gzipped : file.bytes);
}

function extension(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
