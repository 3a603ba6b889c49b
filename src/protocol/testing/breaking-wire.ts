/** A wire between a site and its coordinator that breaks after so many bytes of an answer, in one of three ways. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export type Break = "silence" | "reset" | "end";

export interface BreakingWire {
  /** host:port to dial. */
  readonly address: string;
  /** What new connections suffer; nothing unless given. Those that were swallowed stay swallowed. */
  breakAfter(bytes: number | undefined, how?: Break): void;
  /** How many were opened. */
  connections(): number;
  /** Swallows whatever goes over the connections that stand. */
  swallowAll(): void;
  close(): Promise<void>;
}

/** @param port of the coordinator, on 127.0.0.1 */
export async function breakingWire(port: number): Promise<BreakingWire> {
  let next: { readonly bytes: number; readonly how: Break } | undefined;
  let connections = 0;
  const open = new Set<Socket>();
  const swallowing = new WeakSet<Socket>();
  const server = createServer((near) => {
    const breaks = next;
    const far = connect(port, "127.0.0.1");
    let told = 0;
    connections++;
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => open.delete(socket));
    }
    if (breaks?.how === "silence" && breaks.bytes === 0) swallowing.add(near);
    near.on("data", (bytes) => {
      if (!swallowing.has(near)) far.write(bytes);
    });
    far.on("data", (bytes) => {
      if (swallowing.has(near)) return;
      const rest = (breaks?.bytes ?? Number.POSITIVE_INFINITY) - told;
      told += bytes.length;
      near.write(bytes.subarray(0, Math.min(bytes.length, rest)));
      if (bytes.length < rest || breaks === undefined) return;
      if (breaks.how === "silence") swallowing.add(near);
      if (breaks.how === "reset") near.resetAndDestroy();
      if (breaks.how === "end") near.end();
    });
    near.on("close", () => far.destroy());
    far.on("close", () => {
      if (!swallowing.has(near)) near.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    breakAfter(bytes, how = "silence") {
      next = bytes === undefined ? undefined : { bytes, how };
    },
    connections: () => connections,
    swallowAll() {
      for (const socket of open) swallowing.add(socket);
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
