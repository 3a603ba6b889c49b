/**
 * Options of commands as data: the key is the option's name (`holdOut` is `--hold-out`), the record says what it
 * takes, and the type of what a command receives follows from it.
 */
import { ConsiliumError } from "../base/index.ts";

export interface OptionSpec<T = unknown> {
  /** The placeholder in help, in capitals; undefined for a switch. */
  readonly placeholder: string | undefined;
  readonly help: string;
  /** Text of the default for help; undefined where nothing is to be shown. */
  readonly defaultText: string | undefined;
  /** Turns what was typed (undefined: not given) into the value. Throws `RangeError` with what was expected. */
  readonly parse: (typed: string | boolean | undefined) => T;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;
export type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never;
};

type Parse<T> = (typed: string) => T;

/** An option that may be left out. */
function optional<T>(placeholder: string, help: string, parse: Parse<T>): OptionSpec<T | undefined> {
  return {
    placeholder,
    help,
    defaultText: undefined,
    parse: (typed) => (typeof typed === "string" ? parse(typed) : undefined),
  };
}

function withDefault<T>(spec: OptionSpec<T | undefined>, value: T, defaultText = String(value)): OptionSpec<T> {
  return { ...spec, defaultText, parse: (typed) => spec.parse(typed) ?? value };
}

function required<T>(spec: OptionSpec<T | undefined>): OptionSpec<T> {
  return {
    ...spec,
    help: `${spec.help} (required)`,
    parse: (typed) => {
      const value = spec.parse(typed);
      if (value === undefined) throw new RangeError("a value");
      return value;
    },
  };
}

const parseText: Parse<string> = (typed) => {
  // `--out --json` has lost its file name; a path that begins so can be given as ./--name.
  if (typed === "" || typed.startsWith("--")) throw new RangeError("a value");
  return typed;
};

const parseList: Parse<readonly string[]> = (typed) => {
  const items = parseText(typed)
    .split(",")
    .map((item) => item.trim());
  if (items.includes("")) throw new RangeError("names with commas between them");
  return items;
};

function parseNumber(kind: "whole" | "any", minimum: number, maximum: number): Parse<number> {
  const bounds =
    maximum === Number.MAX_SAFE_INTEGER || maximum === Infinity
      ? `of at least ${minimum}`
      : `from ${minimum} to ${maximum}`;
  return (typed) => {
    const value = Number(typed);
    const fits =
      typed.trim() !== "" && value >= minimum && value <= maximum && (kind === "any" || Number.isSafeInteger(value));
    if (!fits) throw new RangeError(`${kind === "whole" ? "a whole number" : "a number"} ${bounds}`);
    return value;
  };
}

interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

export const option = {
  text: (placeholder: string, help: string) => optional(placeholder, help, parseText),
  requiredText: (placeholder: string, help: string) => required(optional(placeholder, help, parseText)),
  textOr: (placeholder: string, help: string, value: string) =>
    withDefault(optional(placeholder, help, parseText), value),
  /** Names with commas between them. */
  list: (placeholder: string, help: string) => optional(placeholder, help, parseList),
  requiredList: (placeholder: string, help: string) => required(optional(placeholder, help, parseList)),
  /** Numbers with commas between them. */
  numbers: (placeholder: string, help: string, { min = 0, max = Infinity }: Bounds = {}) =>
    optional(placeholder, help, (typed): readonly number[] =>
      parseText(typed)
        .split(",")
        .map(parseNumber("any", min, max)),
    ),
  integer: (help: string, { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds = {}) =>
    optional("N", help, parseNumber("whole", min, max)),
  integerOr: (help: string, value: number, { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds = {}) =>
    withDefault(optional("N", help, parseNumber("whole", min, max)), value),
  requiredInteger: (help: string, { min = 0, max = Number.MAX_SAFE_INTEGER }: Bounds = {}) =>
    required(optional("N", help, parseNumber("whole", min, max))),
  number: (placeholder: string, help: string, { min = 0, max = Infinity }: Bounds = {}) =>
    optional(placeholder, help, parseNumber("any", min, max)),
  numberOr: (placeholder: string, help: string, value: number, { min = 0, max = Infinity }: Bounds = {}) =>
    withDefault(optional(placeholder, help, parseNumber("any", min, max)), value),
  requiredNumber: (placeholder: string, help: string, { min = 0, max = Infinity }: Bounds = {}) =>
    required(optional(placeholder, help, parseNumber("any", min, max))),
  oneOf: <const T extends string>(help: string, values: readonly T[]) =>
    optional(values.join("|"), help, (typed): T => {
      const value = values.find((each) => each === typed);
      if (value === undefined) throw new RangeError(`one of ${values.join(", ")}`);
      return value;
    }),
  /** Text of a form of its own; `parse` throws `RangeError` with what was expected. */
  parsed: optional,
  flag: (help: string): OptionSpec<boolean> => ({
    placeholder: undefined,
    help,
    defaultText: undefined,
    parse: (typed) => typed === true,
  }),
} as const;

/** `holdOut` to `--hold-out`. */
export function longFlag(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** @throws ConsiliumError `usage` that names the first option whose value does not fit. */
export function readOptions<O extends OptionSpecs>(
  specs: O,
  typed: Readonly<Record<string, string | boolean | undefined>>,
  command: string,
): OptionValues<O> {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(specs)) {
    try {
      values[name] = spec.parse(typed[name]);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new ConsiliumError("usage", {
        subject: `${command} ${longFlag(name)}`,
        expected: error.message,
        actual: typed[name] === undefined ? "nothing" : JSON.stringify(typed[name]),
        hint: `See \`${command} --help\`.`,
      });
    }
  }
  return values as OptionValues<O>;
}
