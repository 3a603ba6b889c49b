/**
 * The way through a proxy that ends TLS, looked at as `site doctor` looks at the other (`probe.ts`): who ends TLS, whether
 * the coordinator behind it takes sealed calls and is the federation's, and how much passes in a second.
 */
import { ConsiliumError, LIMITS } from "../../base/index.ts";
import { certificateToDer } from "../certificates.ts";
import { readPrivateKey } from "../messages.ts";
import { type CoordinatorProbe, handshake, type ProbeOptions, transferOf, wayTo } from "../probe.ts";
import { dialTls } from "../tunnel.ts";
import type { Call } from "./sealed-call.ts";
import { sealedLine } from "./sealed-link.ts";

const NOTHING = new Uint8Array();

export interface SealedProbeOptions extends ProbeOptions {
  readonly proxyCaPem: string | undefined;
}

export function probeSealed(options: SealedProbeOptions): CoordinatorProbe {
  const { address, believed, own, environment, proxyCaPem } = options;
  const line = sealedLine({ address, believed, environment, proxyCaPem, timeoutMs: LIMITS.probeTimeoutMs });
  const signer = own && { key: readPrivateKey(own.keyPem), certificateDer: certificateToDer(own.certificatePem) };
  const ask = (call: Call, body: Uint8Array) => line.ask(call, body, signer);
  return {
    ...wayTo(address, environment),
    async tls() {
      const tls = { ALPNProtocols: ["http/1.1"], ...(proxyCaPem !== undefined && { ca: proxyCaPem }) };
      const { facts, issuer, protocol } = await handshake(dialTls(address, tls, environment), address);
      return { protocol, expiresMs: facts.notAfterMs, authoritySha256: issuer };
    },
    async sealing() {
      const { certificateExpiresMs, authoritySha256 } = await line.key();
      return { expiresMs: certificateExpiresMs, authoritySha256 };
    },
    async clockOffsetMs() {
      const before = Date.now();
      const { timeMs } = await ask({ kind: "probe-down", bytes: 1 }, NOTHING);
      return timeMs - (before + Date.now()) / 2;
    },
    async membership() {
      try {
        await ask({ kind: "read", sha256: "0".repeat(64), offset: 0, bytes: 1 }, NOTHING);
      } catch (error) {
        if (error instanceof ConsiliumError && ["object-refused", "object-missing"].includes(error.code)) return;
        throw error;
      }
    },
    measure: (direction, seconds) =>
      transferOf(seconds, async () => {
        if (direction === "down") await ask({ kind: "probe-down", bytes: LIMITS.chunkBytes }, NOTHING);
        else await ask({ kind: "probe-up" }, new Uint8Array(LIMITS.chunkBytes));
      }),
    close: line.close,
  };
}
