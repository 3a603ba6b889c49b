/**
 * The rounds of a study in a table, latest first. A study may have thousands: older ones are laid out some at a time, and
 * rows that are drawn are left alone until their round changes.
 */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { RoundStatus } from "../../../src/coordinator/index.ts";
import { countOf, formatBytes, formatDuration, formatFigure, formatMoment } from "../format.ts";
import { Empty, Row, Section, TableFrame } from "../parts/parts.tsx";

const SHOWN_ROUNDS = 20;
/** Rows that are added before each paint, once all are wanted. */
const ROWS_A_PAINT = 40;

const COLUMNS = [
  "#Round",
  "#Sites",
  "#Steps",
  "#Mean loss",
  "#Updates",
  "#Training",
  "#Sum",
  "#Evaluation",
  "#Mean Dice",
  "Closed",
  "Left out",
];

export function Rounds({ rounds }: { readonly rounds: readonly RoundStatus[] }) {
  const [all, setAll] = useState(false);
  const shown = useGrowing(all ? rounds.length : SHOWN_ROUNDS);
  const today = new Date().toDateString();
  return (
    <Section title="Rounds" note="What a round took by part, what came, and who was left out and why.">
      {rounds.length === 0 ? (
        <Empty title="No round was closed yet." />
      ) : (
        <TableFrame caption="Rounds, latest first" columns={COLUMNS}>
          {rounds
            .slice(-shown)
            .reverse()
            .map((each) => (
              <RoundRow key={each.round} round={each} today={today} />
            ))}
        </TableFrame>
      )}
      {!all && rounds.length > SHOWN_ROUNDS && (
        <p class="buttons">
          <button type="button" onClick={() => setAll(true)}>
            Show all {countOf(rounds.length, "round")}
          </button>
        </p>
      )}
    </Section>
  );
}

/** A count that rises to what is wanted in steps, one before each paint, so that no single paint waits for all of it. */
function useGrowing(wanted: number): number {
  const [count, setCount] = useState(wanted);
  useEffect(() => {
    if (count >= wanted) return;
    const frame = requestAnimationFrame(() => setCount(Math.min(wanted, count + ROWS_A_PAINT)));
    return () => cancelAnimationFrame(frame);
  }, [count, wanted]);
  return Math.min(count, wanted);
}

interface RoundRowProps {
  readonly round: RoundStatus;
  /** What is told by the hour alone is told with its date tomorrow. */
  readonly today: string;
}

function RoundRow({ round, today }: RoundRowProps) {
  return useMemo(() => <Row columns={COLUMNS} cells={cellsOf(round)} />, [round, today]);
}

function cellsOf(each: RoundStatus): (string | number)[] {
  const { round, trained, sites, dice, aggregatedMs, leftOut } = each;
  return [
    round,
    trained.sites,
    trained.gradientSteps,
    formatFigure(trained.meanLoss),
    sites.length === 0 ? "–" : formatBytes(sites.reduce((sum, { updateBytes }) => sum + updateBytes, 0)),
    ...partsOf(each),
    formatFigure(dice?.mean),
    formatMoment(aggregatedMs),
    leftOut.length === 0 ? "nobody" : leftOut.map(({ siteId, reason }) => `${siteId}: ${reason}`).join("; "),
  ];
}

/** Until the last update came, from there to the new model, from there to the last figures. */
function partsOf({ startedMs, aggregatedMs, evaluatedMs, sites }: RoundStatus): string[] {
  // Under a sum nobody tells when a single site was done: training and sum are one stretch.
  if (sites.length === 0) return [formatDuration(aggregatedMs - startedMs), "–", "–"];
  const cameMs = Math.max(startedMs, ...sites.map((site) => site.cameMs));
  return [
    formatDuration(cameMs - startedMs),
    `${((aggregatedMs - cameMs) / 1000).toFixed(1)} s`,
    evaluatedMs === null ? "–" : formatDuration(evaluatedMs - aggregatedMs),
  ];
}
