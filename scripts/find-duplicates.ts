/**
 * Finds code that was copied: runs of equal tokens, comments and layout aside, between any two places of the
 * product's sources. What is accepted stands in `accepted-duplicates.json` by name, with the reason.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";

/** The shortest run that counts: about a dozen lines. Imports and lists of plain fields stay below it. */
const MINIMUM_TOKENS = 100;

export interface SourceText {
  readonly name: string;
  readonly text: string;
}

export interface Place {
  readonly file: string;
  readonly firstLine: number;
  readonly lastLine: number;
}

export interface Duplicate {
  readonly tokens: number;
  readonly places: readonly [Place, Place];
}

interface Token {
  readonly text: string;
  readonly file: string;
  readonly line: number;
}

export function findDuplicates(sources: readonly SourceText[], minimumTokens = MINIMUM_TOKENS): Duplicate[] {
  const tokens = sources.flatMap(({ name, text }) => [
    ...tokenise(name, text),
    { text: `\0${name}`, file: name, line: 0 },
  ]);
  const firstSeen = new Map<string, number>();
  const duplicates: Duplicate[] = [];
  for (let start = 0; start + minimumTokens <= tokens.length; start++) {
    const window = tokens
      .slice(start, start + minimumTokens)
      .map((token) => token.text)
      .join("\x01");
    const earlier = firstSeen.get(window);
    if (earlier === undefined) firstSeen.set(window, start);
    if (earlier === undefined || earlier + minimumTokens > start) continue;
    let length = minimumTokens;
    while (earlier + length < start && tokens[start + length]?.text === tokens[earlier + length].text) length++;
    duplicates.push({ tokens: length, places: [placeOf(tokens, earlier, length), placeOf(tokens, start, length)] });
    start += length - 1;
  }
  return duplicates;
}

function placeOf(tokens: readonly Token[], start: number, length: number): Place {
  const last = tokens[start + length - 1];
  return { file: last.file, firstLine: tokens[start].line, lastLine: last.line };
}

function tokenise(file: string, text: string): Token[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false);
  const tokens: Token[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    const children = node.getChildren(source);
    for (const child of children) visit(child);
    if (children.length > 0) return;
    const start = node.getStart(source);
    if (start === node.end) return;
    tokens.push({
      text: text.slice(start, node.end),
      file,
      line: source.getLineAndCharacterOfPosition(start).line + 1,
    });
  };
  visit(source);
  return tokens;
}

interface Accepted {
  readonly name: string;
  readonly files: readonly string[];
  readonly why: string;
}

/** @returns duplicates that nobody accepted, and the names of acceptances that nothing needs any more. */
export function judge(duplicates: readonly Duplicate[], accepted: readonly Accepted[]) {
  const covers = ({ files }: Accepted, { places }: Duplicate): boolean =>
    places.every(({ file }) => files.includes(file));
  return {
    refused: duplicates.filter((duplicate) => !accepted.some((each) => covers(each, duplicate))),
    unneeded: accepted
      .filter((each) => !duplicates.some((duplicate) => covers(each, duplicate)))
      .map(({ name }) => name),
  };
}

function main(): number {
  const names = ["src", "bench", "scripts"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name).replaceAll("\\", "/")),
  );
  const sources = names
    .filter((name) => /[.]ts$/.test(name) && !/[.]test[.]ts$|\/gen\//.test(name))
    .map((name) => ({ name, text: readFileSync(name, "utf8") }));
  const accepted = JSON.parse(readFileSync("scripts/accepted-duplicates.json", "utf8")) as Accepted[];
  const { refused, unneeded } = judge(findDuplicates(sources), accepted);
  for (const { tokens, places } of refused) {
    const [first, second] = places.map(({ file, firstLine, lastLine }) => `${file}:${firstLine}-${lastLine}`);
    console.error(`${first} and ${second}: ${tokens} equal tokens`);
  }
  for (const name of unneeded) console.error(`accepted-duplicates.json: nothing is left of "${name}", remove it`);
  console.error(`duplicates: ${sources.length} files, ${refused.length} not accepted`);
  return sources.length === 0 || refused.length + unneeded.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exitCode = main();
