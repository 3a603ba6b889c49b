/** A server for this machine's own programs alone. */
import type { Server } from "node:net";
import { ConsiliumError } from "./error.ts";

/**
 * @param port 0 takes one that is free.
 * @param subject what a person would know it by.
 * @throws ConsiliumError `usage` where the port is taken.
 */
export function listenOnLoopback(server: Server, port: number, subject: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        new ConsiliumError("usage", {
          subject,
          expected: "a port that is free",
          actual: cause.code ?? "one that is not",
          hint: "Give another --port, or leave it out to take any.",
          cause,
        }),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
}
