/**
 * Bundles the product into a folder: the command line and every worker thread's file as entries, shared code in
 * chunks, packages left outside. Plain Node, because the launcher runs it in a fresh checkout.
 *
 * Invariant: every file lies one folder below the output folder, as the sources lie one folder below src/;
 * `src/base/worker-thread.ts` relies on it to find a worker's file from any chunk.
 *
 * A build is named by the content that it was built from and comes into place by one rename, so any number of
 * processes may build at once, and one that runs is never pulled from under its feet.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const KEEP_UNUSED_BUILDS_MS = 24 * 3600 * 1000;

/** Paths of the sources relative to the root, tests aside, sorted. */
function sourceFiles() {
  return ["src", "dashboard"]
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
    .filter(
      (entry) => entry.isFile() && /[.](tsx?|json|css|html)$/.test(entry.name) && !/[.]test[.]ts$/.test(entry.name),
    )
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length).split(sep).join("/"))
    .sort();
}

/** Sixteen hexadecimal digits that change with any source, this script, or a locked package. */
function stampOf(files) {
  const hash = createHash("sha256");
  for (const file of [...files, "scripts/build.mjs", "package.json", "package-lock.json"]) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

/** Packages with parts that cannot be bundled: native libraries and WebAssembly, found from the package's own folder. */
const NATIVE_PACKAGES = [
  "onnxruntime-node",
  "@libsql/client",
  "@cornerstonejs/codec-charls",
  "@cornerstonejs/codec-openjpeg",
];

/** What `import "consilium/..."` finds: the `exports` of package.json name the same files. */
const PUBLIC_FACES = ["src/graph/public.ts", "src/training/public.ts", "src/runtime/public.ts"];

/**
 * Bundles into `outdir`, which must not exist yet.
 * @param packages "inside" bundles what the product depends on as well: hundreds of small files become few, and a
 *   command starts in half the time. "outside" leaves that to npm, as a published package should.
 */
export async function buildInto(outdir, packages, files = sourceFiles()) {
  const { build } = await import("esbuild");
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: [
      "src/cli/main.ts",
      ...files.filter((file) => file.endsWith(".worker.ts")),
      ...(packages === "outside" ? PUBLIC_FACES : []),
    ],
    outdir,
    outbase: "src",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    ...(packages === "outside" ? { packages: "external" } : { external: NATIVE_PACKAGES }),
    // CommonJS packages inside ask for Node's own modules by `require`.
    banner: {
      js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
    },
    sourcemap: true,
    sourcesContent: false,
    chunkNames: "chunks/[name]-[hash]",
    logLevel: "error",
    metafile: true,
  });
  for (const output of Object.keys(metafile.outputs)) {
    const depth = output.slice(output.lastIndexOf(outdir.split(sep).pop())).split("/").length;
    if (depth !== 3) throw new Error(`${output} is not one folder below the build: move its entry up in src/`);
  }
  await buildDashboard(join(outdir, "dashboard"));
}

/**
 * Bundles the dashboard into a folder, everything inside: one page, one script with what is loaded on demand beside it,
 * one style sheet; script and style are named by their content.
 * @returns esbuild's metafile, for whoever measures
 */
export async function buildDashboard(outdir) {
  const { build } = await import("esbuild");
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["dashboard/src/main.tsx"],
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    jsx: "automatic",
    jsxImportSource: "preact",
    // Of the viewer: a reader of volumes in pieces over a network, which nothing here uses.
    alias: { zarrita: join(ROOT, "dashboard", "src", "viewer", "no-zarr.ts") },
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    logLevel: "error",
    metafile: true,
  });
  const outputs = Object.entries(metafile.outputs);
  const script = outputs.find(([, { entryPoint }]) => entryPoint === "dashboard/src/main.tsx")?.[0];
  const style = outputs.find(([name]) => name.endsWith(".css"))?.[0];
  const page = readFileSync(join(ROOT, "dashboard", "index.html"), "utf8")
    .replace("SCRIPT", basename(script))
    .replace("STYLE", basename(style));
  writeFileSync(join(outdir, "index.html"), page);
  return metafile;
}

/** The folder of the build that fits the sources as they are, made where it is missing. */
export async function currentBuild() {
  const files = sourceFiles();
  const folder = join(ROOT, "dist", stampOf(files));
  if (existsSync(folder)) {
    utimesSync(folder, new Date(), new Date());
    return folder;
  }
  const temporary = join(ROOT, "dist", `tmp-${randomUUID()}`);
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  try {
    await buildInto(temporary, "inside", files);
    renameSync(temporary, folder);
  } catch (error) {
    // Another process may have finished the same build first; then its folder is as good as this one.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  removeUnusedBuilds(folder);
  return folder;
}

function removeUnusedBuilds(current) {
  const oldest = Date.now() - KEEP_UNUSED_BUILDS_MS;
  for (const name of readdirSync(join(ROOT, "dist"))) {
    const folder = join(ROOT, "dist", name);
    const unused =
      folder !== current && name !== "package" && statSync(folder, { throwIfNoEntry: false })?.mtimeMs < oldest;
    if (unused) rmSync(folder, { recursive: true, force: true });
  }
}

/** Type declarations of the public faces and of what they name, beside the bundles. */
function declareTypes(outdir) {
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const project = join(ROOT, "scripts", "tsconfig.types.json");
  const { status } = spawnSync(process.execPath, [compiler, "-p", project, "--outDir", outdir], {
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) throw new Error("the public faces have no type declarations");
  for (const entry of readdirSync(outdir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith(".d.ts")) continue;
    const file = join(entry.parentPath, entry.name);
    writeFileSync(file, readFileSync(file, "utf8").replace(/(["'][.]{1,2}[/][^"']*)[.]ts(["'])/g, "$1.js$2"));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === "--package") {
    const folder = join(ROOT, "dist", "package");
    rmSync(folder, { recursive: true, force: true });
    await buildInto(folder, "outside");
    declareTypes(folder);
    console.error(`built ${folder}`);
  } else {
    console.error(`built ${await currentBuild()}`);
  }
}
