/** The page: signs in, finds out whose home is shown, and lays the screens around it. */
import "./style.css";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Facts, openSession, type Trouble, troubleOf } from "./api.ts";
import { CoordinatorApp } from "./coordinator-app.tsx";
import { Loading, TroubleNote } from "./parts/parts.tsx";
import { ThemeButton } from "./parts/theme.tsx";
import { SiteApp } from "./site-app.tsx";

type Opened = Facts & { readonly session: NonNullable<Facts["session"]> };

function App() {
  const [facts, setFacts] = useState<Facts>();
  const [trouble, setTrouble] = useState<Trouble>();
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
          <SignIn facts={facts} trouble={trouble} />
        )}
      </main>
      <ThemeButton />
    </div>
  );
}

function SignIn({ facts, trouble }: { readonly facts: Facts | undefined; readonly trouble: Trouble | undefined }) {
  const command =
    facts?.face === "site"
      ? "consilium site console --home HOME --link"
      : "consilium coordinator dashboard --home HOME";
  return (
    <>
      <h1>Sign in</h1>
      {trouble && <TroubleNote trouble={trouble} />}
      <p>On the machine that serves this page, ask for an address that works once, and open it in this browser:</p>
      <pre>{command}</pre>
      <p class="soft">The address says under which role you sign in, and is good for ten minutes.</p>
    </>
  );
}

const root = document.getElementById("app");
if (root !== null) render(<App />, root);
