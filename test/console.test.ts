/** The console's server over real HTTP: who is let in, for how long, and what a page from elsewhere can do. */
import { writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../src/base/index.ts";
import { listPasskeys, offerLinks, PASSKEYS_FILE, ROLES, removePasskeyOf, requestLink } from "../src/console/index.ts";
import { softAuthenticator } from "../src/console/testing/soft-authenticator.ts";
import {
  at,
  call,
  cookieOf,
  redeem,
  type SignedIn,
  signIn,
  start,
  tokenOf,
  useConsole,
} from "./dashboard/console-fixture.ts";

useConsole();

describe("signing in", () => {
  test("a link works once, and opens a session whose cookie no script sees", async () => {
    const token = tokenOf(at.server.signInLink("auditor").url);
    const first = await redeem(token);
    expect(first.headers.get("set-cookie")).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
    expect((await redeem(token)).status).toBe(401);
    const known = await fetch(`${at.server.url}/session`, { headers: { cookie: cookieOf(first) } });
    expect(await known.json()).toMatchObject({ face: "coordinator", name: "Test", session: { role: "auditor" } });
    const stranger = await fetch(`${at.server.url}/session`);
    expect(await stranger.json()).toMatchObject({ name: "", session: null });
  });

  test("a link grows old, and so does a session", async () => {
    const token = tokenOf(at.server.signInLink("lead").url);
    at.nowMs += LIMITS.consoleLinkMs;
    expect((await redeem(token)).status).toBe(401);
    const { cookie, csrf } = await signIn("lead");
    const ask = () => call("consilium.v1.CoordinatorConsole/GetStatus", { cookie, "x-consilium-csrf": csrf });
    expect((await ask()).status).toBe(200);
    at.nowMs += LIMITS.consoleIdleMs - 1;
    expect((await ask()).status).toBe(200);
    at.nowMs += LIMITS.consoleIdleMs;
    expect((await ask()).code).toBe("sign-in-required");
  });

  test("a session that is kept busy ends all the same", async () => {
    const { cookie, csrf } = await signIn("lead");
    const ask = () => call("consilium.v1.CoordinatorConsole/GetStatus", { cookie, "x-consilium-csrf": csrf });
    for (let passed = 0; passed + LIMITS.consoleIdleMs / 2 < LIMITS.consoleSessionMs; ) {
      expect((await ask()).status).toBe(200);
      passed += LIMITS.consoleIdleMs / 2;
      at.nowMs += LIMITS.consoleIdleMs / 2;
    }
    at.nowMs += LIMITS.consoleIdleMs / 2;
    expect((await ask()).code).toBe("sign-in-required");
  });

  test("signing out ends the session", async () => {
    const { cookie, csrf } = await signIn("lead");
    const out = await fetch(`${at.server.url}/session`, {
      method: "DELETE",
      headers: { cookie, "x-consilium-csrf": csrf },
    });
    expect(out.status).toBe(200);
    expect((await call("consilium.v1.CoordinatorConsole/GetStatus", { cookie, "x-consilium-csrf": csrf })).code).toBe(
      "sign-in-required",
    );
  });

  test("guessing is slowed down, and so are calls", async () => {
    const statuses: number[] = [];
    for (let i = 0; i <= LIMITS.consoleSignInsBurst; i++) statuses.push((await redeem(`guess-${i}`)).status);
    expect(statuses).toEqual([...Array(LIMITS.consoleSignInsBurst).fill(401), 429]);
    at.nowMs += 60_000;
    const { cookie, csrf } = await signIn("read-only");
    const calls = Array.from({ length: LIMITS.consoleCallsBurst + 5 }, () =>
      call("consilium.v1.CoordinatorConsole/GetStatus", { cookie, "x-consilium-csrf": csrf }),
    );
    const codes = (await Promise.all(calls)).map(({ code }) => code);
    expect(codes.filter((code) => code === "limit-exceeded")).toHaveLength(5);
  });

  test("a command that can read the home gets a link from the console that runs", async () => {
    const home = join(at.folder, "home");
    await expect(requestLink(home, "lead")).rejects.toMatchObject({ code: "unreachable" });
    const links = await offerLinks(home, at.server);
    const { url } = await requestLink(home, "auditor");
    const answer = await redeem(tokenOf(url));
    expect(await answer.json()).toMatchObject({ session: { role: "auditor" } });
    await links.close();
    await expect(requestLink(home, "lead")).rejects.toMatchObject({ code: "unreachable" });
  });
});

describe("signing in by a passkey", () => {
  const post = async (action: string, body: unknown, headers: Record<string, string> = {}, host = at.server.url) => {
    const answer = await fetch(`${host}/passkey/${action}`, { method: "POST", body: JSON.stringify(body), headers });
    const { error, ...value } = (await answer.json()) as { error?: { code: string }; challenge?: string; url?: string };
    return { code: error?.code, cookie: cookieOf(answer), ...value };
  };
  const headersOf = ({ cookie, csrf }: SignedIn) => ({ cookie, "x-consilium-csrf": csrf });

  test("a role that may registers one, and comes back by it; others are refused", async () => {
    await at.server.close();
    at.server = await start({ passkeysFile: join(at.folder, "passkeys.json") });
    for (const role of ROLES) {
      const headers = headersOf(await signIn(role));
      const { code } = await post("list", {}, headers);
      expect(code, role).toBe(role === "operator" ? undefined : "role-refused");
      at.nowMs += 60_000;
    }
    const facts = async () => (await (await fetch(`${at.server.url}/session`)).json()) as { passkeys: unknown };
    const origin = at.server.url.replace("127.0.0.1", "localhost");
    expect((await facts()).passkeys).toEqual({ at: origin, registered: false });
    expect((await post("sign-in", {})).code).toBe("file-not-found");

    const key = softAuthenticator();
    const operator = headersOf(await signIn("operator"));
    const { challenge = "" } = await post("register", {}, operator);
    const answer = key.register({ challenge, origin });
    expect((await post("registered", { answer, label: "desk" }, headersOf(await signIn("operator")))).code).toBe(
      "sign-in-required",
    );
    const again = await post("register", {}, operator);
    const registered = key.register({ challenge: again.challenge ?? "", origin });
    expect((await post("registered", { answer: registered, label: "desk" }, operator)).code).toBeUndefined();
    expect((await facts()).passkeys).toEqual({ at: origin, registered: true });

    at.nowMs += 60_000;
    const asked = await post("sign-in", {});
    const signed = { answer: key.signIn({ challenge: asked.challenge ?? "", origin, counter: 2 }) };
    const { cookie } = await post("signed-in", signed);
    const known = await (await fetch(`${at.server.url}/session`, { headers: { cookie } })).json();
    expect(known).toMatchObject({ session: { role: "operator", who: "passkey “desk”" } });
    expect((await post("signed-in", signed)).code).toBe("sign-in-required");
    const guesses = Array.from({ length: LIMITS.consoleSignInsBurst }, () => post("signed-in", { answer: {} }));
    expect((await Promise.all(guesses)).map(({ code }) => code)).toContain("limit-exceeded");
  });

  test("removing a passkey ends the sessions that it opened, and no others", async () => {
    await at.server.close();
    at.server = await start({ passkeysFile: join(at.folder, "passkeys.json") });
    const origin = at.server.url.replace("127.0.0.1", "localhost");
    const byLink = await signIn("operator");
    const enrol = async (label: string) => {
      const key = softAuthenticator();
      const { challenge = "" } = await post("register", {}, headersOf(byLink));
      const answer = key.register({ challenge, origin });
      expect((await post("registered", { answer, label }, headersOf(byLink))).code).toBeUndefined();
      return key;
    };
    const enter = async (key: ReturnType<typeof softAuthenticator>, counter: number): Promise<SignedIn> => {
      const { challenge = "" } = await post("sign-in", {});
      return known((await post("signed-in", { answer: key.signIn({ challenge, origin, counter }) })).cookie);
    };
    const known = async (cookie: string): Promise<SignedIn> => {
      const facts = await (await fetch(`${at.server.url}/session`, { headers: { cookie } })).json();
      return { cookie, csrf: (facts as { session: { csrf: string } | null }).session?.csrf ?? "none" };
    };
    const status = async ({ cookie, csrf }: SignedIn) =>
      (await call("consilium.v1.CoordinatorConsole/GetStatus", { cookie, "x-consilium-csrf": csrf })).code;

    const [lost, other] = [await enrol("lost"), await enrol("other")];
    const [first, second, others] = [await enter(lost, 2), await enter(lost, 3), await enter(other, 2)];
    at.nowMs += 60_000;
    const atName = tokenOf((await post("at-name", {}, headersOf(first))).url ?? "");
    const third = await known(cookieOf(await redeem(atName)));
    const unused = tokenOf((await post("at-name", {}, headersOf(second))).url ?? "");
    for (const each of [first, second, third, others, byLink]) expect(await status(each)).toBeUndefined();

    expect((await post("remove", { id: lost.id }, headersOf(byLink))).code).toBeUndefined();
    for (const each of [first, second, third]) expect(await status(each)).toBe("sign-in-required");
    expect((await redeem(unused)).status).toBe(401);
    for (const each of [others, byLink]) expect(await status(each)).toBeUndefined();
  });

  test("a command lists and removes passkeys: by the console that runs, which ends their sessions, or in the home", async () => {
    const home = join(at.folder, "home");
    const passkeysFile = join(home, PASSKEYS_FILE);
    await at.server.close();
    at.server = await start({ passkeysFile });
    const links = await offerLinks(home, at.server);
    const origin = at.server.url.replace("127.0.0.1", "localhost");
    const byLink = headersOf(await signIn("operator"));
    const keys = [];
    for (const label of ["first", "second"]) {
      const key = softAuthenticator();
      const { challenge = "" } = await post("register", {}, byLink);
      await post("registered", { answer: key.register({ challenge, origin }), label }, byLink);
      keys.push(key);
    }
    const { challenge = "" } = await post("sign-in", {});
    const { cookie } = await post("signed-in", { answer: keys[0].signIn({ challenge, origin, counter: 2 }) });
    const session = async () =>
      ((await (await fetch(`${at.server.url}/session`, { headers: { cookie } })).json()) as { session: unknown })
        .session;
    expect(await session()).not.toBeNull();
    expect((await listPasskeys(passkeysFile)).map(({ label }) => label)).toEqual(["first", "second"]);

    await removePasskeyOf(home, keys[0].id);
    expect(await session()).toBeNull();
    await expect(removePasskeyOf(home, keys[0].id)).rejects.toMatchObject({ code: "file-not-found" });
    await links.close();

    // One that runs and is silent may let people in by it: nothing is removed behind its back.
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    await writeFile(join(home, "console.json"), JSON.stringify({ schema: "consilium.console/1", port, token: "t" }));
    await expect(removePasskeyOf(home, keys[1].id, 50)).rejects.toMatchObject({ code: "unreachable" });
    expect((await listPasskeys(passkeysFile)).map(({ label }) => label)).toEqual(["second"]);
    silent.closeAllConnections();
    await new Promise((resolve) => silent.close(resolve));

    await removePasskeyOf(home, keys[1].id);
    expect(await listPasskeys(passkeysFile)).toEqual([]);
  });

  test("a link at the name opens a session of the same person that ends no later, and none once it has ended", async () => {
    await at.server.close();
    at.server = await start({ passkeysFile: join(at.folder, "passkeys.json") });
    const facts = async (cookie: string) =>
      (await (await fetch(`${at.server.url}/session`, { headers: { cookie } })).json()) as {
        session: { who: string; expiresMs: number; csrf: string } | null;
      };
    const first = await signIn("operator");
    const { session: begun } = await facts(first.cookie);
    const linkOf = async (from: SignedIn) => tokenOf((await post("at-name", {}, headersOf(from))).url ?? "");
    at.nowMs += LIMITS.consoleIdleMs / 2;
    const cookie = cookieOf(await redeem(await linkOf(first)));
    const { session: second } = await facts(cookie);
    expect(second).toMatchObject({ who: begun?.who, expiresMs: begun?.expiresMs });
    // Kept busy, and passed on again and again: it ends with the first all the same.
    let held: SignedIn = { cookie, csrf: second?.csrf ?? "" };
    while (at.nowMs + LIMITS.consoleIdleMs / 2 < (begun?.expiresMs ?? 0)) {
      at.nowMs += LIMITS.consoleIdleMs / 2;
      const passedOn = cookieOf(await redeem(await linkOf(held)));
      held = { cookie: passedOn, csrf: (await facts(passedOn)).session?.csrf ?? "" };
    }
    const last = await linkOf(held);
    at.nowMs = begun?.expiresMs ?? 0;
    expect((await facts(held.cookie)).session).toBeNull();
    expect((await redeem(last)).status).toBe(401);

    const other = await signIn("operator");
    const left = await linkOf(other);
    await fetch(`${at.server.url}/session`, { method: "DELETE", headers: headersOf(other) });
    expect((await redeem(left)).status).toBe(401);
  });

  test("a damaged file of passkeys keeps nobody out who has a link", async () => {
    await at.server.close();
    const passkeysFile = join(at.folder, "passkeys.json");
    await writeFile(passkeysFile, "{");
    at.server = await start({ passkeysFile });
    const operator = await signIn("operator");
    const answer = await fetch(`${at.server.url}/session`, { headers: { cookie: operator.cookie } });
    expect(await answer.json()).toMatchObject({ passkeys: { registered: false }, session: { role: "operator" } });
    expect((await post("list", {}, headersOf(operator))).code).toBe("home-invalid");
  });

  test("there are none where another program answers to the name", async () => {
    await at.server.close();
    const other = createServer();
    const listens = await new Promise<boolean>((resolve) => {
      other.once("error", () => resolve(false));
      other.listen(0, "::1", () => resolve(true));
    });
    // A machine without ::1 has nobody to fear there.
    if (listens) {
      const { port } = other.address() as AddressInfo;
      at.server = await start({ passkeysFile: join(at.folder, "passkeys.json"), port });
      expect(await (await fetch(`${at.server.url}/session`)).json()).toMatchObject({ passkeys: null });
      expect((await post("sign-in", {})).code).toBe("file-not-found");
      await at.server.close();
    }
    other.close();
    at.server = await start();
    expect(await (await fetch(`${at.server.url}/session`)).json()).toMatchObject({ passkeys: null });
  });
});

describe("pages from elsewhere", () => {
  test("a request under another host's name, or by another origin's page, is refused", async () => {
    expect(await statusOf("/", { host: "attacker.example" })).toBe(403);
    expect(await statusOf("/session", { origin: "https://attacker.example" })).toBe(403);
    expect(await statusOf("/", { origin: "null" })).toBe(403);
    expect(await statusOf("/", {})).toBe(200);
    expect(await statusOf("/", { origin: at.server.url })).toBe(200);
  });

  test("everything comes under a policy that names no other host", async () => {
    for (const path of ["/", "/session", "/nothing"]) {
      const { headers } = await fetch(at.server.url + path);
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/https?:|\*|unsafe/);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    }
  });

  test("nothing but the dashboard's own files is served", async () => {
    for (const path of ["/../coordinator.json", "/journal.db", "/index.html", "/%2e%2e/coordinator.json"]) {
      expect(await statusOf(path, {}), path).toBe(404);
    }
  });
});

