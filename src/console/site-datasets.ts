/**
 * A hospital's data on its way into studies, as it stands on disk: the dataset that was checked and registered, the
 * folders of intake, and the reviews of drafts, each with what to do next.
 *
 * Invariants
 * - Folders are those that the console was started with, and those that the registered dataset lies in; none comes from a
 *   browser, which names a folder by a digest and a case by its name. What is registered is one of them.
 * - Everything is read by what the commands read it by; nothing is written.
 * - Lists are at most LIMITS.consoleCases long, what needs somebody first, and say how many there are in all.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ConsiliumError, LIMITS, sha256 } from "../base/index.ts";
import { MODALITIES, type Outlier } from "../imaging/index.ts";
import { type IntakeCase, intakeSheet, isIntake, readIntake, readLastingOptions } from "../intake/index.ts";
import { errorRecord } from "../protocol/index.ts";
import {
  type KeptCase,
  type RegisteredData,
  type ReviewOverview,
  readDataCheck,
  readRegisteredData,
  readReview,
  readSite,
  reviewOverview,
  trainingCases,
  validationCases,
} from "../site/index.ts";
import { mayMissOption, type NextCommands, registerCommand, shown, word } from "./next-commands.ts";

export interface SiteDatasetsOptions {
  /** As it was typed: commands that are shown name it so. */
  readonly home: string;
  /** Folders of intake and of reviews, beside those that the dataset lies in. */
  readonly intakes: readonly string[];
  readonly reviews: readonly string[];
  /** Folders that may be registered, beside those. */
  readonly datasets: readonly string[];
}

export interface DatasetView {
  readonly registered: {
    readonly dataset: string;
    readonly convention: string;
    readonly training: number;
    readonly validation: number;
    readonly incomplete: number;
    readonly excluded: number;
    readonly registeredAtMs: number;
  } | null;
  /** The last check, whether it led to a registration or not. */
  readonly check: {
    readonly dataset: string;
    readonly checkedAtMs: number;
    readonly registered: boolean;
    readonly total: number;
    readonly usable: number;
    readonly cases: readonly KeptCase[];
    readonly outliers: readonly Outlier[];
  } | null;
  /** Folders that can be checked and registered from here. */
  readonly offered: readonly OfferedFolder[];
  readonly next: NextCommands;
}

export interface OfferedFolder {
  readonly key: string;
  readonly folder: string;
  /** Whether it is the one that is registered. */
  readonly registered: boolean;
}

export interface IntakeView {
  readonly key: string;
  readonly folder: string;
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly cases: readonly IntakeCase[];
  readonly next: NextCommands;
}

export interface ReviewView extends Omit<ReviewOverview, "returning"> {
  readonly key: string;
  readonly folder: string;
  readonly total: number;
  readonly next: NextCommands;
}

/** A folder that cannot be read is told in its place, and hides no other. */
export type OrTrouble<T> =
  | T
  | { readonly key: string; readonly folder: string; readonly trouble: Record<string, string> };

export interface SiteDatasets {
  dataset(): Promise<DatasetView>;
  intakes(): Promise<readonly OrTrouble<IntakeView>[]>;
  reviews(): Promise<readonly OrTrouble<ReviewView>[]>;
  /** A folder that may be registered, by its key. @throws ConsiliumError `file-not-found` for any other */
  offered(key: string): Promise<string>;
  /** A contact sheet, a PNG file. @throws ConsiliumError `file-not-found` */
  sheet(intakeKey: string, caseId: string, state: string): Promise<Uint8Array>;
}

