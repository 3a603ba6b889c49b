/** The coordinator's screens around one live status. */
import type { CoordinatorStatus } from "../../src/coordinator/index.ts";
import { coordinator, type Facts } from "./api.ts";
import { withKnownRounds } from "./known-rounds.ts";
import { useLive } from "./live.ts";
import { Loading } from "./parts/parts.tsx";
import { Audit } from "./screens/audit.tsx";
import { Federation } from "./screens/federation.tsx";
import { Models } from "./screens/models.tsx";
import { passkeyScreens } from "./screens/passkeys-screen.tsx";
import { Report } from "./screens/report.tsx";
import { StudyScreen } from "./screens/study.tsx";
import { FileViewer } from "./screens/viewer-screen.tsx";
import { type Screen, Shell } from "./shell.tsx";

export function CoordinatorApp({ facts }: { readonly facts: Facts }) {
  const live = useLive<CoordinatorStatus>(
    (known, signal) => coordinator.watchStatus({ roundsAfter: roundsToSkip(known) }, { signal }),
    withKnownRounds,
  );
  const status = live.value;
  const role = facts.session?.role ?? "read-only";
  const whenKnown = (view: (status: CoordinatorStatus) => preact.JSX.Element) => () =>
    status === undefined ? <Loading what="the federation" /> : view(status);
  const screens: Screen[] = [
    { path: "federation", label: "Federation", view: whenKnown((known) => <Federation status={known} role={role} />) },
    { path: "study", label: "Study", view: whenKnown((known) => <StudyScreen status={known} role={role} />) },
    { path: "models", label: "Models", view: whenKnown((known) => <Models status={known} role={role} />) },
    { path: "viewer", label: "Viewer", view: () => <FileViewer /> },
    ...(role === "lead" || role === "auditor" ? [{ path: "audit", label: "Audit", view: () => <Audit /> }] : []),
    { path: "report", label: "Report", view: whenKnown((known) => <Report status={known} />) },
    ...passkeyScreens(facts),
  ];
  return <Shell facts={facts} live={live} screens={screens} />;
}

/** The last round that is known may still get its evaluation, and its matrix. */
function roundsToSkip(known: CoordinatorStatus | undefined): number {
  return Math.max(0, (known?.study?.rounds.at(-1)?.round ?? 0) - 1);
}
