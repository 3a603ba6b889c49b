/** What every screen must keep: nothing serious by axe in either theme, nothing wider than a telephone; and pictures. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { seriousProblems } from "./browser.ts";

/** Where pictures go; none where it is not set (`npm run pictures`). */
export const PICTURES = process.env.CONSILIUM_PICTURES;

export async function checkScreen(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) mkdirSync(PICTURES, { recursive: true });
  for (const theme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: theme });
    expect(await seriousProblems(page), `${name}, ${theme}`).toEqual([]);
    if (PICTURES !== undefined) {
      await page.screenshot({ path: join(PICTURES, `dashboard-${name}-${theme}.png`), fullPage: true });
    }
  }
  await checkOnTelephone(page, name);
  if (PICTURES !== undefined) {
    await page.emulateMedia({ colorScheme: "light" });
    await page.screenshot({ path: join(PICTURES, `dashboard-${name}-narrow.png`) });
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** Leaves the page as narrow as a telephone. */
export async function checkOnTelephone(page: Page, name: string): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 });
  for (const frame of page.frames()) {
    const overflow = await frame.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");
    expect(overflow, `${name}, ${frame.url()}: pixels beyond 390`).toBeLessThanOrEqual(0);
  }
  expect(await seriousProblems(page), `${name}, 390 pixels`).toEqual([]);
}
