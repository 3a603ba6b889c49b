/** A coordinator as a process of its own, to be killed by tests: `tsx run-coordinator.ts HOME`. */
import { openCoordinator, startServer } from "../index.ts";

const [, , home] = process.argv;
if (home === undefined) throw new Error("a home is needed");
const coordinator = await openCoordinator({ home });
const server = await startServer(coordinator);
process.stdout.write(`listening ${server.address}\n`);
