/**
 * Turns what zod finds wrong with a study file into sentences: for every problem the key's path, what was expected
 * there, what came, and what to do. The expectations are read from the JSON Schema of the study schema itself, so
 * they cannot fall behind it.
 *
 * All problems are told at once: a person who edits a file by hand should not have to run it once for each mistake.
 */
import { z } from "zod";
import { ConsiliumError } from "../base/index.ts";
import { studySchema } from "./schema.ts";

export interface StudyProblem {
  /** Dotted path of the key, such as `training.patch`; empty for the file as a whole. */
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
  readonly hint: string;
}

type Key = string | number;

/** The part of JSON Schema (2020-12) that zod writes for the study schema. */
interface SchemaNode {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: SchemaNode | false;
  readonly prefixItems?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly oneOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
}

const ROOT = z.toJSONSchema(studySchema, { io: "input" }) as SchemaNode;

export function problemsOf(issues: readonly z.core.$ZodIssue[], value: unknown): StudyProblem[] {
  return issues.flatMap((issue) => explain(issue, [], value));
}

/** One `study-invalid` error for all problems. */
export function studyError(subject: string, problems: readonly StudyProblem[]): ConsiliumError {
  const [first] = problems;
  const named = (problem: StudyProblem, text: string): string =>
    problem.path === "" ? text : `${problem.path}: ${text}`;
  if (problems.length === 1) {
    return new ConsiliumError("study-invalid", {
      subject: first.path === "" ? subject : `${subject}, ${first.path}`,
      expected: first.expected,
      actual: first.actual,
      hint: first.hint,
    });
  }
  return new ConsiliumError("study-invalid", {
    subject: `${subject} (${problems.length} problems)`,
    expected: problems.map((problem) => named(problem, problem.expected)).join("; "),
    actual: problems.map((problem) => named(problem, problem.actual)).join("; "),
    hint: [...new Set(problems.map((problem) => named(problem, problem.hint)))].join(" "),
  });
}

function explain(issue: z.core.$ZodIssue, prefix: readonly Key[], root: unknown): StudyProblem[] {
  const path = [...prefix, ...issue.path.map((key) => (typeof key === "number" ? key : String(key)))];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey(path, key, root));
  }
  if (issue.code === "invalid_union") {
    const value = valueAt(root, path);
    const branch = issue.errors.findIndex((_, i) => takes(schemaAt(path, root).anyOf?.[i], value));
    if (branch >= 0) return (issue.errors[branch] ?? []).flatMap((inner) => explain(inner, path, root));
  }
  const node = schemaAt(path, root);
  const actual = valueAt(root, path);
  return [
    {
      path: showPath(path),
      expected: expectation(node),
      actual: show(actual),
      hint: actual === undefined ? "Add it to the study file." : "Correct it in the study file.",
    },
  ];
}

/** Whether an object was written where this branch of a union takes one: then its own problems say more. */
function takes(node: SchemaNode | undefined, value: unknown): boolean {
  return node?.type === "object" && isRecord(value);
}

function unknownKey(path: readonly Key[], key: string, root: unknown): StudyProblem {
  const known = Object.keys(objectBranch(schemaAt(path, root)).properties ?? {});
  const near = nearest(key, known);
  return {
    path: showPath([...path, key]),
    expected: `one of the keys ${known.join(", ")}`,
    actual: `the unknown key "${clip(key)}"`,
    hint:
      near === undefined
        ? "Remove it: a key that is not understood is refused, because it may be the one that mattered."
        : `Did you mean "${near}"?`,
  };
}

function schemaAt(path: readonly Key[], root: unknown): SchemaNode {
  let node = choose(ROOT, root);
  let value = root;
  for (const key of path) {
    value = child(value, key);
    node = choose(childSchema(node, key), value);
  }
  return node;
}

function childSchema(parent: SchemaNode, key: Key): SchemaNode {
  const node = objectBranch(parent);
  if (typeof key === "number") return node.prefixItems?.[key] ?? (node.items === false ? {} : (node.items ?? {}));
  const own = node.properties?.[key];
  if (own !== undefined) return own;
  if (node.oneOf !== undefined) {
    const values = node.oneOf.map((option) => option.properties?.[key]?.const).filter((c) => c !== undefined);
    return { enum: values };
  }
  return typeof node.additionalProperties === "object" ? node.additionalProperties : {};
}

