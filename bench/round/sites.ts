/** Sites of `bench/round.ts` in one process: the product's own but for their engine, which adds one to each weight. */
import { join } from "node:path";
import { readSite } from "../../src/site/home.ts";
import { dialCoordinator, joinFederation, openSite, runSite } from "../../src/site/index.ts";
import { approve, madeUpCases, registerMadeUp } from "../../src/site/testing/test-site.ts";

const [folder, ...names] = process.argv.slice(2);
const openWork: Parameters<typeof runSite>[0]["openWork"] = () =>
  Promise.resolve({
    train: ({ parameters, stepsTaken, steps }) => {
      for (let i = 0; i < parameters.length; i++) parameters[i] += 1;
      return Promise.resolve({
        parameters,
        optimiserState: new Float32Array(0),
        stepsTaken: stepsTaken + steps,
        meanLoss: 1,
        steps,
        runRecord: { engine: "none" },
      });
    },
    evaluate: () => Promise.resolve([]),
    tally: () => Promise.resolve([]),
    finishWithin: () => undefined,
    close: () => Promise.resolve(),
  });

const homes = [];
for (const name of names) {
  const home = join(folder, name);
  await joinFederation({ home, invitationFile: join(folder, `${name}.invitation`), productVersion: "0.1.0" });
  await registerMadeUp(await readSite(home), madeUpCases(name, 4));
  homes.push(home);
}
process.stdout.write("joined\n");
await Promise.all(
  homes.map(async (home) => {
    const site = await openSite(home);
    const link = dialCoordinator(site);
    await runSite({
      site,
      link,
      openWork,
      productVersion: "0.1.0",
      onEvent: async (event) => {
        if (event.kind === "review") await approve(site, event.studyHash);
        if (event.kind === "failure" || event.kind === "not-accepted")
          process.stderr.write(`${site.siteId}: ${JSON.stringify(event)}\n`);
      },
    });
  }),
);
