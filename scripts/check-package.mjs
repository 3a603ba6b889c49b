/**
 * Packs the package, installs it into an empty folder beside the checkout's own packages, and runs its command: what
 * somebody gets from `npm install consilium`, without the sources. Needs no network.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const folder = mkdtempSync(join(tmpdir(), "consilium-package-"));
try {
  const packed = execFileSync(npm, ["pack", "--json", "--loglevel=error", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  const [{ filename, size, files }] = JSON.parse(packed.slice(packed.indexOf("[\n")));
  const strange = files.map(({ path }) => path).filter((path) => /^(src|test|scripts|bench)\//.test(path));
  if (strange.length > 0) throw new Error(`the package holds ${strange.slice(0, 3).join(", ")}`);
  execFileSync("tar", ["-xzf", filename], { cwd: folder });
  // Dependencies are looked up from the package's folder upwards.
  const packages = join(folder, "node_modules");
  mkdirSync(packages);
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(packages, name), "junction");
  }
  const env = { ...process.env };
  delete env.CONSILIUM_BUILD;
  const run = (...args) =>
    execFileSync(process.execPath, [join(folder, "package", "bin", "consilium.mjs"), ...args], {
      cwd: folder,
      env,
      encoding: "utf8",
    });
  console.error(`version ${run("--version").trim()}, ${files.length} files, ${(size / 1e6).toFixed(1)} MB packed`);
  const site = join(folder, "site");
  if (JSON.parse(run("docs", "--out", site, "--json")).pages < 30) throw new Error("its documentation is not whole");
  if (!existsSync(join(site, "index.html"))) throw new Error("its documentation has no first page");
  if (!run("segment", "--help").includes("Example")) throw new Error("its commands have no help");
  run("cohort", "make", "--cases", "1", "--spacing", "8", "--out", "phantom", "--quiet");
  run("coordinator", "init", "--home", "home", "--name", "Package", "--listen", "127.0.0.1:0", "--unencrypted");
  if (!JSON.parse(run("status", "--home", "home", "--json")).federation)
    throw new Error("its coordinator has no status");
  // The weights of a model that was trained for nothing: its engine starts in its thread, and ends.
  const short = ["--rounds", "1", "--patches-per-case", "0.001", "--spacing", "8", "--threads", "1", "--quiet"];
  run(
    "train",
    "--data",
    "phantom",
    "--out",
    "run",
    ...short,
    "--study",
    join(root, "test", "transcripts", "study.yaml"),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
