/**
 * Passkeys in a real Chromium with a virtual authenticator, over a site's console as a process: an operator signs in by a
 * link, registers a passkey, signs out and comes back by it; what is replayed or made up is refused.
 */
import type { Browser, CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser, visit } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { foundWithOneSite, openProcesses, type Processes, says } from "./dashboard/processes.ts";

let processes: Processes;
let browser: Browser;

beforeAll(async () => {
  processes = openProcesses("passkeys");
  await foundWithOneSite(processes, "Keys");
  browser = await openBrowser();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
});

async function addAuthenticator(page: Page, isUserVerified = true): Promise<[CDPSession, string]> {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2",
    transport: "internal",
    hasResidentKey: true,
    hasUserVerification: true,
  } as const;
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: { ...options, isUserVerified, automaticPresenceSimulation: true },
  });
  return [session, authenticatorId];
}

/** A POST as the page itself makes it. @returns status, and the code of what was refused */
function post(page: Page, action: string, body: unknown): Promise<readonly [number, string | undefined]> {
  return page.evaluate(
    async ([path, text]) => {
      const answer = await fetch(`/passkey/${path}`, { method: "POST", body: text });
      const said = (await answer.json()) as { error?: { code: string } };
      return [answer.status, said.error?.code] as const;
    },
    [action, JSON.stringify(body)] as const,
  );
}

test("an operator registers a passkey, and signs in by it", async () => {
  const link = await says(
    processes.start("site", "console", "--home", "site", "--role", "operator"),
    /http:\S+#sign-in=\S+/,
  );
  const { page, foreign, complaints } = await visit(browser, link);
  page.setDefaultTimeout(60_000);
  const nav = page.getByRole("navigation");
  await nav.getByRole("link", { name: "Passkeys" }).click();
  await page.getByText("No passkey is registered.").waitFor();
  await page.getByRole("button", { name: "Go on at localhost" }).click();
  await page.waitForURL(/^http:\/\/localhost:\d+\//);
  const [session, authenticatorId] = await addAuthenticator(page);
  await nav.getByRole("link", { name: "Passkeys" }).click();
  await page.getByRole("button", { name: "Register a passkey" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox").fill("reading room");
  await dialog.getByRole("button", { name: "Register a passkey" }).click();
  await page.getByText("reading room is registered.").waitFor();
  const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId });
  expect(credentials).toHaveLength(1);
  expect(credentials[0].rpId).toBe("localhost");
  await checkScreen(page, "site-passkeys");

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await checkScreen(page, "sign-in-passkey");
  let sent = "";
  page.on("request", (request) => {
    if (request.url().endsWith("/passkey/signed-in")) sent = request.postData() ?? "";
  });
  await page.getByRole("button", { name: "Sign in by a passkey" }).click();
  await nav.getByRole("link", { name: "Passkeys" }).click();
  await page.getByText("signed in as operator").waitFor();
  await expect.poll(() => page.getByRole("cell", { name: "never" }).count()).toBe(0);

  // What was answered once is answered no more, by whomever.
  expect(sent).toContain("signature");
  await page.context().clearCookies();
  expect(await post(page, "signed-in", JSON.parse(sent))).toEqual([401, "sign-in-required"]);
  expect(await post(page, "list", {})).toEqual([401, "sign-in-required"]);
  expect(await post(page, "register", {})).toEqual([401, "sign-in-required"]);

  // A device that does not know its user opens nothing.
  await page.goto(new URL("/", page.url()).href);
  await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await page.getByRole("button", { name: "Sign in by a passkey" }).click();
  await page.getByRole("alert").waitFor();
  expect(await page.getByRole("navigation").count()).toBe(0);
  await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });
  await page.getByRole("button", { name: "Sign in by a passkey" }).click();
  await nav.getByRole("link", { name: "Passkeys" }).click();
  await page.getByRole("button", { name: "Remove reading room" }).click();
  await dialog.getByRole("button", { name: "Remove reading room" }).click();
  await page.getByText("No passkey is registered.").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  expect(await page.getByRole("button", { name: "Sign in by a passkey" }).count()).toBe(0);

  expect(foreign.filter((url) => new URL(url).hostname !== "localhost")).toEqual([]);
  expect(complaints.filter((each) => !each.includes("status of 401"))).toEqual([]);
});

test("a reviewer's session has no passkeys", async () => {
  const { url } = JSON.parse(
    await processes.run("site", "console", "--home", "site", "--link", "--role", "reviewer", "--json"),
  ) as { url: string };
  const { page } = await visit(browser, url);
  expect(await page.getByRole("navigation").getByRole("link", { name: "Passkeys" }).count()).toBe(0);
});
