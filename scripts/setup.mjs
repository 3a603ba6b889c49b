/**
 * Set-up for a fresh checkout, in plain Node: checks Node's version and runs `npm ci` where node_modules is not what
 * package-lock.json asks for. It does nothing, in some milliseconds, where everything is in place.
 * Standard output stays empty, because commands that run after this one print JSON there.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MINIMUM_NODE = [20, 19];

/** @param {string} version such as 20.19.0 */
export function nodeIsSupported(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1]);
}

/**
 * The first difference between what is locked and what is installed, in words, or undefined.
 * npm writes what it installed to node_modules/.package-lock.json; optional packages are for other platforms.
 * @param {string} root
 */
export function installProblem(root) {
  const installedFile = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedFile)) return "nothing is installed";
  const locked = readPackages(join(root, "package-lock.json"));
  const installed = readPackages(installedFile);
  for (const [path, { version, optional, link }] of Object.entries(locked)) {
    if (path === "" || link) continue;
    const found = installed[path];
    if (!found && optional) continue;
    if (found?.version !== version) return `${path} is ${found?.version ?? "missing"}, not ${version}`;
    if (!existsSync(join(root, path, "package.json"))) return `${path} is missing`;
  }
  const extra = Object.keys(installed).find((path) => !locked[path]);
  return extra && `${extra} is installed and not in package-lock.json`;
}

/** @param {string} file */
function readPackages(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages ?? {};
}

/** @param {string} root */
export function setUp(root) {
  if (!nodeIsSupported(process.versions.node)) {
    console.error(`Consilium needs Node ${MINIMUM_NODE.join(".")} or newer; this is ${process.versions.node}.`);
    return 2;
  }
  const problem = installProblem(root);
  if (!problem) return 0;
  console.error(`Setting up (${problem}): npm ci, about a minute`);
  const npm = process.env.npm_execpath;
  const [command, ...first] = npm ? [process.execPath, npm] : [process.platform === "win32" ? "npm.cmd" : "npm"];
  const { status, error } = spawnSync(command, [...first, "ci", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: command === "npm.cmd",
  });
  if (status === 0) return 0;
  console.error(
    `npm ci failed${error ? `: ${error.message}` : ""}. It needs the npm registry: check the network and run it again.`,
  );
  return 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = setUp(fileURLToPath(new URL("..", import.meta.url)));
}
