/**
 * A site's round as its training session sees it: the round's vector and what the site carried over, taken apart before
 * the steps and put together after them. What a site carries from round to round is its optimiser's state, and behind
 * it its control variate where the study has one; beside them its running statistics where they stay at the site.
 *
 * Invariant: with local statistics, what a round gives holds those that it was given, bit for bit, so that no update has
 * anything of the site's own (SiloBN, Andreux et al. 2020: what gradients move is averaged, statistics are not).
 */
import { bufferValues, type ParameterLayout, setBufferValues } from "../graph/index.ts";
import type { Study } from "../study/index.ts";
import {
  closeSharedVectors,
  learningRateAt,
  nextControl,
  openSharedVectors,
  type SharedStart,
  type SiteControl,
  siteControl,
} from "../training/index.ts";
import type { TrainRequest, TrainResult } from "./local-work.ts";

export interface LocalRound {
  /** [P]. */
  readonly parameters: Float32Array;
  readonly optimiser: NonNullable<SharedStart["optimiser"]>;
  readonly control: SiteControl | undefined;
}

/** What a session says of its vectors. */
interface Lengths {
  readonly layout: ParameterLayout;
  readonly stateLength: number;
}

export function beginLocalRound(study: Study, { layout, stateLength }: Lengths, request: TrainRequest): LocalRound {
  const { optimiserState: carried, stepsTaken } = request;
  const { parameters: sent, optimiser, control } = openSharedVectors(study, layout, request.parameters);
  const parameters = withRunningStatistics(layout, sent, request.runningStatistics);
  const isReset = study.training.optimiserState === "reset";
  const own = carried === null || isReset ? null : carried.subarray(0, stateLength);
  return {
    parameters,
    optimiser: optimiser ?? { state: own, stepsTaken: own === null ? 0 : stepsTaken },
    control: control && siteControl(control, carried === null ? null : carried.subarray(stateLength)),
  };
}

/** What the round gives: the vector that its update is made of, and what the site carries over. */
export function endLocalRound(
  study: Study,
  { layout }: Lengths,
  request: TrainRequest,
  begun: LocalRound,
  end: { readonly parameters: Float32Array; readonly state: Float32Array; readonly steps: number },
): Pick<TrainResult, "parameters" | "optimiserState" | "runningStatistics" | "stepsTaken"> {
  const stepsTaken = begun.optimiser.stepsTaken + end.steps;
  const { parameters: sent, control } = openSharedVectors(study, layout, request.parameters);
  const staysHere = study.training.runningStatistics === "local";
  const next =
    begun.control &&
    control &&
    nextControl(layout, begun.control, control, begun.parameters, end.parameters, sumOfRates(study, request));
  return {
    parameters: closeSharedVectors(study, layout, request.parameters, {
      parameters: staysHere
        ? withRunningStatistics(layout, end.parameters, bufferValues(layout, sent))
        : end.parameters,
      optimiser: { state: end.state, stepsTaken },
      ...(next && { control: next.control }),
    }),
    optimiserState: next === undefined ? end.state.slice() : joined(end.state, next.own),
    ...(staysHere && { runningStatistics: bufferValues(layout, end.parameters) }),
    stepsTaken,
  };
}

/** Parameters with other running statistics, copied; as they are where there are none. */
export function withRunningStatistics(
  layout: ParameterLayout,
  parameters: Float32Array,
  statistics: Float32Array | undefined,
): Float32Array {
  if (statistics === undefined) return parameters;
  const own = parameters.slice();
  setBufferValues(layout, own, statistics);
  return own;
}

function sumOfRates(study: Study, { round, steps }: TrainRequest): number {
  let sum = 0;
  for (let step = 0; step < steps; step++) sum += learningRateAt(study, round, step / steps);
  return sum;
}

function joined(first: Float32Array, second: Float32Array): Float32Array {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
