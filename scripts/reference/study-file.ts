/**
 * The reference of the study file: what the schema lets through, from the schema itself, and what each key means, from
 * the comment that stands at it in the schema's source.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { z } from "zod";
import { studySchema } from "../../src/study/index.ts";

const FILES = ["schema", "training-schema"].map((name) =>
  fileURLToPath(new URL(`../../src/study/${name}.ts`, import.meta.url)),
);

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | false;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly pattern?: string;
}

/** Comments as they lie in the source: of a key, of its keys, of the kinds it may be. */
interface Said {
  readonly comment: string;
  readonly keys: ReadonlyMap<string, Said>;
  readonly kinds: readonly Said[];
}

const NOTHING: Said = { comment: "", keys: new Map(), kinds: [] };

export function studyFilePage(): string {
  const schema = z.toJSONSchema(studySchema, { io: "input" }) as Schema;
  const rows = rowsOf(schema, saidInSources(), "");
  return `# Study file

YAML, or JSON. Every key that a study may have, from the schema that reads it; a key that is not here is refused. What is
not required has the default shown, or is absent. What goes together and what does not stands in
[COMBINATIONS.md](../COMBINATIONS.md); \`consilium study check FILE\` says in words what a study means.

| key | takes | default | |
| --- | --- | --- | --- |
${rows.join("\n")}
`;
}

function rowsOf(schema: Schema, said: Said, path: string): readonly string[] {
  const rows: string[] = [];
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const own = said.keys.get(name) ?? NOTHING;
    const full = path === "" ? name : `${path}.${name}`;
    const kinds = (child.oneOf ?? []).filter(({ properties }) => properties?.kind !== undefined);
    const needed = schema.required?.includes(name) === true;
    const fallback = child.default === undefined || child.properties !== undefined ? "" : plain(child.default);
    rows.push(
      `| \`${full}\` | ${cell(takes(child))} | ${needed ? "required" : cell(fallback)} | ${cell(own.comment)} |`,
    );
    rows.push(...rowsOf(child, own, full));
    for (const [i, kind] of kinds.entries()) {
      const { comment } = own.kinds[i] ?? NOTHING;
      const label = `${full} (${plain(kind.properties?.kind.const)})`;
      if (comment !== "") rows.push(`| \`${label}\` | | | ${cell(comment)} |`);
      rows.push(...rowsOf(withoutKind(kind), own.kinds[i] ?? NOTHING, label));
    }
    if (child.items?.properties !== undefined) rows.push(...rowsOf(child.items, own, `${full}[]`));
  }
  return rows;
}

function withoutKind(schema: Schema): Schema {
  const { kind: _, ...properties } = schema.properties ?? {};
  return { ...schema, properties };
}

function takes(schema: Schema): string {
  if (schema.const !== undefined) return plain(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(plain).join(", ");
  const kinds = schema.oneOf?.map(({ properties }) => properties?.kind?.const).filter((each) => each !== undefined);
  if (kinds !== undefined && kinds.length > 0) return `kind: ${kinds.map(plain).join(", ")}`;
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(takes).join(", or ");
  switch (schema.type) {
    case "integer":
    case "number":
      return `${schema.type === "integer" ? "a whole number" : "a number"}${boundsOf(schema)}`;
    case "array":
      return schema.prefixItems === undefined
        ? `a list: ${takes(schema.items ?? {})}`
        : `${schema.prefixItems.length} of ${takes(schema.prefixItems[0])}`;
    case "object":
      return schema.additionalProperties ? `names, each with ${takes(schema.additionalProperties)}` : "keys, below";
    case "boolean":
      return "true, false";
    case "string":
      return schema.pattern === undefined ? "text" : `text of the form \`${schema.pattern}\``;
    default:
      return "anything";
  }
}

function boundsOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  const upper = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const said = [
    ...(minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER ? [] : [`at least ${minimum}`]),
    ...(exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`]),
    ...(upper === undefined ? [] : [`at most ${upper}`]),
    ...(exclusiveMaximum === undefined ? [] : [`below ${exclusiveMaximum}`]),
  ];
  return said.length === 0 ? "" : `, ${said.join(", ")}`;
}

function plain(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value).replaceAll(",", ", ").replaceAll(":", ": ");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function saidInSources(): Said {
  const constants = new Map<string, ts.Expression>();
  for (const path of FILES) {
    const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022, true);
    for (const statement of source.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      for (const { name, initializer } of statement.declarationList.declarations) {
        if (ts.isIdentifier(name) && initializer !== undefined) constants.set(name.text, initializer);
      }
    }
  }
  const schema = constants.get("studySchema");
  if (schema === undefined) throw new Error("the study's schema is not where the reference looks for it");
  return saidBy(schema, constants);
}

/** Walks through chained calls and names of constants down to the objects that declare keys. */
function saidBy(node: ts.Expression, constants: ReadonlyMap<string, ts.Expression>): Omit<Said, "comment"> & Said {
  if (ts.isIdentifier(node)) {
    const known = constants.get(node.text);
    return known === undefined ? NOTHING : saidBy(known, constants);
  }
  if (!ts.isCallExpression(node)) return NOTHING;
  const { expression, arguments: given } = node;
  const method = ts.isPropertyAccessExpression(expression) ? expression.name.text : "";
  if (method === "strictObject" && ts.isObjectLiteralExpression(given[0])) {
    return { ...NOTHING, keys: keysOf(given[0], constants) };
  }
  if (method === "discriminatedUnion" && ts.isArrayLiteralExpression(given[1])) {
    const kinds = given[1].elements.map((each) => ({ ...saidBy(each, constants), comment: commentAt(each) }));
    return { ...NOTHING, kinds };
  }
  if (method === "array" && given[0] !== undefined) return saidBy(given[0], constants);
  return ts.isPropertyAccessExpression(expression) ? saidBy(expression.expression, constants) : NOTHING;
}

function keysOf(
  object: ts.ObjectLiteralExpression,
  constants: ReadonlyMap<string, ts.Expression>,
): ReadonlyMap<string, Said> {
  const keys = new Map<string, Said>();
  for (const property of object.properties) {
    if (ts.isSpreadAssignment(property) && ts.isIdentifier(property.expression)) {
      const spread = constants.get(property.expression.text);
      if (spread !== undefined && ts.isObjectLiteralExpression(spread)) {
        for (const [name, said] of keysOf(spread, constants)) keys.set(name, said);
      }
    } else if (ts.isPropertyAssignment(property) || ts.isShorthandPropertyAssignment(property)) {
      const value = ts.isPropertyAssignment(property) ? property.initializer : property.name;
      const below = ts.isIdentifier(property.name) ? saidBy(value, constants) : NOTHING;
      keys.set(property.name.getText(), { ...below, comment: commentAt(property) });
    }
  }
  return keys;
}

/** The comment that stands right before a node, on one line. */
function commentAt(node: ts.Node): string {
  const text = node.getSourceFile().text;
  const ranges = ts.getLeadingCommentRanges(text, node.pos) ?? [];
  const last = ranges.at(-1);
  if (last === undefined) return "";
  return text
    .slice(last.pos, last.end)
    .replace(/^\/\*\*?|\*\/$/g, "")
    .replace(/\n\s*\*\s?/g, " ")
    .trim();
}
