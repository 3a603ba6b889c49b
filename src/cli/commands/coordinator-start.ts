/** `coordinator start`: serves sites and runs the study's rounds until it is stopped. */
import { defineCommand } from "../command.ts";
import { createCoordinatorTeller } from "../coordinator-news.ts";
import { option } from "../options.ts";
import { passphraseOptions, presentPassphrase } from "../passphrase.ts";
import type { Dashboard } from "../serve-dashboard.ts";
import { untilAborted } from "../until-aborted.ts";

export const coordinatorStart = defineCommand({
  path: ["coordinator", "start"],
  summary: "Serve sites and run studies",
  description:
    "Stop it at any moment and start it again: it goes on from its journal. It serves the dashboard too, to browsers on " +
    "this machine only; `consilium coordinator dashboard` gives the address to sign in with.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    dashboardPort: option.integer("port of the dashboard on 127.0.0.1 (default: one that is free)", { max: 65_535 }),
    signIn: option.text("FILE", "how people sign in to the dashboard by an identity provider (OpenID Connect)"),
    allowSealed: option.flag("let sites in that are behind a proxy that ends TLS: mutual TLS is off for them"),
    withoutDashboard: option.flag("serve no dashboard"),
    ...passphraseOptions,
    once: option.flag("end with the study, instead of waiting for the next"),
  },
  examples: ["consilium coordinator start --home coordinator --passphrase-file passphrase"],
  async run({ options, progress, signal, version, launcher }) {
    const { openCoordinator, startServer } = await import("../../coordinator/index.ts");
    const passphrase = await presentPassphrase(options.home, { file: options.passphraseFile });
    const coordinator = await openCoordinator({ home: options.home, passphrase });
    try {
      coordinator.onNews(createCoordinatorTeller(progress));
      const server = await startServer(coordinator, { allowSealed: options.allowSealed });
      let dashboard: Dashboard | undefined;
      try {
        const { name, address } = coordinator.federation();
        progress.note(`"${name}" listens on ${server.address}; sites dial ${address}`);
        if (options.allowSealed)
          progress.note("Sites may come through proxies that end TLS: mutual TLS is off for them");
        if (!options.withoutDashboard) {
          const { serveDashboard } = await import("../serve-dashboard.ts");
          const { home, dashboardPort: port = 0, signIn } = options;
          dashboard = await serveDashboard({ coordinator, home, version, launcher, port, signIn, note: progress.note });
          progress.note(`Dashboard at ${dashboard.url}; sign in: consilium coordinator dashboard --home ${home}`);
        }
        const end = options.once ? (await coordinator.waitForStudyEnd(signal)).end : await untilStopped(signal);
        return end.kind === "done"
          ? { json: { ...end } as never, text: `The study is done. Best model: round ${end.bestRound}.` }
          : { json: { ...end } as never, text: `The study failed: ${end.reason}`, exitCode: 1 };
      } finally {
        await dashboard?.close();
        await server.close();
      }
    } finally {
      await coordinator.close();
    }
  },
});

async function untilStopped(signal: AbortSignal): Promise<never> {
  await untilAborted(signal);
  throw signal.reason;
}