/** The branch of a discriminated union that the value claims by its `kind`; the union itself where it claims none. */
function choose(node: SchemaNode, value: unknown): SchemaNode {
  if (node.oneOf === undefined || !isRecord(value)) return node;
  return node.oneOf.find((option) => option.properties?.kind?.const === value.kind) ?? node;
}

/** Of a union of a plain value and a section, the section. */
function objectBranch(node: SchemaNode): SchemaNode {
  return node.anyOf?.find((option) => option.type === "object") ?? node;
}

function expectation(node: SchemaNode): string {
  const branches = node.anyOf ?? node.oneOf;
  if (branches !== undefined) return branches.map(expectation).join(" or ");
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return `one of ${node.enum.map((each) => JSON.stringify(each)).join(", ")}`;
  switch (node.type) {
    case "integer":
      return `a whole number${bounds(node)}`;
    case "number":
      return `a number${bounds(node)}`;
    case "boolean":
      return "true or false";
    case "string":
      return stringExpectation(node);
    case "array":
      return arrayExpectation(node);
    case "object":
      return objectExpectation(node);
    default:
      return "another value";
  }
}

function bounds(node: SchemaNode): string {
  const parts: string[] = [];
  const atMost = node.maximum === Number.MAX_SAFE_INTEGER ? undefined : node.maximum;
  if (node.minimum !== undefined) parts.push(`of at least ${node.minimum}`);
  if (node.exclusiveMinimum !== undefined) parts.push(`above ${node.exclusiveMinimum}`);
  if (atMost !== undefined) parts.push(`at most ${atMost}`);
  if (node.exclusiveMaximum !== undefined) parts.push(`below ${node.exclusiveMaximum}`);
  return parts.length === 0 ? "" : ` ${parts.join(" and ")}`;
}

function stringExpectation(node: SchemaNode): string {
  if (node.pattern === "^[0-9a-f]{64}$") return "a SHA-256 of 64 lower-case hexadecimal digits";
  if (node.pattern === "^last:[1-9][0-9]*$") return "last:N with N at least 1";
  const { minLength, maxLength } = node;
  return minLength !== undefined && maxLength !== undefined
    ? `a text of ${minLength} to ${maxLength} characters`
    : "a text";
}

function arrayExpectation(node: SchemaNode): string {
  if (node.prefixItems !== undefined)
    return `a list of ${node.prefixItems.length}, each ${expectation(node.prefixItems[0] ?? {})}`;
  const item = node.items === undefined || node.items === false ? {} : node.items;
  const { minItems = 0, maxItems } = node;
  const length = maxItems === undefined ? `at least ${minItems}` : `${minItems} to ${maxItems}`;
  return `a list of ${length}, each ${expectation(item)}`;
}

function objectExpectation(node: SchemaNode): string {
  const keys = Object.entries(node.properties ?? {}).map(([key, inner]) =>
    inner.const === undefined ? key : `${key}: ${show(inner.const)}`,
  );
  return keys.length === 0 ? "a section of keys" : `a section with the keys ${keys.join(", ")}`;
}

function valueAt(root: unknown, path: readonly Key[]): unknown {
  return path.reduce<unknown>(child, root);
}

function child(value: unknown, key: Key): unknown {
  if (Array.isArray(value)) return value[Number(key)] as unknown;
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value);
  return clip(JSON.stringify(value));
}

function clip(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

function showPath(path: readonly Key[]): string {
  return path.map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? clip(key) : `.${clip(key)}`)).join("");
}

/** The known word at the smallest edit distance, if that is at most a third of its length (and at least 2 edits). */
function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 80) return undefined;
  const ranked = known
    .map((each) => ({ each, distance: editDistance(word.toLowerCase(), each.toLowerCase()) }))
    .filter(({ each, distance }) => distance <= Math.max(2, Math.floor(each.length / 3)) && distance < each.length)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.each;
}

/** Insertions, deletions and substitutions from a to b (Wagner and Fischer 1974). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, substituted));
    }
    row = next;
  }
  return row[b.length];
}
