/** The federation's RPC over a service: Connect's handlers, with refusals carried as details. */
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { Federation } from "./gen/consilium/v1/federation_pb.ts";
import { toConnectError } from "./refusal.ts";
import type { FederationService, Peer } from "./service.ts";

/** @param peerOf who calls; throws ConsiliumError where nobody may who shows no certificate */
export function federationRoutes(
  service: FederationService,
  peerOf: (context: HandlerContext) => Peer,
): (router: ConnectRouter) => void {
  async function answered<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toConnectError(error);
    }
  }
  return (router) => {
    router.service(Federation, {
      enrol: (request) => answered(() => service.enrol(request)),
      exchange: (envelope, context) => answered(async () => service.exchange(peerOf(context), envelope)),
    });
  };
}
