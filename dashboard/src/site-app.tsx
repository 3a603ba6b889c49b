/** A site's screens around its live status. */
import { type Facts, site } from "./api.ts";
import { useLive } from "./live.ts";
import type { LiveSite } from "./live-site.ts";
import { Loading } from "./parts/parts.tsx";
import { Data } from "./screens/data/data.tsx";
import { Departures } from "./screens/departures.tsx";
import { Doctor } from "./screens/doctor.tsx";
import { Ledger } from "./screens/ledger.tsx";
import { passkeyScreens } from "./screens/passkeys-screen.tsx";
import { SiteLines } from "./screens/site-lines.tsx";
import { SiteOverview } from "./screens/site-overview.tsx";
import { Studies } from "./screens/studies.tsx";
import { SiteViewer } from "./screens/viewer-screen.tsx";
import { type Screen, Shell } from "./shell.tsx";

export function SiteApp({ facts }: { readonly facts: Facts }) {
  const live = useLive<LiveSite>(
    (_, signal) => site.watchStatus({}, { signal }),
    (_, came) => came,
  );
  const status = live.value;
  const role = facts.session?.role ?? "read-only";
  const looksDeeper = role === "reviewer" || role === "operator" || role === "auditor";
  const whenKnown = (view: (status: LiveSite) => preact.JSX.Element) => () =>
    status === undefined ? <Loading what="this site" /> : view(status);
  const screens: Screen[] = [
    { path: "site", label: "This site", view: whenKnown((known) => <SiteOverview status={known} role={role} />) },
    { path: "studies", label: "Studies", view: whenKnown((known) => <Studies status={known} role={role} />) },
    ...(role === "reviewer" || role === "operator"
      ? [
          { path: "data", label: "Data", view: () => <Data role={role} /> },
          { path: "viewer", label: "Viewer", view: () => <SiteViewer /> },
        ]
      : []),
    ...(looksDeeper
      ? [
          { path: "left", label: "What left", view: whenKnown((known) => <Departures status={known} />) },
          { path: "ledger", label: "Privacy", view: whenKnown((known) => <Ledger status={known} role={role} />) },
        ]
      : []),
    ...(role === "operator" ? [{ path: "doctor", label: "Doctor", view: () => <Doctor /> }] : []),
    { path: "log", label: "Log", view: whenKnown((known) => <SiteLines status={known} />) },
    ...passkeyScreens(facts),
  ];
  return <Shell facts={facts} live={live} screens={screens} />;
}
