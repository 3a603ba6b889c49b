/**
 * Completes package-lock.json after an installation from a registry that mirrors only some platforms' packages. npm
 * leaves out of the lock file what such a mirror does not have, and `npm ci` then refuses the lock file everywhere.
 * Each optional package that a locked package names gets an entry by name, version and platform; where it can be had,
 * npm installs it, elsewhere it is passed over by its platform.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const OS = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"];
const CPU = ["arm64", "arm", "armv7", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"];
const CPU_OF_NODE = { armv7: "arm" };
const LIBC = { gnu: "glibc", gnueabihf: "glibc", musl: "musl", musleabihf: "musl" };

/** Optional packages that the lock file names but does not hold: path in node_modules, version, who names it. */
export function missingOptionalPackages(lock) {
  return Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`])
      .map(([name, version]) => ({ path: `node_modules/${name}`, version, namedBy: path, dev: entry.dev === true })),
  );
}

/** The platform in a package's name, as npm's fields. */
function platformOf(path) {
  const words = path.split(/[/-]/);
  const cpu = CPU.find((each) => words.includes(each));
  const os = OS.find((each) => words.includes(each));
  const libc = Object.entries(LIBC).find(([each]) => words.includes(each))?.[1];
  if (os === undefined || cpu === undefined) throw new Error(`${path} does not name its platform: complete it by hand`);
  return { cpu: [CPU_OF_NODE[cpu] ?? cpu], os: [os], ...(libc && os === "linux" && { libc: [libc] }) };
}

export function completed(lock) {
  const added = missingOptionalPackages(lock).map(({ path, version, dev }) => [
    path,
    { version, ...platformOf(path), ...(dev && { dev }), optional: true },
  ]);
  const packages = Object.entries(lock.packages)
    .concat(added)
    .sort(([a], [b]) => a.localeCompare(b, "en"));
  return { lock: { ...lock, packages: Object.fromEntries(packages) }, added: added.map(([path]) => path) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = fileURLToPath(new URL("../package-lock.json", import.meta.url));
  const { lock, added } = completed(JSON.parse(readFileSync(file, "utf8")));
  if (added.length > 0) writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.error(`package-lock.json: ${added.length} optional packages added`);
}
