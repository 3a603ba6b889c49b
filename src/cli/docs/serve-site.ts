/** Serves the documentation to browsers on this machine: only its own files, by their exact names, and nothing to send. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { listenOnLoopback } from "../../base/index.ts";
import type { SiteFile } from "./render-site.ts";

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

export interface ServedSite {
  readonly url: string;
  close(): Promise<void>;
}

/** @throws ConsiliumError `usage` where the port is taken */
export async function serveSite(files: ReadonlyMap<string, SiteFile>, port: number): Promise<ServedSite> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").replace(/[?#].*$/, "").slice(1);
    const file = files.get(path === "" ? "index.html" : path);
    if (file === undefined || (request.method !== "GET" && request.method !== "HEAD")) {
      response.writeHead(404, { ...HEADERS, "content-type": "text/plain; charset=utf-8" }).end("No such page.\n");
      return;
    }
    response.writeHead(200, { ...HEADERS, "content-type": file.type, "content-length": file.bytes.length });
    response.end(request.method === "HEAD" ? undefined : file.bytes);
  });
  await listenOnLoopback(server, port, `consilium docs --port ${port}`);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
