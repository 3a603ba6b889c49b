/** What a long run tells whoever waits for it. */
export interface RunProgress {
  /** What is being done, in words. */
  readonly phase: string;
  /** Work done and in all, in one unit for the whole phase. */
  readonly done: number;
  readonly total: number;
  readonly note?: string;
}

/** Something that whoever waits must not miss, such as a site's failure: a line that stays. */
export interface RunNote {
  readonly line: string;
}

export type OnRunProgress = (progress: RunProgress) => void;
export type OnRunNews = (news: RunProgress | RunNote) => void;
