/**
 * A line chart by round, drawn as SVG at its true width. It can be read by eye, by keyboard (arrow keys move from round
 * to round), and as a table.
 */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatFigure } from "../format.ts";
import { Table } from "./parts.tsx";

export interface Series {
  readonly name: string;
  /** Value by round; null where there is none. */
  readonly values: ReadonlyMap<number, number | null>;
}

interface ChartProps {
  readonly title: string;
  readonly series: readonly Series[];
  /** Sorted. */
  readonly rounds: readonly number[];
}

const HEIGHT = 220;
const LEFT = 38;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 26;
const TABLE_ROUNDS = 50;

export function Chart({ title, series, rounds }: ChartProps) {
  const figure = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  const [at, setAt] = useState<number>();
  useEffect(() => {
    if (figure.current === null) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(240, entry.contentRect.width)));
    observer.observe(figure.current);
    return () => observer.disconnect();
  }, []);
  const [low, high] = [rounds[0] ?? 0, rounds.at(-1) ?? 1];
  const plot = width - LEFT - RIGHT;
  const x = (round: number): number => LEFT + (high === low ? 0.5 : (round - low) / (high - low)) * plot;
  const y = (value: number): number => TOP + (1 - value) * (HEIGHT - TOP - BOTTOM);
  // What does not follow the pointer is made once, and painted once: the cursor lies on a layer of its own.
  const drawn = useMemo(
    () => <Drawn series={series} rounds={rounds} width={width} x={x} y={y} />,
    [series, rounds, width],
  );
  const table = useMemo(() => <AsTable title={title} series={series} rounds={rounds} />, [title, series, rounds]);
  const chosen = at !== undefined && rounds.includes(at) ? at : rounds.at(-1);
  const move = (event: PointerEvent): void => {
    const box = figure.current?.getBoundingClientRect();
    if (box === undefined) return;
    const share = Math.min(1, Math.max(0, (event.clientX - box.left - LEFT) / plot));
    const wanted = low + share * (high - low);
    setAt(rounds.reduce((best, round) => (Math.abs(round - wanted) < Math.abs(best - wanted) ? round : best), low));
  };
  const step = (event: KeyboardEvent): void => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -rounds.length, End: rounds.length }[event.key];
    if (move === undefined || chosen === undefined) return;
    event.preventDefault();
    setAt(rounds[Math.min(rounds.length - 1, Math.max(0, rounds.indexOf(chosen) + move))]);
  };
  const readout = series.map(({ name, values }) => `${name} ${formatFigure(values.get(chosen ?? -1))}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div
        ref={figure}
        role="slider"
        tabIndex={0}
        aria-label={`${title}, by round`}
        aria-valuemin={low}
        aria-valuemax={high}
        aria-valuenow={chosen ?? low}
        aria-valuetext={`Round ${chosen}: ${readout}`}
        onPointerMove={move}
        onPointerLeave={() => setAt(undefined)}
        onKeyDown={step}
      >
        {drawn}
        <svg class="over" width={width} height={HEIGHT} aria-hidden="true">
          {chosen !== undefined && <line class="cursor" x1={x(chosen)} x2={x(chosen)} y1={TOP} y2={HEIGHT - BOTTOM} />}
          {chosen !== undefined &&
            series.map(({ name, values }, i) => {
              const value = values.get(chosen);
              return typeof value === "number" ? (
                <circle key={name} class={`dot c${i % 10}`} cx={x(chosen)} cy={y(value)} r={3.5} />
              ) : null;
            })}
        </svg>
      </div>
      <ul class="legend" aria-hidden="true">
        <li class="soft">Round {chosen}</li>
        {series.map(({ name, values }, i) => (
          <li key={name}>
            <span class={`key c${i % 10}`} />
            {name} <b>{formatFigure(values.get(chosen ?? -1))}</b>
          </li>
        ))}
      </ul>
      {table}
    </figure>
  );
}

type AsTableProps = Pick<ChartProps, "title" | "series" | "rounds">;

function AsTable({ title, series, rounds }: AsTableProps) {
  const last = rounds.slice(-TABLE_ROUNDS);
  return (
    <details>
      <summary>As a table</summary>
      <Table
        caption={`${title}, last ${last.length} rounds`}
        columns={["#Round", ...series.map(({ name }) => `#${name}`)]}
        rows={last.map((round) => [round, ...series.map(({ values }) => formatFigure(values.get(round)))])}
      />
    </details>
  );
}

interface DrawnProps extends Omit<ChartProps, "title"> {
  readonly width: number;
  readonly x: (round: number) => number;
  readonly y: (value: number) => number;
}

/** Grid, axes and lines. */
function Drawn({ series, rounds, width, x, y }: DrawnProps) {
  return (
    <svg width={width} height={HEIGHT} aria-hidden="true">
      {[0, 0.2, 0.4, 0.6, 0.8, 1].map((value) => (
        <g key={value}>
          <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y(value)} y2={y(value)} />
          <text x={LEFT - 6} y={y(value) + 4} text-anchor="end">
            {value.toFixed(1)}
          </text>
        </g>
      ))}
      {ticks(rounds[0] ?? 0, rounds.at(-1) ?? 1).map((round) => (
        <text key={round} x={x(round)} y={HEIGHT - 8} text-anchor="middle">
          {round}
        </text>
      ))}
      {series.map(({ name, values }, i) => (
        <path key={name} class={`line c${i % 10}`} d={pathOf(values, rounds, x, y)} />
      ))}
    </svg>
  );
}

function pathOf(
  values: ReadonlyMap<number, number | null>,
  rounds: readonly number[],
  x: (round: number) => number,
  y: (value: number) => number,
): string {
  let path = "";
  for (const round of rounds) {
    const value = values.get(round);
    if (typeof value !== "number") continue;
    path += `${path === "" ? "M" : "L"}${x(round).toFixed(1)} ${y(value).toFixed(1)}`;
  }
  return path;
}

function ticks(low: number, high: number): number[] {
  const wanted = [low, low + (high - low) / 4, low + (high - low) / 2, low + (3 * (high - low)) / 4, high];
  return [...new Set(wanted.map(Math.round))];
}
