/** A coordinator on the network: its federation's port for sites, and its loopback ear for commands. */
import { LIMITS } from "../base/index.ts";
import { startFederationServer } from "../protocol/index.ts";
import { startAdminServer } from "./admin-server.ts";
import { believedAuthorities, serverAuthority } from "./authority.ts";
import type { Coordinator } from "./coordinator.ts";

export interface CoordinatorServer {
  /** host:port that is listened on. */
  readonly address: string;
  /** Stops serving, answers what was asked, and leaves the coordinator open. */
  close(): Promise<void>;
}

export interface ServerOptions {
  /** Whether sites behind a proxy that ends TLS may come in without mutual TLS, by sealed calls; not unless given. */
  readonly allowSealed?: boolean | undefined;
}

/** @throws ConsiliumError `usage` where the address of the home cannot be listened on */
export async function startServer(coordinator: Coordinator, options: ServerOptions = {}): Promise<CoordinatorServer> {
  const { home, refresh, onIdentity, clock, begin, end } = coordinator.serving;
  const { listen, server } = home();
  const federation = await startFederationServer({
    service: coordinator.service,
    listen,
    ...server,
    authorityPem: serverAuthority(home(), clock.nowMs()).certificatePem,
    believed: () => believedAuthorities(home(), clock.nowMs()),
    clock,
    allowSealed: options.allowSealed,
  });
  let shown = server.certificatePem;
  const refreshNow = async (): Promise<void> => {
    const { server: present } = await refresh();
    if (present.certificatePem === shown) return;
    shown = present.certificatePem;
    federation.show(present, serverAuthority(home(), clock.nowMs()).certificatePem);
  };
  // A failure here (a full disk) leaves what is shown; the next look tries again.
  const look = (): void => void refreshNow().catch(() => undefined);
  const timer = setInterval(look, LIMITS.identityRefreshMs).unref();
  const forget = onIdentity(look);
  try {
    await begin(federation.address);
    const admin = await startAdminServer(coordinator);
    return {
      address: federation.address,
      async close() {
        end();
        clearInterval(timer);
        forget();
        await admin.close();
        await federation.close();
      },
    };
  } catch (error) {
    clearInterval(timer);
    forget();
    await federation.close();
    throw error;
  }
}
