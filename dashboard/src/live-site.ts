/** What a site's screens show of it, from moment to moment. */
import type { SiteActivity, SiteStatus } from "../../src/site/index.ts";

export type LiveSite = SiteStatus & { readonly activity: SiteActivity | null };
