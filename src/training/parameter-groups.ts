/** Parameters with a treatment of their own: which names a study's groups mean, and what holds for each parameter. */
import { ConsiliumError } from "../base/index.ts";
import type { ParameterLayout } from "../graph/index.ts";
import type { OptimiserSpec, ParameterGroupSpec } from "../study/index.ts";

export interface ParameterTreatment {
  readonly weightDecay: number;
  readonly rateFactor: number;
  readonly frozen: boolean;
}

/**
 * One treatment for each entry of the layout; the first group that names it holds. To an optimiser buffers are frozen.
 * @throws ConsiliumError `tensor-missing` for a name that no parameter has.
 */
export function parameterTreatments(
  { entries }: ParameterLayout,
  { weightDecay }: Pick<OptimiserSpec, "weightDecay">,
  groups: readonly ParameterGroupSpec[] = [],
): readonly ParameterTreatment[] {
  const matchers = groups.map(({ names }) => names.map((name) => ({ name, matches: globMatcher(name) })));
  for (const { name, matches } of matchers.flat()) {
    if (entries.some((entry) => matches(entry.name))) continue;
    throw new ConsiliumError("tensor-missing", {
      subject: `parameter group ${name}`,
      expected: "the name of a parameter, with * for any characters",
      actual: `none of the network's ${entries.length} parameters has it`,
      hint: "`consilium model inspect` lists what a network holds; `*.bias` means all biases.",
    });
  }
  return entries.map(({ name, buffer }) => {
    if (buffer) return { weightDecay: 0, rateFactor: 0, frozen: true };
    const group = groups[matchers.findIndex((names) => names.some(({ matches }) => matches(name)))];
    return {
      weightDecay: group?.frozen ? 0 : (group?.weightDecay ?? weightDecay),
      rateFactor: group?.frozen ? 0 : (group?.rateFactor ?? 1),
      frozen: group?.frozen ?? false,
    };
  });
}

function globMatcher(glob: string): (name: string) => boolean {
  const parts = glob.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const pattern = new RegExp(`^${parts.join(".*")}$`, "s");
  return (name) => pattern.test(name);
}