describe("signing in by a provider", () => {
  test("pictures of other pages spend nothing, and neither do strangers' answers", async () => {
    const refusals: unknown[] = [];
    await at.server.close();
    at.server = await start({
      identity: {
        name: "provider.example",
        begin: () => Promise.resolve({ url: "https://provider.example/", state: "kept" }),
        finish: () => Promise.reject(new Error("no such code", { cause: new Error("invalid_grant") })),
      },
      onRefused: (error) => refusals.push(error),
    });
    const person = { "sec-fetch-dest": "document", "sec-fetch-site": "same-origin" };
    const times = LIMITS.consoleSignInsBurst + 1;
    const asked = async (path: string, headers: Record<string, string>) => {
      const answers = await Promise.all(Array.from({ length: times }, () => answerTo(path, headers)));
      return [...new Set(answers)].sort();
    };
    expect(await asked("/oidc/begin", { "sec-fetch-dest": "image", "sec-fetch-site": "cross-site" })).toEqual(["403"]);
    expect(await asked("/oidc/begin", { ...person, "sec-fetch-site": "cross-site" })).toEqual(["403"]);
    expect(await asked("/oidc/callback?code=a", { "sec-fetch-dest": "iframe" })).toEqual(["403"]);
    expect(refusals).toEqual([]);
    const [internal, exceeded] = ["302 /#refused=internal", "302 /#refused=limit-exceeded"];
    expect(await asked("/oidc/callback?code=a", {})).toEqual([internal, exceeded]);
    expect(refusals).toHaveLength(LIMITS.consoleSignInsBurst);
    expect(refusals[0]).toMatchObject({ message: "no such code", cause: { message: "invalid_grant" } });
    // Each of these has its own measure; somebody who begins now is let through, and so is a link.
    expect(await asked("/oidc/begin", person)).toEqual([exceeded, "302 https://provider.example/"]);
    const begun = { ...person, "sec-fetch-site": "cross-site", cookie: `${await stateCookie()}=kept` };
    expect(await asked("/oidc/callback?code=a", begun)).toEqual([internal, exceeded]);
    await signIn("lead");
  });
});

