/** The small parts that every screen is made of. */
import type { ComponentChildren } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import { troubleOf } from "../api.ts";
import { formatTime } from "../format.ts";
import type { Trouble } from "../trouble.ts";

type Tone = "good" | "busy" | "bad" | "calm";

export function Badge({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

interface SectionProps {
  readonly title: string;
  readonly note?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Section({ title, note, children }: SectionProps) {
  const id = useId();
  return (
    <section aria-labelledby={id} class="card">
      <h2 id={id}>{title}</h2>
      {note && <p class="soft">{note}</p>}
      {children}
    </section>
  );
}

export function Tiles({ tiles }: { readonly tiles: readonly (readonly [value: ComponentChildren, label: string])[] }) {
  return (
    <dl class="tiles">
      {tiles.map(([value, label]) => (
        <div class="tile" key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface TableFrameProps {
  readonly caption: string;
  /** A column whose name begins with `#` holds numbers. */
  readonly columns: readonly string[];
  /** Rows. */
  readonly children: ComponentChildren;
}

export function TableFrame({ caption, columns, children }: TableFrameProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a table that is wider than the screen is scrolled by keyboard
    <section class="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col" class={cellClass(column)}>
                {column.replace(/^#/, "")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

interface RowProps {
  readonly columns: readonly string[];
  readonly cells: readonly ComponentChildren[];
}

export function Row({ columns, cells }: RowProps) {
  return (
    <tr>
      {cells.map((cell, i) => (
        <td key={columns[i]} class={cellClass(columns[i])}>
          {cell}
        </td>
      ))}
    </tr>
  );
}

function cellClass(column: string): string {
  return column.startsWith("#") ? "n" : "";
}

interface TableProps extends Omit<TableFrameProps, "children"> {
  readonly rows: readonly (readonly ComponentChildren[])[];
}

export function Table({ caption, columns, rows }: TableProps) {
  return (
    <TableFrame caption={caption} columns={columns}>
      {rows.map((cells, r) => (
        <Row key={r} columns={columns} cells={cells} />
      ))}
    </TableFrame>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

export function TroubleNote({ trouble, retry }: { readonly trouble: Trouble; readonly retry?: () => void }) {
  return (
    <div class="trouble" role="alert">
      <p>
        <strong>{trouble.subject}:</strong> expected {trouble.expected}, got {trouble.actual}.
      </p>
      <p>
        {trouble.hint} <code>{trouble.code}</code>
      </p>
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Loading({ what }: { readonly what: string }) {
  return (
    <p class="soft" role="status">
      Reading {what} …
    </p>
  );
}

export function Time({ ms }: { readonly ms: number }) {
  return <time dateTime={new Date(ms).toISOString()}>{formatTime(ms)}</time>;
}

export function Digest({ sha256 }: { readonly sha256: string }) {
  return (
    <code class="digest" title={sha256}>
      {sha256.slice(0, 12)}
    </code>
  );
}

interface ProgressProps {
  readonly label: string;
  readonly done: number;
  readonly total: number;
}

export function ProgressBar({ label, done, total }: ProgressProps) {
  return <progress aria-label={label} value={Math.min(done, total)} max={Math.max(total, 1)} />;
}

interface ActionProps {
  readonly label: string;
  /** What happens, said before it does. */
  readonly explain: string;
  /** Asked for before the action is done; none where it is undefined. */
  readonly ask?: { readonly label: string; readonly optional?: boolean };
  readonly danger?: boolean;
  readonly primary?: boolean;
  /** @returns what to say afterwards */
  readonly run: (text: string) => Promise<string>;
  /** Says it outside, and the dialogue closes: where what is done takes the button away. */
  readonly onDone?: (said: string) => void;
  /** Fields of its own, instead of the one that is asked for. */
  readonly children?: ComponentChildren;
  /** Whether these are filled in. */
  readonly ready?: boolean;
  readonly onOpen?: () => void;
}

/** A button that opens a dialogue which says what will happen, asks for a reason, and tells how it went. */
export function Action(props: ActionProps) {
  const { label, explain, ask, danger, primary, run, onDone, children, ready = true, onOpen } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Trouble>();
  const [said, setSaid] = useState("");
  const [titleId, fieldId] = [useId(), useId()];
  const open = (): void => {
    setTrouble(undefined);
    setSaid("");
    setText("");
    onOpen?.();
    dialog.current?.showModal();
  };
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setTrouble(undefined);
    try {
      const done = await run(text.trim());
      if (onDone === undefined) return setSaid(done);
      dialog.current?.close();
      onDone(done);
    } catch (error) {
      setTrouble(troubleOf(error));
    } finally {
      setBusy(false);
    }
  };
  const missing = !ready || (ask !== undefined && ask.optional !== true && text.trim() === "");
  return (
    <>
      <button type="button" class={danger ? "danger" : primary ? "primary" : ""} onClick={open}>
        {label}
      </button>
      <dialog ref={dialog} aria-labelledby={titleId}>
        <form onSubmit={submit}>
          <h2 id={titleId}>{label}</h2>
          <p>{explain}</p>
          {ask && said === "" && (
            <p class="field">
              <label for={fieldId}>{ask.label}</label>
              <input
                id={fieldId}
                value={text}
                maxLength={500}
                onInput={(event) => setText(event.currentTarget.value)}
              />
            </p>
          )}
          {said === "" && children}
          {trouble && <TroubleNote trouble={trouble} />}
          {said !== "" && (
            <pre class="said" role="status">
              {said}
            </pre>
          )}
          <p class="buttons">
            {said === "" && (
              <button type="submit" class={danger ? "danger" : "primary"} disabled={busy || missing}>
                {busy ? "One moment …" : label}
              </button>
            )}
            <button type="button" onClick={() => dialog.current?.close()}>
              {said === "" ? "Cancel" : "Close"}
            </button>
          </p>
        </form>
      </dialog>
    </>
  );
}
