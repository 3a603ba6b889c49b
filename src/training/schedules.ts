/** The learning rate over a study, as a pure function of how far it is: a site that starts again finds the same one. */
import type { Study } from "../study/index.ts";

/** Share of the learning rate that a warm-up begins with. */
const WARM_UP_START = 0.01;

/**
 * @param round counted from 1.
 * @param shareOfRound steps done of this round's, in [0, 1).
 */
export function learningRateAt({ training, rounds }: Study, round: number, shareOfRound: number): number {
  const { schedule, warmUpRounds, optimiser } = training;
  const done = round - 1 + shareOfRound;
  if (done < warmUpRounds) {
    return optimiser.learningRate * (WARM_UP_START + ((1 - WARM_UP_START) * done) / warmUpRounds);
  }
  const progress = Math.min(1, (done - warmUpRounds) / Math.max(rounds.count - warmUpRounds, Number.MIN_VALUE));
  return optimiser.learningRate * factorAt(schedule, progress, done - warmUpRounds);
}

function factorAt(schedule: Study["training"]["schedule"], progress: number, roundsDone: number): number {
  switch (schedule.kind) {
    case "constant":
      return 1;
    case "polynomial":
      return (1 - progress) ** schedule.power;
    case "cosine":
      return schedule.least + ((1 - schedule.least) * (1 + Math.cos(Math.PI * progress))) / 2;
    case "step":
      return schedule.factor ** Math.floor(roundsDone / schedule.everyRounds);
    default:
      return schedule satisfies never;
  }
}