test("so many scans are read at a time, and those that were sent make room", async () => {
  let [release, reading] = [(): void => undefined, 0];
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  await at.server.close();
  at.server = await start({
    async volume() {
      reading++;
      await held;
      return new Uint8Array(8);
    },
  });
  const { cookie, csrf } = await signIn("reviewer");
  const ask = () => fetch(`${at.server.url}/volume?case=a&part=t1`, { headers: { cookie, "x-consilium-csrf": csrf } });
  const first = Array.from({ length: LIMITS.consoleVolumes }, ask);
  await expect.poll(() => reading).toBe(LIMITS.consoleVolumes);
  expect((await ask()).status).toBe(429);
  release();
  for (const answer of await Promise.all(first)) expect((await answer.arrayBuffer()).byteLength).toBe(8);
  await expect.poll(async () => (await ask()).status).toBe(200);
});

/** The status, and where a browser is sent. */
async function answerTo(path: string, headers: Record<string, string>): Promise<string> {
  const { status, headers: answered } = await fetch(at.server.url + path, { redirect: "manual", headers });
  return [status, answered.get("location")].filter((each) => each !== null).join(" ");
}

async function stateCookie(): Promise<string> {
  at.nowMs += 60_000;
  const begun = await fetch(`${at.server.url}/oidc/begin`, { redirect: "manual" });
  return cookieOf(begun).split("=")[0];
}

