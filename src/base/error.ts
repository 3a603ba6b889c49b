/**
 * The one error type of the product. Every refusal names its subject, says what was expected, what came and what to
 * do about it, under a code from a closed list: people read the message, programs read the code.
 */
import { type ErrorCode, exitCodeOf } from "./error-codes.ts";

export interface ErrorFields {
  /** What the error is about: a file, a case, a site, a study key. Never a patient's name. */
  readonly subject: string;
  readonly expected: string;
  readonly actual: string;
  /** The next thing to do, as an instruction. */
  readonly hint: string;
  readonly cause?: unknown;
}

export class ConsiliumError extends Error {
  readonly code: ErrorCode;
  readonly subject: string;
  readonly expected: string;
  readonly actual: string;
  readonly hint: string;

  constructor(code: ErrorCode, fields: ErrorFields) {
    super(`[${code}] ${fields.subject}: expected ${fields.expected}, got ${fields.actual}. ${fields.hint}`, {
      cause: fields.cause,
    });
    this.name = "ConsiliumError";
    this.code = code;
    this.subject = fields.subject;
    this.expected = fields.expected;
    this.actual = fields.actual;
    this.hint = fields.hint;
  }

  get exitCode(): number {
    return exitCodeOf(this.code);
  }

  toJSON(): { code: ErrorCode; subject: string; expected: string; actual: string; hint: string } {
    const { code, subject, expected, actual, hint } = this;
    return { code, subject, expected, actual, hint };
  }
}

/**
 * The error told of another subject, without its cause; what is none of the product's is returned as it came. For where
 * it names a file, since a file's name may be a patient's.
 */
export function renamed(error: unknown, subject: string): unknown {
  return error instanceof ConsiliumError ? new ConsiliumError(error.code, { ...error.toJSON(), subject }) : error;
}

/** Fails for a state that no input can produce; reaching it is a defect of the product, not of the user's data. */
export function invariant(condition: unknown, what: string): asserts condition {
  if (condition) return;
  throw new ConsiliumError("internal", {
    subject: "consilium",
    expected: what,
    actual: "the contrary",
    hint: "This is a defect: please report it with the command that shows it.",
  });
}
