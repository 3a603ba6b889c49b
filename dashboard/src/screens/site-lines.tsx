/** What the site's process told lately. */
import { formatTime } from "../format.ts";
import type { LiveSite } from "../live-site.ts";
import { Empty, Section } from "../parts/parts.tsx";

export function SiteLines({ status: { activity } }: { readonly status: LiveSite }) {
  const lines = activity?.lines ?? [];
  return (
    <Section title="What the site's process told" note="Latest first. These lines stay on this machine.">
      {lines.length === 0 ? (
        <Empty title="Nothing yet.">They begin when the site is started.</Empty>
      ) : (
        <ol class="timeline">
          {lines.toReversed().map(({ atMs, text }, i) => (
            <li key={`${atMs} ${i}`}>
              <time dateTime={new Date(atMs).toISOString()}>{formatTime(atMs)}</time> {text}
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}
