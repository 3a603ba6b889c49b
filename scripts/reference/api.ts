/** The reference of the API: services, methods and messages of `proto/`, and who may call what, from the one table. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AUTHORISATION, OPEN_ROUTES, type OpenRoute, ROLES, ROUTES, type Route } from "../../src/console/index.ts";

const PROTO = fileURLToPath(new URL("../../proto/consilium/v1/", import.meta.url));

interface Block {
  readonly kind: "service" | "message";
  readonly name: string;
  readonly comment: string;
  readonly lines: readonly { readonly text: string; readonly comment: string }[];
}

/** Services and messages with the comments before them and before their lines; what is nested is part of a line. */
function parseProto(file: string): readonly Block[] {
  const blocks: Block[] = [];
  let comment: string[] = [];
  let open: (Block & { lines: { text: string; comment: string }[] }) | undefined;
  let nested = "";
  for (const raw of readFileSync(`${PROTO}${file}`, "utf8").split("\n")) {
    const line = raw.trim();
    const begun = /^(service|message) (\w+) \{(\})?$/.exec(line);
    if (line.startsWith("//")) comment.push(line.slice(2).trim());
    else if (open === undefined && begun !== null) {
      const block = { kind: begun[1] as Block["kind"], name: begun[2], comment: comment.join(" "), lines: [] };
      blocks.push(block);
      if (begun[3] === undefined) open = block;
      comment = [];
    } else if (open !== undefined && nested === "" && line === "}") open = undefined;
    else if (open !== undefined && line.endsWith("{")) nested = line.replace(/ \{$/, "");
    else if (nested !== "" && line === "}") nested = "";
    else if (open !== undefined && line !== "") {
      open.lines.push({ text: nested === "" ? line : `${nested}: ${line}`, comment: comment.join(" ") });
      comment = [];
    } else if (line === "") comment = [];
  }
  return blocks;
}

export function apiPage(): string {
  const files = ["console.proto", "federation.proto"].map((file) => ({ file, blocks: parseProto(file) }));
  const services = files.flatMap(({ blocks }) => blocks.filter(({ kind }) => kind === "service"));
  const messages = files.flatMap(({ blocks }) => blocks.filter(({ kind }) => kind === "message"));
  return `# API

The command line, the dashboard and the sites speak these services by [Connect](https://connectrpc.com). Consoles listen
on loopback, under \`/api\`, and want a session (\`POST /session\` with the token of a sign-in link) whose second token
stands in the header \`x-consilium-csrf\`; the federation's service wants mutual TLS and signed envelopes. A JSON body
does: \`POST /api/consilium.v1.CoordinatorConsole/GetStatus\` with \`{}\`. Documents are the JSON that the commands print
with \`--json\`.

${services.map(serviceSection).join("\n")}
## Beside the services

Plain requests, whose bodies are JSON but for pieces of files. Those of the first rows sign people in; the others want a session: downloads by its
cookie alone, all else by its second token as well.

| request | asks for | who may |
| --- | --- | --- |
${OPEN_ROUTES.map((name) => routeRow(name, "everybody")).join("\n")}
${(Object.keys(ROUTES) as Route[]).map((name) => routeRow(name, rolesText(ROUTES[name].roles))).join("\n")}

## Messages

${messages.map(messageSection).join("\n")}`;
}

/** What a request asks for: with a line for each, or it does not compile. */
const ASKED: Readonly<Record<OpenRoute | Route, string>> = {
  "GET /session": "who is signed in, and how one may sign in",
  "POST /session": "signing in by the token of a link",
  "GET /oidc/begin": "signing in by the identity provider",
  "GET /oidc/callback": "where the identity provider sends people back",
  "POST /passkey/sign-in": "a question for a passkey",
  "POST /passkey/signed-in": "signing in by its answer",
  "DELETE /session": "signing out",
  "POST /passkey/list": "the passkeys that are registered",
  "POST /passkey/register": "a question for a new passkey",
  "POST /passkey/registered": "its registration by its answer",
  "POST /passkey/remove": "its removal, with the sessions that it opened",
  "POST /passkey/at-name": "a link to this console at `localhost`",
  "GET /study-files": "the files that this session brought for a study, and the limits of others",
  "POST /study-file":
    "`?name=net.onnx&offset=0&bytes=TOTAL&sha256=…&upload=…`: a piece of such a file, of that digest, as the body; the first without `upload`, the next with the one that was answered",
  "DELETE /study-file": "`?name=net.onnx`: takes it back",
  "GET /volume": "`?case=ID&part=t1`, t1ce, t2, flair, labels or prediction: a scan or a map as NIfTI",
  "GET /sheet": "`?intake=KEY&case=ID&state=STATE`: a contact sheet of intake as PNG",
  "GET /download/model.onnx":
    "the network with its weights: of the best model of the study that ended last, `?which=final` of the last round's, `?region=ET` of the best of a region, `?study=NAME` of an earlier study",
  "GET /download/weights.safetensors": "the weights, of the same",
  "GET /download/model.json": "its description, digests and signature",
  "GET /download/card.md": "the model's card, of the same",
  "GET /download/report.html": "the study's report, `?study=NAME` an earlier one's",
};

function routeRow(name: OpenRoute | Route, who: string): string {
  return `| \`${name}\` | ${ASKED[name]} | ${who} |`;
}

function serviceSection({ name, comment, lines }: Block): string {
  const rows = lines.flatMap(({ text, comment: about }) => {
    const rpc = /^rpc (\w+)\((\w+)\) returns \((stream )?(\w+)\);$/.exec(text);
    if (rpc === null) return [];
    const roles = AUTHORISATION.get(`consilium.v1.${name}/${rpc[1]}`);
    const who = roles === undefined ? "the site itself, by its certificate" : rolesText(roles);
    return [`| \`${rpc[1]}\` | ${rpc[2]} | ${rpc[3] ?? ""}${rpc[4]} | ${who} | ${about} |`];
  });
  return `## ${name}

${comment}

| method | takes | gives | who may | |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}

function rolesText(roles: readonly string[]): string {
  return roles.length === ROLES.length ? "everybody who is signed in" : roles.join(", ");
}

function messageSection({ name, comment, lines }: Block): string {
  const fields = lines.map(({ text, comment: about }) => `| \`${text.replace(/;$/, "")}\` | ${about} |`);
  const table = fields.length === 0 ? "No fields.\n" : `| field | |\n| --- | --- |\n${fields.join("\n")}\n`;
  return `### ${name}\n\n${comment === "" ? "" : `${comment}\n\n`}${table}`;
}
