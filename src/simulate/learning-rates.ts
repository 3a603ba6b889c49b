/**
 * The learning rate of a comparison. A rate that suits one way of training may fail another, so federated and pooled
 * training each take the best of one declared list, judged by the mean Dice on the sites' validation cases: never by
 * the patients that the figures are measured on.
 */
import { ConsiliumError } from "../base/index.ts";

export interface TriedRate {
  readonly rate: number;
  /** Mean Dice on validation cases of the model that training with this rate ends with; null where undefined. */
  readonly dice: number | null;
}

export interface ChosenRate<T> {
  readonly rate: number;
  readonly trained: T;
  /** In the order of the list. */
  readonly tried: readonly TriedRate[];
}

/**
 * @param diceOf mean Dice on validation cases of what was trained.
 * @throws ConsiliumError `dataset-too-small` where there is something to choose and nothing to choose by.
 */
export function chooseRate<T>(
  trained: readonly { readonly rate: number; readonly trained: T }[],
  diceOf: (trained: T) => number | null,
): ChosenRate<T> {
  const tried = trained.map((one) => ({ rate: one.rate, dice: diceOf(one.trained) }));
  let best = 0;
  for (let i = 1; i < tried.length; i++) if ((tried[i].dice ?? -1) > (tried[best].dice ?? -1)) best = i;
  if (tried.length > 1 && tried[best].dice === null) {
    throw new ConsiliumError("dataset-too-small", {
      subject: `learning rates ${tried.map(({ rate }) => rate).join(", ")}`,
      expected: "validation cases at the sites, to choose one by",
      actual: "none that has a region to measure",
      hint: "Give sites at least five cases each, or name a single learning rate.",
    });
  }
  return { ...trained[best], tried };
}
