/**
 * A site that dies at a chosen moment: every step that changes the disk or goes over the line is counted, and one of
 * them throws, either before it happens or after. What follows is what a SIGKILL at that moment leaves behind (that
 * the steps themselves are all-or-nothing is the store's own test).
 */
import type { CoordinatorLink } from "../../protocol/index.ts";
import type { Site } from "../home.ts";

export class Crash extends Error {}

/** Which step dies, counted from 0: of all, or of those of one name. How many polls lie between differs from run to run. */
export type CrashPlan = { readonly when: "before" | "after" } & (
  | { readonly at: number }
  | { readonly step: string; readonly nth: number }
);

export interface Fated {
  readonly site: Site;
  readonly link: CoordinatorLink;
  /** Names of the steps that were taken. */
  readonly steps: string[];
}

export function fated(site: Site, link: CoordinatorLink, plan?: CrashPlan): Fated {
  const steps: string[] = [];
  function step<A extends unknown[], R>(name: string, call: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
    return async (...args) => {
      const dies = plan !== undefined && isDue(plan, name, steps);
      steps.push(name);
      if (dies && plan.when === "before") throw new Crash(`before ${name}`);
      const result = await call(...args);
      if (dies) throw new Crash(`after ${name}`);
      return result;
    };
  }
  const { store } = site;
  return {
    steps,
    site: {
      ...site,
      store: {
        ...store,
        write: (name, value) => step(`write ${name.split("/").at(-1)}`, store.write)(name, value),
        append: step("append", store.append),
        keepObject: step("keep", store.keepObject),
        retainObjects: step("retain", store.retainObjects),
      },
    },
    link: {
      ...link,
      exchange: step("exchange", link.exchange),
      sendObject: step("send", link.sendObject),
      fetchObject: step("fetch", link.fetchObject),
    },
  };
}

function isDue(plan: CrashPlan, name: string, taken: readonly string[]): boolean {
  if ("at" in plan) return plan.at === taken.length;
  return name === plan.step && plan.nth === taken.filter((step) => step === name).length;
}
