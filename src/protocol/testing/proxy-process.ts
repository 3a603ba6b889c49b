/**
 * An HTTP proxy as a process of its own, for tests: `tsx proxy-process.ts [USER:PASSWORD]` prints its port, and a line
 * for each CONNECT; `refuse` in place of the credentials refuses every way.
 */
import { createServer } from "node:http";
import { connect } from "node:net";

const [, , wanted] = process.argv;
const expected = wanted === undefined ? undefined : `Basic ${Buffer.from(wanted).toString("base64")}`;
const server = createServer((_request, response) => response.writeHead(400).end());
server.on("connect", (request, client, early) => {
  client.on("error", () => undefined);
  if (wanted === "refuse") {
    client.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    return;
  }
  if (expected !== undefined && request.headers["proxy-authorization"] !== expected) {
    client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n');
    return;
  }
  const { hostname, port } = new URL(`https://${request.url}`);
  const far = connect(Number(port), hostname.replace(/^\[|\]$/g, ""), () => {
    process.stdout.write(`connect ${request.url}\n`);
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    far.write(early);
    client.pipe(far).pipe(client);
  });
  far.on("error", () => void client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
  client.on("close", () => far.destroy());
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`port ${(server.address() as { port: number }).port}\n`));
