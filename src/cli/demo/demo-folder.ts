/** The demonstration's folder: made anew each time, without ever deleting what is not a demonstration's. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError } from "../../base/index.ts";

const MARK = ".consilium-demo";

/** @throws ConsiliumError `file-exists` for a folder with files that no demonstration left there. */
export async function takeDemoFolder(out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  const held = await readdir(out);
  if (held.length > 0 && !held.includes(MARK)) {
    throw new ConsiliumError("file-exists", {
      subject: out,
      expected: "a folder that is new, empty, or of an earlier demonstration",
      actual: `one with ${held.length} other entries`,
      hint: "Give another --out: the demonstration empties its folder.",
    });
  }
  for (const name of held) await rm(join(out, name), { recursive: true, force: true });
  await writeFile(join(out, MARK), "The demonstration may empty this folder.\n");
}