test("the stream tells the status, then what changes, and leaves out rounds that are known", async () => {
  const { cookie, csrf } = await signIn("read-only");
  const stop = new AbortController();
  const body = Buffer.from("{}");
  const answer = await fetch(`${at.server.url}/api/consilium.v1.CoordinatorConsole/WatchStatus`, {
    method: "POST",
    headers: { "content-type": "application/connect+json", cookie, "x-consilium-csrf": csrf },
    body: Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]),
    signal: stop.signal,
  });
  const reader = answer.body?.getReader();
  const next = async () => Buffer.from((await reader?.read())?.value ?? new Uint8Array()).toString("utf8");
  expect(await next()).toContain("Test");
  await at.coordinator.invite({ siteId: "upenn" });
  let told = "";
  // Between changes there may be signs of life.
  while (!told.includes("upenn")) told = await next();
  stop.abort();
});

const ENDS: Readonly<Record<string, (session: SignedIn) => Promise<unknown>>> = {
  "that is signed out": ({ cookie, csrf }) =>
    fetch(`${at.server.url}/session`, { method: "DELETE", headers: { cookie, "x-consilium-csrf": csrf } }),
  async "whose time is over"() {
    at.nowMs += LIMITS.consoleSessionMs;
  },
};

test.each(Object.entries(ENDS))("the stream of a session %s ends", async (_, end) => {
  const { cookie, csrf } = await signIn("read-only");
  const body = Buffer.from("{}");
  const answer = await fetch(`${at.server.url}/api/consilium.v1.CoordinatorConsole/WatchStatus`, {
    method: "POST",
    headers: { "content-type": "application/connect+json", cookie, "x-consilium-csrf": csrf },
    body: Buffer.concat([Buffer.from([0, 0, 0, 0, body.length]), body]),
  });
  const reader = answer.body?.getReader();
  const next = async () => Buffer.from((await reader?.read())?.value ?? new Uint8Array()).toString("utf8");
  expect(await next()).toContain("Test");
  await end({ cookie, csrf });
  await at.coordinator.invite({ siteId: "upenn" });
  const told = await next();
  expect(told).toContain("sign-in-required");
  expect(told).not.toContain("upenn");
  expect((await reader?.read())?.done).toBe(true);
});

test("streams that were closed make room for others", async () => {
  const { cookie, csrf } = await signIn("read-only");
  for (let i = 0; i < LIMITS.consoleStreams + 2; i++) {
    const { code } = await call(
      "consilium.v1.CoordinatorConsole/WatchStatus",
      { cookie, "x-consilium-csrf": csrf },
      true,
    );
    expect(code).toBeUndefined();
  }
});

/** By `node:http`, since fetch lets nobody set a host. */
function statusOf(path: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(at.server.url);
    const asked = request({ host: "127.0.0.1", port, path, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.on("error", reject);
    asked.end();
  });
}
