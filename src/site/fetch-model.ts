/** Global models, which a site fetches from the coordinator and keeps for as long as it needs them. */
import type { Sha256 } from "../base/index.ts";
import { type Parameters, parametersFromSafetensors } from "../graph/index.ts";
import { type Shift, untilReached } from "./shift.ts";

/** The global model of a round, brought here if it is not. */
export async function fetchModel(
  shift: Shift,
  studyHash: Sha256,
  round: number,
  sha256: Sha256,
  bytes: number,
): Promise<Parameters> {
  const { signal } = shift;
  const content = await untilReached(shift, () => shift.out.fetch({ sha256, studyHash, round, signal }, bytes));
  return parametersFromSafetensors(content, `global model of round ${round}`);
}
