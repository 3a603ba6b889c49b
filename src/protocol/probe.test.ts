/** What a handshake shows, where the other end is no member of any federation. */
import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import { expect, test } from "vitest";
import { handshake } from "./probe.ts";
import { fakeFederation } from "./testing/fake-federation.ts";
import { dialTls } from "./tunnel.ts";

test("a certificate that comes without its authority's is an answer, and no defect of the process", async () => {
  const { certificatePem: cert, keyPem: key } = (await fakeFederation()).coordinator;
  const server = createServer({ cert, key }, (socket) => socket.on("error", () => undefined));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const socket = dialTls(address, { ca: cert, allowPartialTrustChain: true }, {});
    await expect(handshake(socket, address)).rejects.toMatchObject({ code: "unreachable" });
  } finally {
    server.close();
  }
});