export function siteDatasets({ home, intakes, reviews, datasets }: SiteDatasetsOptions): SiteDatasets {
  const open = async () => {
    const { store } = await readSite(home);
    return { data: await readRegisteredData(store), check: await readDataCheck(store) };
  };
  const datasetFolders = async (): Promise<string[]> => {
    const { data, check } = await open();
    return [data?.dataset, check?.dataset].filter((folder) => folder !== undefined);
  };
  const intakeFolders = async (): Promise<readonly string[]> =>
    distinct([...intakes, ...(await datasetFolders()).filter(isIntake)]);
  const reviewFolders = async (): Promise<readonly string[]> => {
    const around = (await datasetFolders()).filter((folder) => basename(folder) === "reviewed").map(dirname);
    return distinct([...reviews, ...around]);
  };
  const offeredFolders = async (): Promise<readonly string[]> => {
    const reviewed = (await reviewFolders()).map((folder) => join(folder, "reviewed"));
    const made = [...(await intakeFolders()), ...reviewed].filter((folder) => existsSync(folder));
    return distinct([...(await datasetFolders()), ...datasets, ...made]);
  };
  return {
    async dataset() {
      const { data, check } = await open();
      const { cases = [], outliers = [] } = check ?? {};
      const usable = cases.filter(({ problems }) => problems.length === 0);
      const registered = check !== undefined && data !== undefined && isOf(data, check);
      const far = new Set(outliers.map(({ caseId }) => caseId));
      const urgency = ({ id, problems }: KeptCase): number => (problems.length > 0 ? 0 : far.has(id) ? 1 : 2);
      return {
        registered: data === undefined ? null : registeredView(data),
        check:
          check === undefined
            ? null
            : {
                dataset: shown(check.dataset),
                checkedAtMs: check.checkedAtMs,
                registered,
                total: cases.length,
                usable: usable.length,
                cases: urgentFirst(cases, urgency),
                outliers: outliers.slice(0, LIMITS.consoleCases),
              },
        offered: (await offeredFolders()).map((folder) => ({
          key: keyOf(folder),
          folder: shown(folder),
          registered: folder === data?.dataset,
        })),
        next: nextOfDataset(home, data, check && { ...check, registered, broken: cases.length - usable.length }),
      };
    },
    async intakes() {
      const { data } = await open();
      return Promise.all((await intakeFolders()).map((folder) => orTrouble(folder, intakeView(folder, home, data))));
    },
    reviews: async () => Promise.all((await reviewFolders()).map((folder) => orTrouble(folder, reviewView(folder)))),
    async offered(key) {
      const folder = (await offeredFolders()).find((each) => keyOf(each) === key);
      if (folder === undefined) throw noFolder("data");
      return folder;
    },
    async sheet(intakeKey, caseId, state) {
      const folder = (await intakeFolders()).find((each) => keyOf(each) === intakeKey);
      if (folder === undefined) throw noFolder("intake");
      return intakeSheet(folder, caseId, state);
    },
  };
}

function registeredView(data: RegisteredData): NonNullable<DatasetView["registered"]> {
  const { dataset, convention, cases, excluded, registeredAtMs } = data;
  return {
    dataset: shown(dataset),
    convention,
    training: trainingCases(data).length,
    validation: validationCases(data).length,
    incomplete: cases.filter(({ images }) => MODALITIES.some((modality) => images[modality] === undefined)).length,
    excluded: excluded.length,
    registeredAtMs,
  };
}

interface Looked {
  readonly dataset: string;
  readonly convention: string;
  readonly checkedAtMs: number;
}

function isOf(data: RegisteredData, { dataset, checkedAtMs }: Pick<Looked, "dataset" | "checkedAtMs">): boolean {
  return data.dataset === dataset && data.registeredAtMs >= checkedAtMs;
}

function nextOfDataset(
  home: string,
  data: RegisteredData | undefined,
  check:
    | (Looked & { readonly registered: boolean; readonly broken: number; readonly outliers: readonly Outlier[] })
    | undefined,
): NextCommands {
  const declared = check ?? data;
  const register = declared === undefined ? "" : registerCommand(home, declared, data);
  if (check === undefined) {
    if (data !== undefined) {
      return {
        words: "Registered without figures of its cases: register it again to compare them.",
        commands: [register],
      };
    }
    return {
      words: "No data is registered. Check a dataset, then register it.",
      commands: ["consilium cohort check DATASET", `consilium site data --home ${word(home)} --dataset DATASET`],
    };
  }
  if (!check.registered) {
    return {
      words:
        "The dataset was checked and not registered: mend what is wrong and register it, or leave the broken cases out.",
      commands: [register, `${register} --exclude-broken`],
    };
  }
  if (check.broken > 0) {
    return {
      words: "Some cases were left out. Once they are mended, register the dataset again.",
      commands: [register],
    };
  }
  if (check.outliers.length > 0) {
    return {
      words:
        "Look at the cases that lie far from the others, in the viewer. Where one is wrong, mend it and register again.",
      commands: [register],
    };
  }
  return { words: "The dataset is registered, and nothing about it asks for a look.", commands: [] };
}

