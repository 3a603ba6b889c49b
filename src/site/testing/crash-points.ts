/**
 * A site that dies at a chosen moment: every step that changes the disk or goes over the line is counted, and one of
 * them throws, either before it happens or after. What follows is what a SIGKILL at that moment leaves behind (that
 * the steps themselves are all-or-nothing is the store's own test).
 */
import type { CoordinatorLink } from "../../protocol/index.ts";
import type { Site } from "../home.ts";

export class Crash extends Error {}

export interface CrashPlan {
  /** Which step dies, counted from 0. */
  readonly at: number;
  readonly when: "before" | "after";
}

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
      const dies = plan?.at === steps.length;
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
