/** `coordinator start`: serves sites and runs the study's rounds until it is stopped. */
import { defineCommand } from "../command.ts";
import { createCoordinatorTeller } from "../coordinator-news.ts";
import { option } from "../options.ts";

export const coordinatorStart = defineCommand({
  path: ["coordinator", "start"],
  summary: "Serve sites and run studies",
  description: "Stop it at any moment and start it again: it goes on from its journal.",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    once: option.flag("end with the study, instead of waiting for the next"),
  },
  examples: ["consilium coordinator start --home coordinator"],
  async run({ options, progress, signal }) {
    const { openCoordinator, startServer } = await import("../../coordinator/index.ts");
    const coordinator = await openCoordinator({ home: options.home });
    try {
      coordinator.onNews(createCoordinatorTeller(progress));
      const server = await startServer(coordinator);
      try {
        const { name, address } = coordinator.federation();
        progress.note(`"${name}" listens on ${server.address}; sites dial ${address}`);
        const end = options.once ? (await coordinator.waitForStudyEnd(signal)).end : await untilAborted(signal);
        return end.kind === "done"
          ? { json: { ...end } as never, text: `The study is done. Best model: round ${end.bestRound}.` }
          : { json: { ...end } as never, text: `The study failed: ${end.reason}`, exitCode: 1 };
      } finally {
        await server.close();
      }
    } finally {
      await coordinator.close();
    }
  },
});

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error));
  });
}
