/**
 * A site's error as its standard error and its activity may tell it: the system's journal keeps what is told there,
 * and other people read that, so that it names no patient. Code, expectation and hint stay; the subject and what came,
 * which may be a path, a case's name or text out of a header, go. In their place stands the case's number in the
 * registered data, which only this site's home resolves.
 */
import { ConsiliumError } from "../base/index.ts";
import type { RegisteredData } from "./site-data.ts";

/** @param data as it is registered now; undefined where nothing is. */
export function quietError(error: ConsiliumError, data: RegisteredData | undefined): ConsiliumError {
  const names = namesIn(data);
  const { code, subject, expected, actual, hint } = error;
  const number = [subject, actual, hint, expected].map((text) => caseIn(text, names)).find((found) => found);
  const where =
    number === undefined
      ? "`consilium cohort check` says what is wrong with a case."
      : `Its name is entry ${number} of \`cases\` in data.json of this home; \`consilium cohort check\` says what is wrong.`;
  return new ConsiliumError(code, {
    subject: number === undefined ? "this site's work" : `case ${number} of this site's data`,
    expected: withoutNames(expected, names),
    actual: "something else",
    hint: `${withoutNames(hint, names)} ${where}`,
  });
}

/** The same where the error names a case or a file of the registered data; others are returned as they came. */
export function quietWhereNamed(error: ConsiliumError, data: RegisteredData | undefined): ConsiliumError {
  const names = namesIn(data);
  const isNamed = Object.values(error.toJSON()).some((text) => names.some(({ pattern }) => text.search(pattern) >= 0));
  return isNamed ? quietError(error, data) : error;
}

interface Name {
  readonly pattern: RegExp;
  /** Of the case, from 1; undefined for the dataset's folder. */
  readonly number: number | undefined;
}

/** What means more than itself in a regular expression. */
const SPECIAL = /[\\^$.*+?()[\]{}|/]/g;

/** Longest first, so that one case's name inside another's is not taken for it. */
function namesIn(data: RegisteredData | undefined): Name[] {
  if (data === undefined) return [];
  const ofCases = data.cases.flatMap(({ id, subject, folder, images, labelMap }, i) =>
    [id, subject, folder, labelMap ?? "", ...Object.values(images)].map((text) => ({ text, number: i + 1 })),
  );
  return [...ofCases, { text: data.dataset, number: undefined }]
    .filter(({ text }) => text !== "")
    .sort((a, b) => b.text.length - a.text.length)
    .map(({ text, number }) => ({
      pattern: new RegExp(`(?<![\\p{L}\\p{N}])${text.replace(SPECIAL, "\\$&")}(?![\\p{L}\\p{N}])`, "gu"),
      number,
    }));
}

function caseIn(text: string, names: readonly Name[]): number | undefined {
  return names.find(({ pattern, number }) => number !== undefined && text.search(pattern) >= 0)?.number;
}

/** What still looks like an absolute path is a file of this machine, whose name may be a patient's. */
const ABSOLUTE_PATH = /(?<=^|[\s"'(`])(?:[A-Za-z]:)?[\\/][^\s"')`]+/g;

function withoutNames(text: string, names: readonly Name[]): string {
  const named = names.reduce(
    (rest, { pattern, number }) => rest.replace(pattern, number === undefined ? "the dataset" : `case ${number}`),
    text,
  );
  return named.replace(ABSOLUTE_PATH, "a file here");
}
