/**
 * A site's line in memory, for simulations: the same port, through the same codec. Every message is serialised and
 * parsed by Connect's router as over the network, every refusal travels as its detail, objects are copied in pieces;
 * only sockets and TLS are missing.
 */
import { type Client, createClient, createRouterTransport } from "@connectrpc/connect";
import { ConsiliumError } from "../base/index.ts";
import { type Enrolment, type EnrolOptions, enrolThrough } from "./enrolment.ts";
import { Federation } from "./gen/consilium/v1/federation_pb.ts";
import type { CoordinatorLink } from "./link.ts";
import { fetchThrough, type ObjectChannel, sendThrough } from "./object-transfer.ts";
import { errorFromRecord, errorRecord, fromConnectError } from "./refusal.ts";
import { federationRoutes } from "./routes.ts";
import type { FederationService, Peer } from "./service.ts";

const ADDRESS = "in memory";

/** @param peer the site, and its key as its certificate would say */
export function memoryLink(service: FederationService, peer: Peer): CoordinatorLink {
  const client = memoryClient(service, peer);
  const channel = memoryChannel(service, peer);
  let open = true;
  const whileOpen = (): void => {
    if (!open) throw closed();
  };
  return {
    async exchange(envelope) {
      whileOpen();
      return throughCodec(() => client.exchange(envelope));
    },
    async fetchObject(request) {
      whileOpen();
      return fetchThrough(channel, request);
    },
    async sendObject(request) {
      whileOpen();
      return sendThrough(channel, request);
    },
    // In memory nobody presents a certificate.
    useCertificate: () => undefined,
    async close() {
      open = false;
    },
  };
}

/** Joins a federation in memory: the same request, proof and checks as over the network. */
export async function enrolInMemory(service: FederationService, options: EnrolOptions): Promise<Enrolment> {
  const client = memoryClient(service, undefined);
  return enrolThrough((request) => throughCodec(() => client.enrol(request)), options);
}

function memoryClient(service: FederationService, peer: Peer | undefined): Client<typeof Federation> {
  const routes = federationRoutes(service, () => {
    if (peer === undefined) throw closed();
    return peer;
  });
  return createClient(Federation, createRouterTransport(routes));
}

/** Pieces are copied on either side, as a socket would. */
function memoryChannel(service: FederationService, peer: Peer): ObjectChannel {
  return {
    read: async (range) => Uint8Array.from(await retold(() => service.readObject(peer, range))),
    held: (object) => retold(() => service.heldBytes(peer, object)),
    write: (chunk) => retold(() => service.writeObject(peer, { ...chunk, bytes: Uint8Array.from(chunk.bytes) })),
  };
}

async function throughCodec<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromConnectError(error, ADDRESS);
  }
}

/** A refusal as it would arrive: its record, never the object that was thrown. */
async function retold<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw errorFromRecord(errorRecord(error));
  }
}

function closed(): ConsiliumError {
  return new ConsiliumError("unreachable", {
    subject: `coordinator ${ADDRESS}`,
    expected: "an open link",
    actual: "a closed one",
    hint: "Open a new link.",
  });
}
