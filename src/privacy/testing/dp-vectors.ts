/** The committed answers of Google's dp-accounting (bench/oracle/dp_accounting_vectors.py), for tests. */
import { readFileSync } from "node:fs";
import { type DpEvent, parseDpEvent } from "../accounting/dp-event.ts";

export interface DpSetting {
  readonly event: DpEvent;
  readonly epsilons: readonly {
    readonly delta: number;
    readonly rdp: number;
    readonly order: number;
    readonly pld: number;
  }[];
}

interface DpVectors {
  readonly settings: readonly DpSetting[];
  /** Tails of the standard normal distribution by SciPy. */
  readonly tails: readonly { readonly z: number; readonly upperTail: number; readonly logErfc: number }[];
}

export function readDpVectors(): DpVectors {
  const path = new URL("../testdata/dp-accounting-vectors.json", import.meta.url);
  const { settings, tails } = JSON.parse(readFileSync(path, "utf8")) as DpVectors;
  return { settings: settings.map(({ event, epsilons }) => ({ event: parseDpEvent(event), epsilons })), tails };
}
