/**
 * Progress on standard error, with the time left. Rules:
 *  - nothing for work that ends within two seconds;
 *  - on a terminal one line that is rewritten, elsewhere a line every ten seconds, so that logs stay short;
 *  - notes are whole lines that stay; nothing at all with --quiet.
 */
import { type Clock, systemClock } from "../base/index.ts";
import { formatDuration } from "./format.ts";

const SILENT_MS = 2000;
const REDRAW_MS = 200;
const LINE_EVERY_MS = 10_000;

export interface ProgressStep {
  /** What is being done: "Training". A new label starts a new estimate of the time left. */
  readonly label: string;
  readonly done: number;
  /** Left out where nobody knows. */
  readonly total?: number;
  /** What is counted: "steps". */
  readonly unit?: string;
  /** Shown after the figures: "loss 0.41". */
  readonly detail?: string;
}

export interface Progress {
  update(step: ProgressStep): void;
  /** A line that stays. */
  note(line: string): void;
  /** Ends the rewritten line, if one is shown. */
  end(): void;
}

export interface ProgressOutput {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
  readonly columns: number;
}

export const silentProgress: Progress = { update: () => {}, note: () => {}, end: () => {} };

/** One piece of work underway; several may run side by side, told apart by their labels. */
interface Underway {
  readonly firstDone: number;
  readonly startedMs: number;
  updatedMs: number;
}

export function createProgress(output: ProgressOutput, clock: Clock = systemClock): Progress {
  const underway = new Map<string, Underway>();
  /** Of work side by side one is shown, until it ends or falls silent. */
  let shown = "";
  let drawnMs = Number.NEGATIVE_INFINITY;
  let onScreen = false;

  const erase = (): void => {
    if (onScreen) output.write("\r\x1b[K");
    onScreen = false;
  };
  const follow = (step: ProgressStep, nowMs: number): Underway => {
    const known = underway.get(step.label);
    if (known !== undefined && step.done >= known.firstDone) {
      known.updatedMs = nowMs;
      return known;
    }
    const begun = { firstDone: step.done, startedMs: nowMs, updatedMs: nowMs };
    underway.set(step.label, begun);
    return begun;
  };
  const draw = (step: ProgressStep, elapsedMs: number, firstDone: number): void => {
    const line = describeStep(step, elapsedMs, firstDone);
    if (!output.isTerminal) {
      output.write(`${line}\n`);
      return;
    }
    output.write(`\r\x1b[K${line.slice(0, Math.max(20, output.columns - 1))}`);
    onScreen = true;
  };
  return {
    update(step) {
      const nowMs = clock.nowMs();
      const { startedMs, firstDone } = follow(step, nowMs);
      const current = underway.get(shown);
      if (current === undefined || nowMs - current.updatedMs > SILENT_MS) shown = step.label;
      const due = nowMs - drawnMs >= (output.isTerminal ? REDRAW_MS : LINE_EVERY_MS);
      if (shown === step.label && nowMs - startedMs >= SILENT_MS && due) {
        drawnMs = nowMs;
        draw(step, nowMs - startedMs, firstDone);
      }
      if (step.done === step.total) underway.delete(step.label);
    },
    note(line) {
      erase();
      output.write(`${line}\n`);
    },
    end() {
      erase();
      underway.clear();
    },
  };
}

/** "Training: 126 of 300 steps (42 %), loss 0.41, 1 min 20 s left". */
export function describeStep(step: ProgressStep, elapsedMs: number, firstDone = 0): string {
  const { done, total, unit, detail } = step;
  const counted = unit === undefined ? "" : ` ${unit}`;
  const figures =
    total === undefined
      ? `${done}${counted}`
      : `${done} of ${total}${counted} (${Math.floor((100 * done) / Math.max(total, 1))} %)`;
  const parts = [figures];
  if (detail !== undefined) parts.push(detail);
  if (total !== undefined && done > firstDone) {
    parts.push(`${formatDuration((elapsedMs / (done - firstDone)) * Math.max(total - done, 0))} left`);
  } else {
    parts.push(`${formatDuration(elapsedMs)} so far`);
  }
  return `${step.label}: ${parts.join(", ")}`;
}
