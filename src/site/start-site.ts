/** `site start`: a joined home is locked, the coordinator dialled, and the site works until it is stopped. */
import { openSite, type Site } from "./home.ts";
import { type Dial, dialCoordinator } from "./review-studies.ts";
import { type RunOutcome, type RunSiteOptions, runSite } from "./run-site.ts";

export interface StartSiteOptions extends Omit<RunSiteOptions, "site" | "link"> {
  readonly home: string;
  readonly dial?: Dial;
  /** Told once the home is open, before the first message. */
  readonly onOpen?: (site: Site) => void;
}

/** @throws ConsiliumError `home-invalid`, `home-locked`, and what `runSite` throws */
export async function startSite(options: StartSiteOptions): Promise<RunOutcome> {
  const { home, dial = dialCoordinator, onOpen, ...rest } = options;
  const site = await openSite(home);
  try {
    onOpen?.(site);
    const link = dial(site);
    try {
      return await runSite({ ...rest, site, link });
    } finally {
      await link.close();
    }
  } finally {
    await site.close();
  }
}
