import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConsiliumError } from "../base/index.ts";
import { type EnrolOptions, enrolInMemory } from "../protocol/index.ts";
import { openSite, readSite } from "./home.ts";
import { lockHome } from "./home-lock.ts";
import { type JoinOptions, joinFederation } from "./join-federation.ts";
import { readSiteLog } from "./site-status.ts";
import { type ScriptedCoordinator, scriptedCoordinator } from "./testing/scripted-coordinator.ts";
import { temporaryFolder, tinyStudy } from "./testing/test-site.ts";

let root: string;
let coordinator: ScriptedCoordinator;
let sent: number;
beforeEach(async () => {
  root = await temporaryFolder();
  coordinator = await scriptedCoordinator(tinyStudy(), ["upenn"]);
  sent = 0;
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function options(invitation: string, changes: Partial<JoinOptions> = {}): Promise<JoinOptions> {
  const invitationFile = join(root, "invitation.json");
  await writeFile(invitationFile, invitation);
  const enrolBy = (request: EnrolOptions): ReturnType<typeof enrolInMemory> => {
    sent++;
    return enrolInMemory(coordinator.service, request);
  };
  return { home: join(root, "home"), invitationFile, productVersion: "test", enrolBy, ...changes };
}

const nothingMade = async (): Promise<boolean> =>
  stat(join(root, "home", "federation.json")).then(
    () => false,
    () => true,
  );

describe("joinFederation", () => {
  it("makes a key that stays, and keeps a certificate for it", async () => {
    const membership = await joinFederation(await options(coordinator.invitation("upenn")));
    expect(membership).toMatchObject({
      siteId: "upenn",
      federationName: "Scripted federation",
      address: "127.0.0.1:1",
    });
    const home = join(root, "home");
    const key = join(home, "identity", "key.pem");
    expect((await stat(key)).mode & 0o777).toBe(0o600);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    expect(await readFile(key, "utf8")).toContain("BEGIN PRIVATE KEY");
    const site = await readSite(home);
    expect(site.certificatePem).toContain("BEGIN CERTIFICATE");
    expect(await readSiteLog(home)).toMatchObject([{ what: "certificate request", to: "127.0.0.1:1", index: 0 }]);
    const everything = await Promise.all(
      (await readdir(home, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => readFile(join(entry.parentPath, entry.name), "latin1")),
    );
    const secret = JSON.parse(await readFile(join(root, "invitation.json"), "utf8")).secret as string;
    expect(everything.join("\n")).not.toContain(secret);
  });

  it("refuses a home that has joined, before anything is sent", async () => {
    await joinFederation(await options(coordinator.invitation("upenn")));
    const key = await readFile(join(root, "home", "identity", "key.pem"));
    const again = joinFederation(await options(coordinator.invitation("upenn")));
    await expect(again).rejects.toMatchObject({ code: "file-exists", actual: expect.stringContaining("as upenn") });
    expect(sent).toBe(1);
    expect(await readFile(join(root, "home", "identity", "key.pem"))).toEqual(key);
  });

  it.each([
    [
      "an expired invitation",
      "invitation-expired",
      (c: ScriptedCoordinator) => c.invitation("upenn", { expiresMs: 1000 }),
    ],
    ["a text that is none", "invitation-invalid", () => "hello"],
    [
      "an invitation with a key too many",
      "invitation-invalid",
      (c: ScriptedCoordinator) => c.invitation("upenn").replace("{", '{"run": "x",'),
    ],
    [
      "a secret cut short",
      "invitation-invalid",
      (c: ScriptedCoordinator) => c.invitation("upenn").replace(/("secret": ".{10})[^"]*/, "$1"),
    ],
    ["nothing", "invitation-invalid", () => ""],
  ])("refuses %s, before anything is made or sent", async (_name, code, text) => {
    await expect(joinFederation(await options(text(coordinator)))).rejects.toMatchObject({ code });
    expect(sent).toBe(0);
    await expect(stat(join(root, "home"))).rejects.toThrow();
  });

  it("refuses an invitation that is not there", async () => {
    const join = joinFederation({ ...(await options("x")), invitationFile: "/nowhere/invitation.json" });
    await expect(join).rejects.toMatchObject({ code: "file-not-found", subject: "invitation.json" });
  });

  it("refuses an answer from another federation than the one that invited", async () => {
    const foreign = coordinator.invitation("upenn", { caFingerprint: "1".repeat(64) });
    await expect(joinFederation(await options(foreign))).rejects.toMatchObject({ code: "certificate-untrusted" });
    expect(await nothingMade()).toBe(true);
    await expect(readSite(join(root, "home"))).rejects.toMatchObject({ code: "home-invalid" });
  });

  it("refuses an invitation of another coordinator, and one that was used", async () => {
    const other = await scriptedCoordinator(tinyStudy(), ["upenn"]);
    await expect(joinFederation(await options(other.invitation("upenn")))).rejects.toMatchObject({
      code: "invitation-invalid",
    });
    const invitation = coordinator.invitation("upenn");
    await joinFederation(await options(invitation, { home: join(root, "first") }));
    await expect(joinFederation(await options(invitation))).rejects.toMatchObject({ code: "invitation-used" });
    expect(await nothingMade()).toBe(true);
  });

  it("may be repeated with the same invitation where the answer was lost", async () => {
    const lost = new ConsiliumError("unreachable", {
      subject: "c",
      expected: "an answer",
      actual: "none",
      hint: "Wait.",
    });
    const invitation = coordinator.invitation("upenn");
    coordinator.failures.push(null, lost);
    await expect(joinFederation(await options(invitation))).rejects.toMatchObject({ code: "unreachable" });
    expect(await nothingMade()).toBe(true);
    await joinFederation(await options(invitation));
    expect((await readSite(join(root, "home"))).siteId).toBe("upenn");
  });

  it("leaves a home alone in which a process works", async () => {
    const lock = await lockHome(join(root, "home"));
    await expect(joinFederation(await options(coordinator.invitation("upenn")))).rejects.toMatchObject({
      code: "home-locked",
    });
    lock.release();
    expect(sent).toBe(0);
  });
});

describe("openSite", () => {
  it("is for one process at a time", async () => {
    await joinFederation(await options(coordinator.invitation("upenn")));
    const site = await openSite(join(root, "home"));
    await expect(openSite(join(root, "home"))).rejects.toMatchObject({ code: "home-locked" });
    await site.close();
    await (await openSite(join(root, "home"))).close();
  });

  it("says what is missing in a home", async () => {
    await expect(openSite(join(root, "nowhere"))).rejects.toMatchObject({ code: "home-invalid" });
    await joinFederation(await options(coordinator.invitation("upenn")));
    await rm(join(root, "home", "identity", "authority.pem"));
    await expect(openSite(join(root, "home"))).rejects.toMatchObject({
      code: "home-invalid",
      expected: "identity/authority.pem",
    });
    await writeFile(join(root, "home", "federation.json"), "{}");
    await expect(openSite(join(root, "home"))).rejects.toMatchObject({
      code: "home-invalid",
      subject: "federation.json",
    });
  });
});
