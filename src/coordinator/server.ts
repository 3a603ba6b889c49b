/** A coordinator on the network: its federation's port for sites, and its loopback ear for commands. */
import { startFederationServer } from "../protocol/index.ts";
import { startAdminServer } from "./admin-server.ts";
import type { Coordinator } from "./coordinator.ts";

export interface CoordinatorServer {
  /** host:port that is listened on. */
  readonly address: string;
  /** Stops serving, answers what was asked, and leaves the coordinator open. */
  close(): Promise<void>;
}

/** @throws ConsiliumError `usage` where the address of the home cannot be listened on */
export async function startServer(coordinator: Coordinator): Promise<CoordinatorServer> {
  const { home, clock, begin, end } = coordinator.serving;
  const { listen, server, authority } = home();
  const federation = await startFederationServer({
    service: coordinator.service,
    listen,
    ...server,
    authorityPem: authority.certificatePem,
    clock,
  });
  try {
    await begin(federation.address);
    const admin = await startAdminServer(coordinator);
    return {
      address: federation.address,
      async close() {
        end();
        await admin.close();
        await federation.close();
      },
    };
  } catch (error) {
    await federation.close();
    throw error;
  }
}
