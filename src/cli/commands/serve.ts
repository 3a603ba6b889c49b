/** `serve`: segmentation over HTTP, for programs of a hospital. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer as createPlainServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { ConsiliumError } from "../../base/index.ts";
import type { Model } from "../../segmentation/index.ts";
import { checkedSigner } from "../checked-signer.ts";
import { defineCommand } from "../command.ts";
import { labelsOption } from "../labels-option.ts";
import { option } from "../options.ts";
import { createService } from "../serve/http-service.ts";
import { openJobStore } from "../serve/job-store.ts";
import { segmentProcess } from "../serve/segment-process.ts";
import { readOrMakeToken } from "../serve/token-file.ts";
import { untilAborted } from "../until-aborted.ts";

const LOOPBACK = ["127.0.0.1", "::1", "localhost"];
const REQUEST_MS = 15 * 60_000;

export const serve = defineCommand({
  path: ["serve"],
  summary: "Outline tumours for other programs, over HTTP",
  description:
    "Takes DICOM studies and NIfTI files as jobs, one after the other, and gives back what `segment` writes. Listens on " +
    "this machine alone unless a certificate is given. Every request needs the token of the token file, which is made " +
    "where there is none. For research: not a medical device.",
  options: {
    model: option.requiredList("DIRS", "model folder; several vote, with commas between"),
    token: option.requiredText("FILE", "file with the token that requests must carry"),
    host: option.textOr("ADDRESS", "address to listen on", "127.0.0.1"),
    port: option.integerOr("port to listen on", 8443, { min: 0, max: 65_535 }),
    tlsCert: option.text("FILE", "certificate (PEM), needed beyond this machine"),
    tlsKey: option.text("FILE", "its key (PEM)"),
    atlas: option.text("FILE", "as for segment"),
    brainModel: option.text("FILE", "as for segment"),
    brainModelSpacing: option.numberOr("MM", "as for segment", 2, { min: 0.5, max: 8 }),
    flips: option.flag("as for segment"),
    federation: option.text("FINGERPRINT", "as for segment"),
    labels: labelsOption("as for segment"),
    threads: option.integerOr("processor threads", 2, { min: 1, max: 256 }),
  },
  examples: ["consilium serve --model model --token serve.token"],
  async run({ options, progress, signal, launcher }) {
    const { readModelFolder } = await import("../../segmentation/index.ts");
    const {
      host,
      port,
      tlsCert,
      tlsKey,
      atlas,
      brainModel,
      brainModelSpacing,
      flips,
      federation,
      labels,
      threads,
      model,
    } = options;
    const secured = tlsCert !== undefined && tlsKey !== undefined;
    if (!secured && !LOOPBACK.includes(host)) throw notSecured(host);
    // A model that cannot be read is told before anybody sends a scan.
    const models: Model[] = [];
    for (const dir of model) models.push(checkedSigner(await readModelFolder(dir), dir, federation));
    const { mayMiss } = models[0].description.study.task;
    const token = await readOrMakeToken(options.token);
    const args = [
      ...["--model", model.join(","), "--threads", String(threads)],
      ...(atlas === undefined ? [] : ["--atlas", atlas]),
      ...(brainModel === undefined
        ? []
        : ["--brain-model", brainModel, "--brain-model-spacing", String(brainModelSpacing)]),
      ...(flips ? ["--flips"] : []),
      ...(federation === undefined ? [] : ["--federation", federation]),
      ...(labels === undefined ? [] : ["--labels", labels]),
    ];
    const store = await openJobStore(segmentProcess({ launcher, args, ...(mayMiss && { mayMiss }) }), (error) =>
      progress.note(notRemoved(error)),
    );
    const service = createService(store, token);
    const server = secured
      ? createTlsServer({ cert: await readFile(tlsCert), key: await readFile(tlsKey) }, service)
      : createPlainServer(service);
    server.requestTimeout = REQUEST_MS;
    try {
      server.listen(port, host);
      await once(server, "listening");
      const { port: bound } = server.address() as AddressInfo;
      progress.note(`Serving on ${secured ? "https" : "http"}://${host}:${bound}; the token is in ${options.token}.`);
      await untilAborted(signal);
    } finally {
      server.close();
      server.closeAllConnections();
      await store.close();
    }
    return { json: { served: true }, text: "Stopped." };
  },
});

/** Without paths: names of files are the client's. */
function notRemoved(error: unknown): string {
  const { code = "unknown" } = error as NodeJS.ErrnoException;
  return `Files of a job that ended could not be removed (${code}): tried again when the job goes, and when this stops.`;
}

function notSecured(host: string): ConsiliumError {
  return new ConsiliumError("usage", {
    subject: "consilium serve --host",
    expected: "a certificate and its key (--tls-cert, --tls-key) beyond this machine",
    actual: `${host} without`,
    hint: "Scans must not travel in the clear.",
  });
}
