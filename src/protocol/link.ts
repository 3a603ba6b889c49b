/**
 * A site's line to its coordinator, as a port: over Connect and HTTP/2 with mutual TLS (`connectLink`), or in memory
 * through the same codec (`memoryLink`). Sites dial out only; nothing here listens.
 *
 * Invariants: an object appears under its final name only whole and with the digest asked for; until then it is
 * `<name>.part`, from which the next call goes on.
 */
import type { Sha256 } from "../base/index.ts";
import type { SignedEnvelope } from "./gen/consilium/v1/federation_pb.ts";

export interface FetchObject {
  readonly sha256: Sha256;
  readonly bytes: number;
  /** Final path; the folder must exist. */
  readonly toFile: string;
  /** Whether the object is also wanted in memory, as it was written, so that it need not be read again. */
  readonly inMemory?: boolean | undefined;
  /** Bytes held so far, those of earlier calls included. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SendObject {
  readonly sha256: Sha256;
  readonly fromFile: string;
  /** Bytes that the coordinator holds so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Every method throws ConsiliumError; `unreachable` is worth trying again later, the others are not. */
export interface CoordinatorLink {
  /** One signed message, one signed answer. Whoever calls verifies the answer (`openReply`). */
  exchange(envelope: SignedEnvelope): Promise<SignedEnvelope>;
  /**
   * @returns the object, the caller's from then on, where it was wanted in memory and the link can give it so
   * @throws ConsiliumError `object-missing`, `object-corrupt`, `disk-full`, `folder-not-writable`.
   */
  fetchObject(request: FetchObject): Promise<Uint8Array | undefined>;
  /** @throws ConsiliumError `object-refused` where the coordinator awaits no such object, `disk-full` for its disk. */
  sendObject(request: SendObject): Promise<void>;
  /**
   * Connections from now on are made with this certificate, for the same key.
   * @param authorityPem authorities to believe from now on; those until now unless given
   */
  useCertificate(certificatePem: string, authorityPem?: string): void;
  close(): Promise<void>;
}
