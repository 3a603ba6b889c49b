/**
 * A status that follows the server's stream: it reconnects by itself, with longer pauses from try to try, and says when
 * what is shown is older than it should be.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { troubleOf } from "./api.ts";
import type { Trouble } from "./trouble.ts";

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;
/** The server speaks at least every five seconds. */
const SILENT_MS = 12_000;

export interface Update {
  readonly json: string;
  readonly timeMs: bigint;
}

export interface Live<T> {
  readonly value: T | undefined;
  /** When the server was heard last. */
  readonly heardMs: number;
  readonly stale: boolean;
  readonly trouble: Trouble | undefined;
}

type Watch<T> = (known: T | undefined, signal: AbortSignal) => AsyncIterable<Update>;

/** @param merge what is known now, out of what was known and what came */
export function useLive<T>(watch: Watch<T>, merge: (known: T | undefined, came: T) => T): Live<T> {
  const [live, setLive] = useState<Live<T>>({ value: undefined, heardMs: 0, stale: false, trouble: undefined });
  const known = useRef<T | undefined>(undefined);
  useEffect(() => {
    const stop = new AbortController();
    follow(stop.signal, watch, known, merge, setLive).catch(() => undefined);
    return () => stop.abort();
  }, []);
  return live;
}

async function follow<T>(
  signal: AbortSignal,
  watch: Watch<T>,
  known: { current: T | undefined },
  merge: (known: T | undefined, came: T) => T,
  tell: (change: (before: Live<T>) => Live<T>) => void,
): Promise<void> {
  let pauseMs = RETRY_MIN_MS;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const giveUp = (): void => attempt.abort();
    signal.addEventListener("abort", giveUp);
    let silence = setTimeout(giveUp, SILENT_MS);
    try {
      for await (const { json } of watch(known.current, attempt.signal)) {
        clearTimeout(silence);
        silence = setTimeout(giveUp, SILENT_MS);
        pauseMs = RETRY_MIN_MS;
        if (json !== "") known.current = merge(known.current, JSON.parse(json) as T);
        const value = known.current;
        tell(() => ({ value, heardMs: Date.now(), stale: false, trouble: undefined }));
      }
    } catch (error) {
      const trouble = troubleOf(error);
      // The session is over: the page that asks to sign in takes over.
      if (trouble.code === "sign-in-required" && !signal.aborted) return location.assign("/");
      tell((before) => ({ ...before, stale: true, trouble }));
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", giveUp);
    }
    if (signal.aborted) return;
    tell((before) => ({ ...before, stale: true }));
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(RETRY_MAX_MS, pauseMs * 2);
  }
}

export interface Loaded<T> {
  readonly value: T | undefined;
  readonly trouble: Trouble | undefined;
  readonly reload: () => void;
}

/** An answer that is asked for once, and again whenever `key` changes. */
export function useLoaded<T>(load: () => Promise<T>, key: string): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "reload">>({ value: undefined, trouble: undefined });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let current = true;
    load().then(
      (value) => current && setState({ value, trouble: undefined }),
      (error: unknown) => current && setState((before) => ({ ...before, trouble: troubleOf(error) })),
    );
    return () => {
      current = false;
    };
  }, [key, turn]);
  return { ...state, reload: () => setTurn((before) => before + 1) };
}

/** The time, again every so often: for what is shown as "3 s ago". */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
