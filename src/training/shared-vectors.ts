/**
 * What a study lets travel beside the parameters, as further tensors of the vector that every round sums: an
 * optimiser's state that all sites share (FeTS `CONTINUE_GLOBAL`), and the control variate c of SCAFFOLD (Karimireddy et
 * al. 2020, algorithm 1, option II). Sums, masks, limits and replay treat them as parameters; only a site's engine
 * and whoever exports the model know them apart.
 *
 *   ~control            c [P]
 *   ~optimiser.first    velocity, or Adam's first moment over its correction [P]
 *   ~optimiser.second   the root of Adam's second moment over its correction [P]
 *   ~optimiser.steps    age of the state in steps of 2^20 [1]
 *
 * Moments travel corrected for their start at zero, since sites whose states are of different age are averaged, and the
 * second as its root, since sums are of fixed steps (docs/adr/0001-exact-sums.md) and squares would span too much.
 *
 * Invariant: parameters come first, whatever their names, so that a round's vector begins with the model.
 */
import { ConsiliumError, invariant } from "../base/index.ts";
import { type ParameterLayout, type Parameters, parameterLayout } from "../graph/index.ts";
import type { Study } from "../study/index.ts";
import { statePerParameter } from "./optimisers.ts";

const CONTROL = "~control";
const FIRST = "~optimiser.first";
const SECOND = "~optimiser.second";
const STEPS = "~optimiser.steps";
/** Fewest units of a sum's step that the age of a state is told in. */
const STEPS_UNIT = 2 ** 20;
/** Roots below this are lost among the sum's steps: taken as this, they divide nothing by nearly zero. */
const SMALLEST_ROOT = 2 ** -22;

/** The optimiser's state at the start or the end of a round. */
export interface OptimiserAge {
  readonly state: Float32Array | null;
  readonly stepsTaken: number;
}

/** What a round starts from at a site. */
export interface SharedStart {
  /** [P]. */
  readonly parameters: Float32Array;
  /** Undefined where the study shares none. */
  readonly optimiser: OptimiserAge | undefined;
  /** c [P]; undefined where the study has none. */
  readonly control: Float32Array | undefined;
}

/** @throws ConsiliumError `onnx-unsupported` for parameters whose names come after those that travel with them. */
function sharedLayout({ training }: Study, { entries, length }: ParameterLayout): ParameterLayout {
  const shapes = new Map<string, readonly number[]>(entries.map(({ name, shape }) => [name, shape]));
  if (training.controlVariate) shapes.set(CONTROL, [length]);
  if (training.optimiserState === "share") {
    shapes.set(FIRST, [length]);
    if (statePerParameter(training.optimiser) === 2) shapes.set(SECOND, [length]);
    shapes.set(STEPS, [1]);
  }
  const last = entries.at(-1)?.name ?? "";
  if (shapes.size === entries.length || last < "~") return parameterLayout(shapes);
  throw new ConsiliumError("onnx-unsupported", {
    subject: `parameter ${last}`,
    expected: "names that sort before ~, where state travels with the parameters",
    actual: "one that sorts after it",
    hint: "Rename the parameter, or share no state (training.optimiserState, training.controlVariate).",
  });
}

/** The vector that a study's first round starts from: the parameters, and zeros for what travels with them. */
export function withSharedVectors(study: Study, parameters: Parameters): Parameters {
  const layout = sharedLayout(study, parameters.layout);
  if (layout.length === parameters.layout.length) return parameters;
  const data = new Float32Array(layout.length);
  data.set(parameters.data);
  return { layout, data };
}

/**
 * A round's vector taken apart.
 * @param layout of the parameters alone. A vector of the parameters alone, as of a model trained at one place, shares
 *   nothing.
 */
export function openSharedVectors(study: Study, layout: ParameterLayout, vector: Float32Array): SharedStart {
  const parameters = vector.subarray(0, layout.length);
  if (vector.length === layout.length) return { parameters, optimiser: undefined, control: undefined };
  const part = partsOf(study, layout, vector);
  const optimiser = study.training.optimiserState === "share" ? ageOf(study, part) : undefined;
  return { parameters, optimiser, control: part(CONTROL) };
}

