/** Passkeys with an authenticator in software that is wrong in one thing at a time. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LIMITS } from "../base/index.ts";
import { openPasskeys, type Passkeys } from "./passkeys.ts";
import { type Said, softAuthenticator } from "./testing/soft-authenticator.ts";

const ORIGIN = "http://localhost:4321";
let folder: string;
let nowMs: number;
let passkeys: Passkeys;
let key: ReturnType<typeof softAuthenticator>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "passkeys-"));
  nowMs = 1_000_000;
  passkeys = open();
  key = softAuthenticator();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function open(): Passkeys {
  const file = join(folder, "passkeys.json");
  return openPasskeys({ file, name: "tum", origin: () => ORIGIN, clock: { nowMs: () => nowMs } });
}

async function register(said: Partial<Said> = {}): Promise<void> {
  const { challenge } = await passkeys.beginRegistration("session", "operator");
  const answer = key.register({ challenge, origin: ORIGIN, ...said });
  await passkeys.finishRegistration("session", "operator", " desk ", answer);
}

async function signIn(said: Partial<Said> = {}): Promise<{ role: string; who: string }> {
  const { challenge } = await passkeys.beginSignIn();
  return passkeys.finishSignIn(key.signIn({ challenge, origin: ORIGIN, counter: 2, ...said }));
}

const REFUSED = { code: "sign-in-required" };

const WRONG: readonly (readonly [what: string, said: Partial<Said>])[] = [
  ["a challenge that was never drawn", { challenge: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }],
  ["another origin", { origin: "http://localhost:4322" }],
  ["the address in place of the name", { origin: "http://127.0.0.1:4321" }],
  ["another relying party", { rpId: "example.org" }],
  ["a user who was not verified", { userVerified: false }],
  ["an answer to another question", { type: "webauthn.other" }],
];

describe("registration", () => {
  test("keeps a public key for the role of the session", async () => {
    await register();
    const list = [{ id: key.id, label: "desk", role: "operator", createdMs: nowMs, lastUsedMs: null }];
    expect(await passkeys.list()).toEqual(list);
    expect(await open().list()).toEqual(list);
    await expect(register()).rejects.toMatchObject(REFUSED);
  });

  test.each(WRONG)("refuses %s, and keeps nothing", async (_, said) => {
    await expect(register(said)).rejects.toMatchObject(REFUSED);
    expect(await passkeys.list()).toEqual([]);
  });

  test("takes an answer once, in time, and from the session that asked", async () => {
    const { challenge } = await passkeys.beginRegistration("session", "operator");
    const answer = key.register({ challenge, origin: ORIGIN });
    const finish = (session: string) => passkeys.finishRegistration(session, "operator", "", answer);
    await expect(finish("another session")).rejects.toMatchObject(REFUSED);
    await expect(finish("session")).rejects.toMatchObject(REFUSED);
    const late = await passkeys.beginRegistration("session", "operator");
    nowMs += LIMITS.consolePasskeyMs;
    const lateAnswer = key.register({ challenge: late.challenge, origin: ORIGIN });
    await expect(passkeys.finishRegistration("session", "operator", "", lateAnswer)).rejects.toMatchObject(REFUSED);
    await register();
    const { challenge: forSignIn } = await passkeys.beginSignIn();
    key = softAuthenticator();
    const crossed = key.register({ challenge: forSignIn, origin: ORIGIN });
    await expect(passkeys.finishRegistration("session", "operator", "", crossed)).rejects.toMatchObject(REFUSED);
  });

  test("asks so many questions at once, the oldest lapses, and strangers push out nobody's", async () => {
    await register();
    const own = key;
    key = softAuthenticator();
    const begun = await passkeys.beginRegistration("session", "operator");
    const asked: string[] = [];
    for (let i = 0; i <= LIMITS.consoleChallenges; i++) asked.push((await passkeys.beginSignIn()).challenge);
    const answer = (i: number) => own.signIn({ challenge: asked[i], origin: ORIGIN, counter: 2 });
    await expect(passkeys.finishSignIn(answer(0))).rejects.toMatchObject(REFUSED);
    expect(await passkeys.finishSignIn(answer(1))).toMatchObject({ role: "operator" });
    const registered = key.register({ challenge: begun.challenge, origin: ORIGIN });
    expect(await passkeys.finishRegistration("session", "operator", "", registered)).toHaveLength(2);
  });

  test("keeps so many, and no more", async () => {
    for (let i = 0; i < LIMITS.consolePasskeys; i++) {
      key = softAuthenticator();
      await register();
    }
    await expect(register()).rejects.toMatchObject({ code: "limit-exceeded" });
  });
});

describe("signing in", () => {
  test("gives the role that the key was registered for, and counts", async () => {
    await register();
    nowMs += 5;
    expect(await signIn()).toEqual({ role: "operator", who: "passkey “desk”", id: key.id });
    expect((await passkeys.list())[0].lastUsedMs).toBe(nowMs);
    await expect(signIn({ counter: 2 })).rejects.toMatchObject(REFUSED);
    expect(await signIn({ counter: 3 })).toMatchObject({ role: "operator" });
    expect(JSON.parse(await readFile(join(folder, "passkeys.json"), "utf8")).passkeys[0].counter).toBe(3);
  });

  test.each(WRONG)("refuses %s", async (_, said) => {
    await register();
    await expect(signIn(said)).rejects.toMatchObject(REFUSED);
    expect((await passkeys.list())[0].lastUsedMs).toBeNull();
  });

  test("refuses a signature of another key, an altered one, and an answer that was used", async () => {
    await register();
    const [own, { challenge }] = [key, await passkeys.beginSignIn()];
    const said = { challenge, origin: ORIGIN, counter: 2 };
    const other = { ...softAuthenticator().signIn(said), id: own.id, rawId: own.id };
    await expect(passkeys.finishSignIn(other)).rejects.toMatchObject(REFUSED);
    // Even a right answer comes too late then: the question is spent.
    await expect(passkeys.finishSignIn(own.signIn(said))).rejects.toMatchObject(REFUSED);

    const again = { ...said, challenge: (await passkeys.beginSignIn()).challenge };
    const altered = own.signIn(again);
    const data = Buffer.from(String(altered.response.authenticatorData), "base64url");
    data[36] ^= 1;
    const response = { ...altered.response, authenticatorData: data.toString("base64url") };
    await expect(passkeys.finishSignIn({ ...altered, response })).rejects.toMatchObject(REFUSED);

    const answer = own.signIn({ ...said, challenge: (await passkeys.beginSignIn()).challenge });
    expect(await passkeys.finishSignIn(answer)).toMatchObject({ role: "operator" });
    await expect(passkeys.finishSignIn(answer)).rejects.toMatchObject(REFUSED);
    for (const none of [null, {}, { id: 5 }, { id: own.id }, "text"]) {
      await expect(passkeys.finishSignIn(none)).rejects.toMatchObject(REFUSED);
    }
  });

  test("a key that was removed opens nothing", async () => {
    await register();
    const { challenge } = await passkeys.beginSignIn();
    expect(await passkeys.remove(key.id)).toEqual([]);
    await expect(passkeys.finishSignIn(key.signIn({ challenge, origin: ORIGIN, counter: 2 }))).rejects.toMatchObject(
      REFUSED,
    );
    await expect(passkeys.beginSignIn()).rejects.toMatchObject({ code: "file-not-found" });
    await expect(passkeys.remove(key.id)).rejects.toMatchObject({ code: "file-not-found" });
  });
});
