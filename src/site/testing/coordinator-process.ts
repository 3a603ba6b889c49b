/** argv: home. Serves the coordinator of a home until it is killed. */
import { serveCoordinator } from "./federation-suite.ts";

const [home] = process.argv.slice(2);
const { server, coordinator } = await serveCoordinator(home);
coordinator.onNews((news) => {
  if (news.kind === "event")
    process.stdout.write(`${JSON.stringify({ kind: news.event.kind, phase: news.state.phase.kind })}\n`);
});
process.stdout.write(`${JSON.stringify({ kind: "serving", address: server.address })}\n`);