type PartOf = (name: string) => Float32Array | undefined;

function partsOf(study: Study, layout: ParameterLayout, vector: Float32Array): PartOf {
  const { entries, length } = sharedLayout(study, layout);
  invariant(vector.length === length, `${length} numbers in a round's vector`);
  return (name) => {
    const entry = entries.find((each) => each.name === name);
    return entry && vector.subarray(entry.offset, entry.offset + entry.length);
  };
}

function ageOf({ training: { optimiser } }: Study, part: PartOf): OptimiserAge {
  const [first, second, steps] = [part(FIRST), part(SECOND), part(STEPS)];
  const stepsTaken = Math.max(0, Math.round((steps?.[0] ?? 0) * STEPS_UNIT));
  if (first === undefined || stepsTaken === 0) return { state: null, stepsTaken: 0 };
  if (optimiser.kind === "sgd" || second === undefined) return { state: first.slice(), stepsTaken };
  const [correction1, correction2] = [1 - optimiser.beta1 ** stepsTaken, 1 - optimiser.beta2 ** stepsTaken];
  const state = new Float32Array(2 * first.length);
  for (let i = 0; i < first.length; i++) {
    state[i] = first[i] * correction1;
    state[first.length + i] = Math.max(second[i], SMALLEST_ROOT) ** 2 * correction2;
  }
  return { state, stepsTaken };
}

/** The vector at the end of a round: what its update is the difference of. */
export function closeSharedVectors(
  study: Study,
  layout: ParameterLayout,
  vector: Float32Array,
  end: { readonly parameters: Float32Array; readonly optimiser: OptimiserAge; readonly control?: Float32Array },
): Float32Array {
  if (vector.length === layout.length) return end.parameters.slice();
  const result = vector.slice();
  const part = partsOf(study, layout, result);
  result.set(end.parameters);
  if (end.control !== undefined) part(CONTROL)?.set(end.control);
  const { state, stepsTaken } = end.optimiser;
  const [first, second, steps] = [part(FIRST), part(SECOND), part(STEPS)];
  if (first === undefined || steps === undefined || state === null) return result;
  steps[0] = stepsTaken / STEPS_UNIT;
  const { optimiser } = study.training;
  if (optimiser.kind === "sgd" || second === undefined) {
    first.set(state);
    return result;
  }
  const [correction1, correction2] = [1 - optimiser.beta1 ** stepsTaken, 1 - optimiser.beta2 ** stepsTaken];
  for (let i = 0; i < first.length; i++) {
    first[i] = state[i] / correction1;
    second[i] = Math.sqrt(state[first.length + i] / correction2);
  }
  return result;
}

/** A site's control variate and what it adds to each gradient. */
export interface SiteControl {
  /** c_i [P]. */
  readonly own: Float32Array;
  /** c - c_i [P]. */
  readonly correction: Float32Array;
}

/** @param own c_i after the site's last round; null before its first. */
export function siteControl(control: Float32Array, own: Float32Array | null): SiteControl {
  const kept = own?.slice() ?? new Float32Array(control.length);
  return { own: kept, correction: control.map((c, i) => c - kept[i]) };
}

/**
 * After a round of K steps from x to y: c_i' = c_i - c + (x - y) / (sum of the rates), and c moves by c_i' - c_i.
 * What no gradient moves (buffers) has no part in it.
 */
export function nextControl(
  layout: ParameterLayout,
  { own, correction }: SiteControl,
  control: Float32Array,
  from: Float32Array,
  to: Float32Array,
  rates: number,
): { readonly own: Float32Array; readonly control: Float32Array } {
  const next = own.map((_, i) => (from[i] - to[i]) / rates - correction[i]);
  for (const { buffer, offset, length } of layout.entries) if (buffer) next.fill(0, offset, offset + length);
  return { own: next, control: control.map((c, i) => c + next[i] - own[i]) };
}
