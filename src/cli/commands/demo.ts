/** `demo`: the main job on this machine, from phantoms to a segmented patient. */
import { join, relative, resolve } from "node:path";
import type { Json } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";

export const demo = defineCommand({
  path: ["demo"],
  summary: "Show a federation of three hospitals on this machine",
  description:
    "Makes phantom patients for three hospitals with different scanners, starts a coordinator and the hospitals as " +
    "processes over mutual TLS, trains one network together, measures it beside a model of pooled data and one of each " +
    "hospital alone, and segments patients whom no hospital has. About seven minutes on two cores; --quick about one.",
  options: {
    out: option.textOr("DIR", "folder for all of it; emptied first", ".demo"),
    quick: option.flag("a small one: shows that all parts work, not how well"),
    seed: option.integerOr("seed of phantoms, weights and patches", 1),
    threads: option.integerOr("threads of each hospital's engine", 1, { min: 1 }),
  },
  examples: ["consilium demo", "consilium demo --quick --json"],
  async run({ options, progress, signal, launcher }) {
    const { figuresTable } = await import("../figures-table.ts");
    const { demoPlan } = await import("../demo/demo-plan.ts");
    const { runDemo } = await import("../demo/run-demo.ts");
    const { quick, seed, threads } = options;
    const out = resolve(options.out);
    const command = `npm run demo --${quick ? " --quick" : ""} --seed ${seed} --threads ${threads}`;
    const { result, modelDir, report, exampleCase } = await runDemo({
      plan: demoPlan({ quick, seed, threads }),
      seed,
      out,
      launcher,
      command,
      progress,
      signal,
    });
    const shown = (path: string): string => relative(process.cwd(), path) || ".";
    const text = [
      figuresTable(result),
      "",
      `Report   ${shown(report)}   (open it in a browser)`,
      `Model    ${shown(modelDir)}`,
      `Logs     ${shown(join(out, "north", "home"))}   (consilium site log --home shows what left)`,
      "",
      "Use the model on a patient whom no hospital has:",
      `  npx consilium segment --model ${shown(modelDir)} --case ${shown(exampleCase)} --out seg.nii.gz`,
    ].join("\n");
    return { json: result as unknown as Json, text };
  },
});
