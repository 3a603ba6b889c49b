/**
 * What comes to the coordinator's port over HTTP/1.1: sealed calls, where its operator lets them in, and a refusal in words
 * where not. Connections that are idle end with the server at once, others with their answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { LIMITS } from "../../base/index.ts";
import type { Credentials } from "../certificates.ts";
import type { ServerGuards } from "../server-guards.ts";
import { TOO_MANY_REQUESTS } from "../wire.ts";
import { createSealedDesk, refusePlainly, type SealedDeskOptions, sealingOff } from "./sealed-desk.ts";

export interface SealedPortOptions extends Omit<SealedDeskOptions, "mayCall"> {
  readonly allowSealed: boolean;
  readonly guards: ServerGuards;
  /** From a call's first byte to its last. */
  readonly callMs: number;
}

export interface SealedPort {
  onSocket(socket: TLSSocket): void;
  answer(request: IncomingMessage, response: ServerResponse): void;
  /** Another certificate speaks for the coordinator from now on. */
  show(credentials: Credentials, authorityPem: string): void;
  close(): void;
  destroy(): void;
}

export function createSealedPort({ allowSealed, guards, callMs, ...options }: SealedPortOptions): SealedPort {
  const desk = createSealedDesk({ ...options, mayCall: guards.maySeal });
  const sockets = new Set<TLSSocket>();
  const busy = new Set<Socket>();
  let closing = false;
  return {
    onSocket(socket) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.setTimeout(LIMITS.requestTimeoutMs, () => socket.destroy());
    },
    answer(request, response) {
      const tooLong = setTimeout(() => request.destroy(), callMs).unref();
      busy.add(request.socket);
      response.once("close", () => {
        busy.delete(request.socket);
        clearTimeout(tooLong);
        if (closing) request.socket.destroy();
      });
      if (!guards.maySeal(request.socket)) {
        response.writeHead(TOO_MANY_REQUESTS, { connection: "close" }).end();
      } else if (allowSealed) desk.answer(request, response).catch(() => void response.destroy());
      else {
        response.setHeader("connection", "close");
        refusePlainly(response, sealingOff());
      }
    },
    show: desk.show,
    close() {
      closing = true;
      for (const socket of sockets) if (!busy.has(socket)) socket.destroy();
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
