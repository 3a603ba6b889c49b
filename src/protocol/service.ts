/**
 * What the coordinator offers to sites, whatever carries it: the port between transports and the coordinator.
 * A transport says who is calling (`Peer`); the service decides what that caller may do.
 */
import type { Sha256 } from "../base/index.ts";
import type { EnrolReply, EnrolRequest, SignedEnvelope } from "./gen/consilium/v1/federation_pb.ts";

/** Who holds the other end of a connection, as its certificate says. */
export interface Peer {
  readonly siteId: string;
  /** SHA-256 of the certificate's public key (SubjectPublicKeyInfo, DER). */
  readonly keySha256: Sha256;
  /** Set where the certificate ran out: the caller may ask for a new one, and for nothing else. */
  readonly expiredMs?: number;
  /** Set where the caller speaks by sealed calls, through a proxy that ends TLS: mutual TLS is off. */
  readonly sealed?: true;
}

export interface ObjectRange {
  readonly sha256: Sha256;
  readonly offset: number;
  /** At most LIMITS.chunkBytes. */
  readonly bytes: number;
}

export interface ObjectChunk {
  readonly sha256: Sha256;
  readonly offset: number;
  /** Of the whole object. */
  readonly totalBytes: number;
  /** At most LIMITS.chunkBytes; the caller's, who may use the memory again once the call has ended. */
  readonly bytes: Uint8Array;
}

export interface FederationService {
  enrol(request: EnrolRequest): Promise<EnrolReply>;
  exchange(peer: Peer, envelope: SignedEnvelope): Promise<SignedEnvelope>;
  /**
   * A piece of an object that this site may read; shorter than asked at the object's end.
   * @param into where the piece may be put, of at least the range's length; the result may then be a view of it
   */
  readObject(peer: Peer, range: ObjectRange, into?: Uint8Array): Promise<Uint8Array>;
  /** How many bytes of this site's upload are held already: where to go on. */
  heldBytes(peer: Peer, object: { readonly sha256: Sha256; readonly totalBytes: number }): Promise<number>;
  /** Appends a piece of an upload, and returns the bytes held now. The last piece is answered once the whole is safe. */
  writeObject(peer: Peer, chunk: ObjectChunk): Promise<number>;
}
