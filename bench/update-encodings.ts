/**
 * What short encodings of updates (`aggregation.encoding`) do to accuracy, beside what another seed does.
 *
 *   npx consilium cohort make --cases 24 --out phantoms --spacing 4 --seed 3 --sites 3
 *   npx tsx bench/update-encodings.ts --data phantoms --out runs [--study FILE] [--sites 3] [--seeds 0,1] [--held-out 6]
 *
 * The same study is simulated once for each encoding and seed, and its model measured on cases that no site had. Bytes
 * are those of one site's update. The table is Markdown.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodedBytes } from "../src/aggregation/index.ts";
import { openStudyFile } from "../src/cli/open-study.ts";
import { scanDataset } from "../src/imaging/index.ts";
import { runSimulation, withOverrides } from "../src/simulate/index.ts";

const ENCODINGS = ["int32", "float16", "int8"] as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: "string" },
      out: { type: "string" },
      study: { type: "string", default: "bench/studies/encodings.yaml" },
      sites: { type: "string", default: "3" },
      seeds: { type: "string", default: "0,1" },
      "held-out": { type: "string", default: "6" },
    },
  });
  const { data, out } = values;
  if (data === undefined || out === undefined) throw new Error("--data DIR and --out DIR are needed");
  const scanned = await scanDataset(data);
  const holdOut = scanned.cases.slice(0, Number(values["held-out"])).map(({ id }) => id);
  const lines = [
    "| encoding | bytes of an update | seed | Dice WT | TC | ET | mean |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ];
  for (const seed of values.seeds.split(",").map(Number)) {
    for (const encoding of ENCODINGS) {
      const opened = await openStudyFile(values.study, (study) => {
        const seeded = withOverrides(study, { seed });
        return encoding === "int32" ? seeded : { ...seeded, aggregation: { ...seeded.aggregation, encoding } };
      });
      const { result } = await runSimulation(
        {
          ...opened,
          data: { kind: "dealt", dataset: data, sites: Number(values.sites), sizes: "even", holdOut },
          out: join(out, `${encoding}-${seed}`),
          baselines: false,
          workers: 1,
          command: "bench/update-encodings.ts",
        },
        () => undefined,
      );
      const { dice } = result.federated;
      const figures = ["WT", "TC", "ET", "mean"].map((region) => dice[region]?.toFixed(4) ?? "–");
      const bytes = encodedBytes(encoding, opened.initial.layout.length);
      lines.push(`| ${encoding} | ${bytes} | ${seed} | ${figures.join(" | ")} |`);
      process.stderr.write(`${lines.at(-1)}\n`);
    }
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

await main();
