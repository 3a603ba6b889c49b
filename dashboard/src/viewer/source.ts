/** Where a case's volumes come from: the site's own console, or files that the reader opens; nothing is sent anywhere. */
import { csrfToken, type Trouble } from "../api.ts";
import { type Part, partOfName } from "./part-names.ts";

export interface CaseSource {
  readonly id: string;
  readonly parts: readonly Part[];
  /** The bytes of an unpacked NIfTI file; of maps, classes are what `classOf` makes of their values. */
  load(part: Part): Promise<ArrayBuffer>;
  /** Value in a file to class. */
  readonly classOf: (value: number) => number;
}

/** A case that is registered at this site. */
export function caseOfSite(id: string, parts: readonly Part[]): CaseSource {
  return {
    id,
    parts,
    classOf: (value) => value,
    async load(part) {
      const asked = new URLSearchParams({ case: id, part });
      const answer = await fetch(`/volume?${asked}`, { headers: { "x-consilium-csrf": csrfToken() } });
      if (!answer.ok) throw ((await answer.json()) as { error: Trouble }).error;
      return answer.arrayBuffer();
    },
  };
}

/** Files of the reader's own machine. @param enhancing how they write enhancing tumour: 4 to 2021, 3 from 2023 on */
export function caseOfFiles(files: readonly File[], enhancing: 3 | 4): CaseSource {
  const named = new Map(files.flatMap((file) => pairOf(partOfName(file.name), file)));
  return {
    id: files[0]?.name.replace(/[-_.].*$/, "") ?? "",
    parts: [...named.keys()],
    classOf: (value) => (value === enhancing ? 3 : value === 1 || value === 2 ? value : 0),
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
