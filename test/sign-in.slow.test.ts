/**
 * Signing in to a coordinator's dashboard by OpenID Connect, in a real Chromium, against a real provider
 * (`oidc-provider`) that runs in this test: roles by claims, and what is refused.
 */
import type { ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createSocketServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Provider } from "oidc-provider";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBrowser } from "./dashboard/browser.ts";
import { checkScreen } from "./dashboard/check-screen.ts";
import { openProcesses, type Processes, says } from "./dashboard/processes.ts";

const SECRET = "a secret of this test";
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  lena: ["staff", "consilium-leads"],
  arno: ["consilium-auditors"],
  nina: ["staff"],
};
const PATIENCE_MS = 120_000;
const MOST_TRIES = 60;

let processes: Processes;
let browser: Browser;
let provider: Server;
let coordinator: ChildProcess;
let dashboard = "";

beforeAll(async () => {
  processes = openProcesses("sign-in");
  const port = await freePort();
  dashboard = `http://127.0.0.1:${port}`;
  const issuer = await startProvider([`${dashboard}/oidc/callback`]);
  writeFileSync(join(processes.folder, "secret"), `${SECRET}\n`);
  writeFileSync(
    join(processes.folder, "sign-in.yaml"),
    `schema: consilium.sign-in/1
issuer: ${issuer}
clientId: consilium
clientSecretFile: secret
scopes: [openid, email, groups]
claim: groups
roles:
  lead: [consilium-leads]
  auditor: [consilium-auditors]
`,
  );
  const init = ["--name", "Glioma federation", "--listen", "127.0.0.1:0", "--unencrypted"];
  await processes.run("coordinator", "init", "--home", "coordinator", ...init);
  const served = ["--dashboard-port", String(port), "--sign-in", "sign-in.yaml"];
  coordinator = processes.start("coordinator", "start", "--home", "coordinator", ...served);
  await says(coordinator, /Dashboard at/);
  browser = await openBrowser();
}, 600_000);

afterAll(async () => {
  await browser?.close();
  await processes.close();
  provider?.closeAllConnections();
  await new Promise((resolve) => provider?.close(resolve));
});

/** Below those that systems give to who asks for any: nobody gets it before the coordinator does. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    const server = createSocketServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

async function startProvider(redirectUris: readonly string[]): Promise<string> {
  let handle: ReturnType<Provider["callback"]> | undefined;
  provider = createServer((request, response) => void handle?.(request, response));
  await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  handle = new Provider(issuer, {
    clients: [
      {
        client_id: "consilium",
        client_secret: SECRET,
        token_endpoint_auth_method: "client_secret_post",
        redirect_uris: redirectUris,
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    claims: { openid: ["sub"], email: ["email"], groups: ["groups"] },
    pkce: { required: () => true },
    findAccount: (_: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.org`, groups: GROUPS[id] ?? [] }),
    }),
    cookies: { keys: ["of this test"] },
  }).callback();
  return issuer;
}

/** Signs in at the provider's own pages, from the dashboard's first page on. */
async function signIn(person: string): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(dashboard);
  await page.getByRole("link", { name: /Sign in by 127\.0\.0\.1/ }).click();
  await page.locator('input[name="login"]').fill(person);
  await page.locator('input[name="password"]').fill("any");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
  return page;
}

test("a lead and an auditor get the roles of their groups", async () => {
  const lead = await signIn("lena");
  await lead.getByText("signed in as lead").waitFor();
  await lead.getByRole("button", { name: "Invite a site" }).waitFor();
  expect(new URL(lead.url()).search, "nothing of the provider's answer stays in the address").toBe("");
  const cookies = await lead.context().cookies(dashboard);
  const session = cookies.find(({ name }) => /^consilium-[0-9a-f]{12}$/.test(name));
  expect(session).toMatchObject({ httpOnly: true, sameSite: "Strict" });
  const facts = await lead.evaluate(async () => (await fetch("/session")).json());
  expect(facts).toMatchObject({ session: { role: "lead", who: "lena@example.org" } });
  await lead.getByRole("button", { name: "Sign out" }).click();
  await lead.getByRole("heading", { name: "Sign in" }).waitFor();
  await checkScreen(lead, "sign-in");

  const auditor = await signIn("arno");
  await auditor.getByText("signed in as auditor").waitFor();
  expect(await auditor.getByRole("button", { name: "Invite a site" }).count()).toBe(0);
});

test("somebody without a role is refused in words, and has no session", async () => {
  const page = await signIn("nina");
  await page.getByRole("alert").getByText("no role of this dashboard is yours").waitFor();
  const facts = await page.evaluate(async () => (await fetch("/session")).json());
  expect(facts).toMatchObject({ session: null });
  expect(page.url()).toBe(`${dashboard}/`);
});

test("an answer that this browser did not ask for opens nothing", async () => {
  // So many signings in at once, and then a few a minute: on a fast machine the tests before used them up.
  const ask = async (path: string, cookie = ""): Promise<Response> => {
    for (let tries = 1; ; tries++) {
      const headers: Record<string, string> = cookie === "" ? {} : { cookie };
      const answer = await fetch(`${dashboard}${path}`, { redirect: "manual", headers });
      const location = answer.headers.get("location");
      if (location !== "/#refused=limit-exceeded" || tries === MOST_TRIES) return answer;
      await setTimeout(1000);
    }
  };
  const begun = await ask("/oidc/begin");
  expect(begun.status).toBe(302);
  const [cookie] = (begun.headers.get("set-cookie") ?? "").split(";");
  expect(begun.headers.get("set-cookie")).toMatch(/; Path=\/oidc; HttpOnly; SameSite=Lax$/);
  const url = new URL(begun.headers.get("location") ?? "");
  expect(url.searchParams.get("code_challenge_method")).toBe("S256");
  const state = url.searchParams.get("state");
  const issuer = encodeURIComponent(url.origin);
  const refused = async (path: string, kept?: string): Promise<void> => {
    const answer = await ask(path, kept);
    expect(answer.headers.get("location"), path).toBe("/#refused=sign-in-required");
    expect(answer.headers.get("set-cookie"), path).toBeNull();
  };
  // Somebody else's answer, without the state that this browser keeps; another state.
  await refused(`/oidc/callback?code=a&state=${state}&iss=${issuer}`);
  await refused(`/oidc/callback?code=a&state=${state}&iss=${issuer}`, `${cookie}x`);
  await refused(`/oidc/callback?code=a&state=other&iss=${issuer}`, cookie);
  // The state was spent by the try before.
  await refused(`/oidc/callback?code=a&state=${state}&iss=${issuer}`, cookie);
  // All that this browser keeps, and a code that the provider never gave.
  const again = await ask("/oidc/begin");
  const fresh = new URL(again.headers.get("location") ?? "").searchParams.get("state");
  const kept = (again.headers.get("set-cookie") ?? "").split(";")[0];
  const told = says(coordinator, /Sign-in refused: \[sign-in-required\].*\(.+\)/);
  await refused(`/oidc/callback?code=a&state=${fresh}&iss=${issuer}`, kept);
  await told;
});
