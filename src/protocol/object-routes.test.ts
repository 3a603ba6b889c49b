import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type Http2Server, type Http2ServerRequest } from "node:http2";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createBufferPool } from "../base/index.ts";
import { receive } from "./object-routes.ts";

const PART = 1024;

let server: Http2Server;
let client: ClientHttp2Session;
beforeEach(async () => {
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterEach(() => {
  client.destroy();
  server.close();
});

async function arriving(): Promise<{ sender: ReturnType<ClientHttp2Session["request"]>; request: Http2ServerRequest }> {
  const sender = client.request({ ":method": "PUT", ":path": "/" });
  sender.on("error", () => undefined);
  sender.write(Buffer.from([0]));
  const [request] = (await once(server, "request")) as [Http2ServerRequest];
  return { sender, request };
}

describe("receive", () => {
  it("hands a body on in its order, in parts of a buffer each but for the last, one at a time", async () => {
    const { sender, request } = await arriving();
    const body = Buffer.from(Array.from({ length: 5 * PART + 7 }, (_, i) => i % 251));
    const used: Buffer[] = [];
    let inUse = 0;
    const done = receive(request, createBufferPool(PART, 4), body.length, async (part) => {
      expect(++inUse).toBe(1);
      used.push(Buffer.from(part));
      await turn();
      inUse--;
    });
    for (let at = 1; at < body.length; at += 700) sender.write(body.subarray(at, at + 700));
    sender.end();
    await done;
    expect(used.map(({ length }) => length)).toEqual([PART, PART, PART, PART, PART, 7]);
    expect(Buffer.concat(used)).toEqual(body);
  });

  it("uses nothing more of a body that broke off while a part was in use", async () => {
    const { sender, request } = await arriving();
    const used: number[] = [];
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const done = receive(request, createBufferPool(PART, 4), 8 * PART, (part) => {
      used.push(part.length);
      return held;
    });
    sender.write(Buffer.alloc(6 * PART));
    // One part is in use, another waits, and more has come than both hold.
    await expect.poll(() => request.stream.isPaused()).toBe(true);
    sender.destroy();
    await expect(done).rejects.toThrow();
    letGo();
    for (let i = 0; i < 5; i++) await turn();
    expect(used).toEqual([PART]);
  });

  it.each([
    ["longer", 3 * PART, 2 * PART],
    ["shorter", PART, 2 * PART],
  ])("refuses a body that is %s than was said", async (_, bytes, expected) => {
    const { sender, request } = await arriving();
    let used = 0;
    const done = receive(request, createBufferPool(PART, 4), expected, async (part) => {
      used += part.length;
    });
    sender.end(Buffer.alloc(bytes - 1));
    await expect(done).rejects.toMatchObject({ code: "message-invalid" });
    expect(used).toBeLessThanOrEqual(expected);
  });
});
