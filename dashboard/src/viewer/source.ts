/** Where a case's volumes come from: the site's own console, or files that the reader opens; nothing is sent anywhere. */
import { csrfToken } from "../api.ts";
import type { Trouble } from "../trouble.ts";
import type { Enhancing } from "./check-maps.ts";
import { type Part, partOfName } from "./part-names.ts";

export interface CaseSource {
  readonly id: string;
  readonly parts: readonly Part[];
  /** The bytes of an unpacked NIfTI file. */
  load(part: Part): Promise<ArrayBuffer>;
  /** How its maps write enhancing tumour; a console gives classes, in which it is 3. */
  readonly enhancing: Enhancing;
}

/** A case that is registered at this site. */
export function caseOfSite(id: string, parts: readonly Part[]): CaseSource {
  return {
    id,
    parts,
    enhancing: 3,
    async load(part) {
      const asked = new URLSearchParams({ case: id, part });
      const answer = await fetch(`/volume?${asked}`, { headers: { "x-consilium-csrf": csrfToken() } });
      if (!answer.ok) throw ((await answer.json()) as { error: Trouble }).error;
      return answer.arrayBuffer();
    },
  };
}

/** Files of the reader's own machine. @param enhancing how they write enhancing tumour: 4 to 2021, 3 from 2023 on */
export function caseOfFiles(files: readonly File[], enhancing: Enhancing): CaseSource {
  const named = new Map(files.flatMap((file) => pairOf(partOfName(file.name), file)));
  return {
    id: files[0]?.name.replace(/[-_.].*$/, "") ?? "",
    parts: [...named.keys()],
    enhancing,
    async load(part) {
      const file = named.get(part);
      if (file === undefined) throw new RangeError(`no file holds ${part}`);
      const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
      const packed = first === 0x1f && second === 0x8b;
      const stream = packed ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
      return new Response(stream).arrayBuffer();
    },
  };
}

function pairOf(part: Part | undefined, file: File): readonly (readonly [Part, File])[] {
  return part === undefined ? [] : [[part, file]];
}
