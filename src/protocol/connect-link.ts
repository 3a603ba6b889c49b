/**
 * A site's line over the network: messages by Connect over HTTP/2, objects by plain HTTP/2, mutual TLS on both, one
 * host and port. The site dials, through the proxy of its environment where there is one; nothing listens here.
 */
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { LIMITS } from "../base/index.ts";
import { type Enrolment, type EnrolOptions, enrolThrough } from "./enrolment.ts";
import { Federation } from "./gen/consilium/v1/federation_pb.ts";
import { http2Channel } from "./http2-channel.ts";
import { keptSession } from "./http2-session.ts";
import type { CoordinatorLink } from "./link.ts";
import { fetchThrough, sendThrough } from "./object-transfer.ts";
import type { Environment } from "./proxy.ts";
import { fromConnectError } from "./refusal.ts";
import { throttled } from "./throttle.ts";
import { type ClientTls, clientTls, type DialTls, fetchPinnedAuthority } from "./tls.ts";
import { dialTls } from "./tunnel.ts";

export interface ConnectLinkOptions {
  /** host:port of the coordinator. */
  readonly address: string;
  /** The federation's authority, or several one after the other: no other is believed. */
  readonly authorityPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Where HTTPS_PROXY and NO_PROXY are looked up; this process's environment unless given. */
  readonly environment?: Environment | undefined;
  /** Objects move no faster, both ways together; as fast as the line allows unless given. */
  readonly maxBytesPerSecond?: number | undefined;
  /** How long one exchange may take; LIMITS.requestTimeoutMs unless given. */
  readonly timeoutMs?: number | undefined;
}

export function connectLink(options: ConnectLinkOptions): CoordinatorLink {
  const { address, timeoutMs, environment = process.env, maxBytesPerSecond } = options;
  const dial: DialTls = (tls) => dialTls(address, tls, environment);
  let authorityPem = options.authorityPem;
  const open = (certificatePem: string) => {
    const tls = clientTls(authorityPem, { ...options, certificatePem });
    const objects = http2Channel(address, tls, dial);
    const paced = maxBytesPerSecond === undefined ? objects : throttled(objects, maxBytesPerSecond);
    return { rpc: rpcClient(address, tls, dial, timeoutMs), objects, paced };
  };
  let line = open(options.certificatePem);
  const close = (): void => {
    line.rpc.close();
    line.objects.close();
  };
  return {
    async exchange(envelope) {
      try {
        return await line.rpc.client.exchange(envelope);
      } catch (error) {
        // What swallowed this message may swallow the next as well: that one goes another way.
        if (error instanceof ConnectError && error.code === Code.DeadlineExceeded) line.rpc.close();
        throw fromConnectError(error, address);
      }
    },
    fetchObject: (request) => fetchThrough(line.paced, request),
    sendObject: (request) => sendThrough(line.paced, request),
    useCertificate(certificatePem, believedPem) {
      close();
      authorityPem = believedPem ?? authorityPem;
      line = open(certificatePem);
    },
    close: async () => close(),
  };
}

/**
 * Joins a federation over the network: the authority is pinned by the invitation before anything is sent.
 * @throws ConsiliumError `unreachable`, `certificate-untrusted`, and what the coordinator answers.
 */
export async function enrol(options: EnrolOptions, environment: Environment = process.env): Promise<Enrolment> {
  const { address, caFingerprint } = options.invitation;
  const dial: DialTls = (tls) => dialTls(address, tls, environment);
  const authorityPem = await fetchPinnedAuthority(address, caFingerprint, dial);
  const rpc = rpcClient(address, clientTls(authorityPem), dial);
  try {
    return await enrolThrough(async (request) => {
      try {
        return await rpc.client.enrol(request);
      } catch (error) {
        throw fromConnectError(error, address);
      }
    }, options);
  } finally {
    rpc.close();
  }
}

interface RpcClient {
  readonly client: Client<typeof Federation>;
  close(): void;
}

function rpcClient(
  address: string,
  tls: ClientTls,
  dial: DialTls,
  timeoutMs: number = LIMITS.requestTimeoutMs,
): RpcClient {
  const baseUrl = `https://${address}`;
  const openWithinMs = Math.min(timeoutMs, LIMITS.connectTimeoutMs);
  const pings = { everyMs: LIMITS.pingIntervalMs, withinMs: LIMITS.pingTimeoutMs };
  const session = keptSession({ address, tls, dial, openWithinMs, pings });
  const transport = createConnectTransport({
    baseUrl,
    httpVersion: "2",
    sessionManager: {
      authority: baseUrl,
      request: (method, path, headers, options) =>
        session.request({ ...headers, ":method": method, ":path": path }, options),
      notifyResponseByteRead: () => undefined,
    },
    useBinaryFormat: true,
    acceptCompression: [],
    readMaxBytes: LIMITS.messageBytes,
    defaultTimeoutMs: timeoutMs,
  });
  return { client: createClient(Federation, transport), close: session.giveUp };
}
