/** The first of many rows, more of them on request, and how many the server left out. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { formatCount } from "../../format.ts";
import { Table } from "../../parts/parts.tsx";

const STEP = 25;

interface ListedProps {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly ComponentChildren[])[];
  /** Of all, where the server sent the first of them only. */
  readonly total: number;
}

export function Listed({ caption, columns, rows, total }: ListedProps) {
  const [shown, setShown] = useState(STEP);
  return (
    <>
      <Table caption={caption} columns={columns} rows={rows.slice(0, shown)} />
      {rows.length > shown && (
        <p class="buttons">
          <button type="button" onClick={() => setShown((before) => before + STEP)}>
            Show more of {formatCount(rows.length)}
          </button>
        </p>
      )}
      {total > rows.length && (
        <p class="soft">
          The first {formatCount(rows.length)} of {formatCount(total)}: the command shows all.
        </p>
      )}
    </>
  );
}
