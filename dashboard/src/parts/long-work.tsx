/** Work of the console that takes long: begun from here, followed while it runs, and what the last one came to. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { troubleOf } from "../api.ts";
import { formatDuration } from "../format.ts";
import { useLoaded, useNow } from "../live.ts";
import type { Trouble } from "../trouble.ts";
import { Badge, TroubleNote } from "./parts.tsx";

const POLL_MS = 1000;

/** As the console tells it (`src/console/long-work.ts`). */
interface View<Result> {
  readonly running: { readonly sinceMs: number; readonly lines: readonly string[] } | null;
  readonly last: { readonly endedMs: number; readonly result: Result } | null;
  readonly failed: Record<string, string> | null;
}

export interface Following<Result> {
  readonly view: View<Result> | undefined;
  readonly trouble: Trouble | undefined;
  readonly reload: () => void;
  /** Begins it; what was refused is told by `Progressing`. */
  readonly begin: (work: () => Promise<unknown>) => Promise<void>;
  readonly refused: Trouble | undefined;
}

/** Asks once, and every second while it runs. @param onEnd told when one has ended that ran before this */
export function useLongWork<Result>(load: () => Promise<{ readonly json: string }>, onEnd?: () => void) {
  const { value: view, trouble, reload } = useLoaded(async () => JSON.parse((await load()).json) as View<Result>, "");
  const [refused, setRefused] = useState<Trouble>();
  const isRunning = view !== undefined && view.running !== null;
  const [ran, setRan] = useState(false);
  useEffect(() => {
    if (!isRunning && ran) onEnd?.();
    setRan(isRunning);
    const timer = isRunning ? setInterval(reload, POLL_MS) : undefined;
    return () => clearInterval(timer);
  }, [isRunning]);
  const begin = async (work: () => Promise<unknown>): Promise<void> => {
    setRefused(undefined);
    await work().then(reload, (error: unknown) => setRefused(troubleOf(error)));
  };
  return { view, trouble, reload, begin, refused } satisfies Following<Result>;
}

interface ProgressingProps<Result> {
  readonly work: Following<Result>;
  /** "examining" */
  readonly doing: string;
  /** Where nothing was begun yet. */
  readonly none?: ComponentChildren;
}

/** What runs, or why it does not, or came to no end. */
export function Progressing<Result>({ work: { view, refused }, doing, none }: ProgressingProps<Result>) {
  if (view === undefined) return null;
  const { running, last, failed } = view;
  return (
    <>
      {refused && <TroubleNote trouble={refused} />}
      {running && <Running running={running} doing={doing} />}
      {failed && running === null && <TroubleNote trouble={failed as unknown as Trouble} />}
      {last === null && running === null && failed === null && none}
    </>
  );
}

interface RunningProps {
  readonly running: NonNullable<View<unknown>["running"]>;
  readonly doing: string;
}

function Running({ running: { sinceMs, lines }, doing }: RunningProps) {
  const now = useNow();
  return (
    <div role="status">
      <p>
        <Badge tone="busy">{doing}</Badge> for {formatDuration(now - sinceMs)}
      </p>
      {lines.length > 0 && <pre>{lines.join("\n")}</pre>}
    </div>
  );
}
