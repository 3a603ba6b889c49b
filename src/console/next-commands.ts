/** Command lines that are shown to people: whole, and with the options that something was begun with. */
import { isAbsolute, relative } from "node:path";
import { MODALITIES, type Modality } from "../imaging/index.ts";
import type { RegisteredData } from "../site/index.ts";

/** What somebody may do now, with whole command lines. */
export interface NextCommands {
  readonly words: string;
  readonly commands: readonly string[];
}

/** How a dataset was declared; what is left out is not said on the command line. */
export interface DeclaredDataset {
  readonly dataset: string;
  readonly convention?: string;
  readonly mayMiss?: readonly Modality[];
}

/**
 * Registers a dataset as it was declared before.
 * @param data what is registered now: its counts stay as private as they are, and its cases may lack what they lack
 */
export function registerCommand(home: string, declared: DeclaredDataset, data: RegisteredData | undefined): string {
  const { dataset, convention } = declared;
  const again = data?.dataset === dataset ? data : undefined;
  const labels = convention ?? again?.convention;
  const mayMiss = declared.mayMiss ?? (again ? lackedScans(again) : []);
  return [
    `consilium site data --home ${word(home)} --dataset ${word(shown(dataset))}`,
    ...(labels === undefined ? [] : [`--labels ${labels}`]),
    ...mayMissOption(mayMiss),
    ...(data?.privateCounts ? ["--private-counts"] : []),
  ].join(" ");
}

export function mayMissOption(mayMiss: readonly Modality[]): readonly string[] {
  return mayMiss.length === 0 ? [] : [`--may-miss ${mayMiss.join(",")}`];
}

/** Scans that some registered case is without. */
function lackedScans({ cases }: RegisteredData): readonly Modality[] {
  return MODALITIES.filter((modality) => cases.some(({ images }) => images[modality] === undefined));
}

/** As somebody would type it where the console was started: a folder below is named from there. */
export function shown(folder: string): string {
  const below = relative(process.cwd(), folder);
  return below === "" || below.startsWith("..") || isAbsolute(below) ? folder : below;
}

/** As a shell takes it for one word. */
export function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
