/** Head, navigation and the notice of staleness around every screen; which screen is shown stands in the address. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Facts, signOut } from "./api.ts";
import { formatDuration, ZONE } from "./format.ts";
import { type Live, useNow } from "./live.ts";
import { ThemeButton } from "./parts/theme.tsx";

export interface Screen {
  readonly path: string;
  readonly label: string;
  readonly view: () => ComponentChildren;
}

interface ShellProps {
  readonly facts: Facts;
  readonly live: Live<unknown>;
  readonly screens: readonly Screen[];
}

export function Shell({ facts, live, screens }: ShellProps) {
  const path = usePath();
  const screen = screens.find((each) => each.path === path) ?? screens[0];
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = `${screen.label} – ${facts.name} – Consilium`;
  }, [screen.label, facts.name]);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <header class="top">
        <p class="brand">Consilium</p>
        <p class="name">{facts.name}</p>
        <p class="who">
          <LiveMark live={live} /> <span class="soft">signed in as {facts.session?.role}</span>
        </p>
        <div class="top-buttons">
          <ThemeButton />
          <button type="button" class="quiet" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
        <nav aria-label="Screens">
          <ul>
            {screens.map(({ path: each, label }) => (
              <li key={each}>
                <a href={`#/${each}`} aria-current={each === screen.path ? "page" : undefined}>
                  {label}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      </header>
      <StaleNotice live={live} />
      <main id="main" ref={main} tabIndex={-1}>
        <h1>{screen.label}</h1>
        {screen.view()}
      </main>
      <footer class="soft">
        Consilium {facts.version}. Times in {ZONE}. For research; not a medical device.
      </footer>
    </>
  );
}

function usePath(): string {
  const read = (): string => location.hash.replace(/^#\/?/, "");
  const [path, setPath] = useState(read());
  useEffect(() => {
    const changed = (): void => {
      setPath(read());
      scrollTo(0, 0);
    };
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return path;
}

function LiveMark({ live }: { readonly live: Live<unknown> }) {
  const [tone, text] = live.stale
    ? ["bad", "not live"]
    : live.value === undefined
      ? ["calm", "connecting"]
      : ["good", "live"];
  return <span class={`badge ${tone}`}>{text}</span>;
}

function StaleNotice({ live }: { readonly live: Live<unknown> }) {
  const now = useNow();
  if (!live.stale) return null;
  const since = live.heardMs === 0 ? "No answer yet" : `Last heard ${formatDuration(now - live.heardMs)} ago`;
  return (
    <p class="stale" role="status">
      {since}: what is shown may be old. Trying again by itself. {live.trouble?.hint}
    </p>
  );
}