async function intakeView(folder: string, home: string, data: RegisteredData | undefined): Promise<IntakeView> {
  const cases = await readIntake(folder);
  const failed = cases.filter(({ failure }) => failure !== null).length;
  const done = cases.filter(({ failure, state }) => failure === null && state === "done").length;
  const { mayMiss = [] } = await readLastingOptions(folder);
  // Its other options it keeps itself.
  const again = `consilium intake --from DICOM --out ${word(shown(folder))}`;
  const check = [`consilium cohort check ${word(shown(folder))}`, ...mayMissOption(mayMiss)].join(" ");
  const register = registerCommand(home, { dataset: folder, mayMiss }, data);
  const next = ((): NextCommands => {
    if (done + failed < cases.length) {
      return {
        words: "Some cases are not finished: intake works at them, or was stopped and goes on by:",
        commands: [again],
      };
    }
    if (failed > 0) {
      return {
        words:
          "Read what is wrong with the failed cases. Once it is mended, the same command tries them again; --series corrects what a series was taken for.",
        commands: [`${again} --links links.csv`, `${again} --series links.csv`],
      };
    }
    return done === 0
      ? { words: "No case has come in yet.", commands: [again] }
      : {
          words: "Look at the pictures; then register the dataset.",
          commands: [check, register],
        };
  })();
  const urgency = ({ failure, state }: IntakeCase): number => (failure !== null ? 0 : state === "done" ? 2 : 1);
  return {
    key: keyOf(folder),
    folder: shown(folder),
    total: cases.length,
    done,
    failed,
    cases: urgentFirst(cases, urgency),
    next,
  };
}

async function reviewView(folder: string): Promise<ReviewView> {
  const review = await readReview(folder);
  if (review === undefined) throw noFolder("review");
  const { returning, cases, ...counts } = reviewOverview(folder, review);
  const at = `--review ${word(shown(folder))}`;
  const draft = `consilium review draft --data ${word(shown(review.dataset))} --model MODEL ${at}`;
  const next = ((): NextCommands => {
    if (returning.length > 0) {
      return {
        words: "Corrected maps lie in the folder: take them back.",
        commands: [`consilium review return ${at}`],
      };
    }
    if (counts.drafted > 0) {
      return {
        words:
          "Drafts are with a reader: correct ID_draft.nii.gz in cases/ID, save it as ID_corrected.nii.gz beside it, and take it back.",
        commands: [`consilium review return ${at}`, `consilium review return ${at} --case ID --right-as-it-is`],
      };
    }
    if (counts.done < cases.length) return { words: "Cases wait for their drafts.", commands: [draft] };
    return {
      words: "Every case is done. The reviewed dataset can be checked and registered.",
      commands: [`consilium cohort check ${word(`${shown(folder)}/reviewed`)}`],
    };
  })();
  const rank = { failed: 1, drafted: 2, identified: 3, validated: 3, done: 4 } as const;
  const urgent = urgentFirst(cases, ({ corrected, state }) => (corrected ? 0 : rank[state.kind]));
  return { key: keyOf(folder), folder: shown(folder), total: cases.length, ...counts, cases: urgent, next };
}

async function orTrouble<T extends object>(folder: string, view: Promise<T>): Promise<OrTrouble<T>> {
  try {
    return await view;
  } catch (error) {
    return { key: keyOf(folder), folder: shown(folder), trouble: { ...errorRecord(unreadable(error)) } };
  }
}

/** A folder that this process may not read, in words; what is no error of a file system stays what it is. */
function unreadable(error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof ConsiliumError || code === undefined || syscall === undefined) return error;
  return new ConsiliumError("file-unreadable", {
    subject: "folder",
    expected: "files that the console may read",
    actual: code,
    hint: "Give whoever runs the console the right to read them, or name another folder.",
    cause: error,
  });
}

function urgentFirst<T>(cases: readonly T[], urgency: (each: T) => number): readonly T[] {
  return cases.toSorted((a, b) => urgency(a) - urgency(b)).slice(0, LIMITS.consoleCases);
}

function distinct(folders: readonly string[]): readonly string[] {
  return [...new Set(folders.map((folder) => resolve(folder)))];
}

function keyOf(folder: string): string {
  return sha256(folder).slice(0, 16);
}

const OFFERED = {
  intake: "a folder that `consilium intake` made",
  review: "a folder that `consilium review draft` made",
  data: "a folder that this console offers",
} as const;

function noFolder(what: keyof typeof OFFERED): ConsiliumError {
  return new ConsiliumError("file-not-found", {
    subject: what,
    expected: OFFERED[what],
    actual: "another",
    hint: `Start the console with --${what} and the folder's name.`,
  });
}
