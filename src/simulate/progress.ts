/** What a long run tells whoever waits for it. */
export interface RunProgress {
  /** What is being done, in words. */
  readonly phase: string;
  /** Work done and in all, in one unit for the whole phase. */
  readonly done: number;
  readonly total: number;
  readonly note?: string;
}

export type OnRunProgress = (progress: RunProgress) => void;
