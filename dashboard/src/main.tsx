/** The page: signs in, finds out whose home is shown, and lays the screens around it. */
import "./style.css";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Facts, openSession, refusedSignIn, troubleOf } from "./api.ts";
import { CoordinatorApp } from "./coordinator-app.tsx";
import { Loading, TroubleNote } from "./parts/parts.tsx";
import { ThemeButton } from "./parts/theme.tsx";
import { SiteApp } from "./site-app.tsx";
import type { Trouble } from "./trouble.ts";

type Opened = Facts & { readonly session: NonNullable<Facts["session"]> };

function App() {
  const [facts, setFacts] = useState<Facts>();
  const [trouble, setTrouble] = useState<Trouble>();
  const [refused] = useState(refusedSignIn);
  useEffect(() => {
    openSession().then(setFacts, (error: unknown) => setTrouble(troubleOf(error)));
  }, []);
  if (facts?.session) {
    const opened = facts as Opened;
    return opened.face === "coordinator" ? <CoordinatorApp facts={opened} /> : <SiteApp facts={opened} />;
  }
  return (
    <div class="sign-in">
      <main class="card">
        <p class="brand">Consilium</p>
        {facts === undefined && trouble === undefined ? (
          <Loading what="the session" />
        ) : (
          <SignIn facts={facts} trouble={trouble} refused={refused} />
        )}
      </main>
      <ThemeButton />
    </div>
  );
}

const REFUSALS: Readonly<Record<string, string>> = {
  "role-refused": "You are known there, but no role of this dashboard is yours. Ask whoever runs it for one.",
  "limit-exceeded": "There were too many tries at once. Wait a minute, and try again.",
  unreachable: "The identity provider did not answer. Try again later, or sign in by a one-time link.",
};

interface SignInProps {
  readonly facts: Facts | undefined;
  readonly trouble: Trouble | undefined;
  readonly refused: string | undefined;
}

function SignIn({ facts, trouble, refused }: SignInProps) {
  const command =
    facts?.face === "site"
      ? "consilium site console --home HOME --link"
      : "consilium coordinator dashboard --home HOME";
  const other = facts !== undefined && (facts.provider !== null || facts.passkeys?.registered === true);
  return (
    <>
      <h1>Sign in</h1>
      {trouble && <TroubleNote trouble={trouble} />}
      {refused !== undefined && (
        <p class="trouble" role="alert">
          {REFUSALS[refused] ?? "Signing in did not come to its end. Begin once more."}
        </p>
      )}
      {facts?.provider && (
        <p class="buttons">
          <a class="button primary" href="/oidc/begin">
            Sign in by {facts.provider}
          </a>
        </p>
      )}
      {facts?.passkeys?.registered && <ByPasskey at={facts.passkeys.at} />}
      <p>
        {other ? "Or, on" : "On"} the machine that serves this page, ask for an address that works once, and open it in
        this browser:
      </p>
      <pre>{command}</pre>
      <p class="soft">The address says under which role you sign in, and is good for ten minutes.</p>
    </>
  );
}

/** Browsers give passkeys to names: at an address the page leads to its name. */
function ByPasskey({ at }: { readonly at: string }) {
  const [trouble, setTrouble] = useState<Trouble>();
  const [busy, setBusy] = useState(false);
  const signIn = async (): Promise<void> => {
    setBusy(true);
    setTrouble(undefined);
    try {
      const { signInByPasskey } = await import("./passkeys-api.ts");
      await signInByPasskey();
      location.assign("/");
    } catch (error) {
      setTrouble(troubleOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      {trouble && <TroubleNote trouble={trouble} />}
      <p class="buttons">
        {location.origin === at ? (
          <button type="button" class="primary" disabled={busy} onClick={() => void signIn()}>
            Sign in by a passkey
          </button>
        ) : (
          <a class="button primary" href={at}>
            Sign in by a passkey, at {new URL(at).host}
          </a>
        )}
      </p>
    </>
  );
}

// A link that is opened where this page stands already changes the address alone: the page begins anew to take it.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#sign-in=")) location.reload();
});

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
