/**
 * Checks the types of the dashboard's own files. They name types of `src/`, whose files are checked for Node by the
 * compiler's main run: here, where the browser's types are in force, only the dashboard's diagnostics count.
 */
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../dashboard/", import.meta.url));

function main(): number {
  const config = ts.getParsedCommandLineOfConfigFile(`${root}tsconfig.json`, undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
    },
  });
  if (config === undefined) throw new Error("dashboard/tsconfig.json cannot be read");
  const program = ts.createProgram(config.fileNames, config.options);
  const own = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(root.replaceAll("\\", "/")));
  const problems = own.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);
  const host = {
    getCanonicalFileName: (name: string) => name,
    getCurrentDirectory: () => root,
    getNewLine: () => "\n",
  };
  if (problems.length > 0) console.error(ts.formatDiagnostics(problems, host));
  console.error(`dashboard types: ${own.length} files, ${problems.length} problems`);
  return own.length === 0 || problems.length > 0 ? 1 : 0;
}

process.exitCode = main();
