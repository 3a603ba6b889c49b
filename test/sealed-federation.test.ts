/** A site that joined through a real proxy that ends TLS: its choice, its way back, and what it is told of both. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { examineSite } from "../src/site/doctor/examine-site.ts";
import { openSite, readSite } from "../src/site/home.ts";
import { chooseLine, readTlsProxy } from "../src/site/line.ts";
import { serveCoordinator } from "../src/site/testing/federation-suite.ts";
import { run, type SealedFederation, sealedFederation } from "./sealed/sealed-suite.ts";

let made: SealedFederation;
beforeEach(async () => {
  made = await sealedFederation();
});
afterEach(() => made.close());

test("a site chooses its line and its way back, and the doctor says which it is", async () => {
  const { home } = made.behind;
  const examine = () =>
    examineSite({ home, steps: 1, seconds: 0.05, environment: {}, signal: new AbortController().signal });
  const sealed = await examine();
  const found = Object.fromEntries(sealed.findings.map((each) => [each.check, each]));
  expect(found).toMatchObject({
    route: { outcome: "good" },
    tls: { outcome: "warning", words: expect.stringContaining("mutual TLS is off") },
    sealing: { outcome: "good", figures: { authoritySha256: made.served.coordinator.federation().id } },
    clock: { outcome: "good" },
    membership: { outcome: "good" },
    download: { outcome: "good" },
    upload: { outcome: "good" },
  });
  const working = await openSite(home);
  await expect(chooseLine(home, undefined)).rejects.toMatchObject({ code: "home-locked" });
  await working.close();
  expect(await chooseLine(home, undefined)).not.toHaveProperty("mutualTls");
  expect((await readSite(home)).tlsProxy).toBeUndefined();
  await expect(readFile(join(home, "identity", "proxy-ca.pem"))).rejects.toMatchObject({ code: "ENOENT" });
  const mutual = await examine();
  expect(mutual.findings.find(({ check }) => check === "tls")).toMatchObject({ code: "certificate-untrusted" });
  expect(mutual.findings.some(({ check }) => check === "sealing")).toBe(false);
  await chooseLine(home, {});
  const unknown = await examine();
  expect(unknown.findings.find(({ check }) => check === "tls")).toMatchObject({ code: "certificate-untrusted" });
  await chooseLine(home, { caPem: made.proxy.caPem });
  expect((await examine()).findings.map(({ check, outcome }) => [check, outcome])).toContainEqual(["sealing", "good"]);
});

test("a coordinator that is started without allowing it refuses the site, and the doctor says so", async () => {
  await made.served.close();
  const closed = await serveCoordinator(made.home);
  made.closing.push(closed.close);
  await expect(run(made.behind)).rejects.toMatchObject({ code: "sealing-refused" });
  const { findings } = await examineSite({
    home: made.behind.home,
    steps: 1,
    seconds: 0.05,
    environment: {},
    signal: new AbortController().signal,
  });
  expect(findings.find(({ check }) => check === "sealing")).toMatchObject({
    outcome: "failed",
    code: "sealing-refused",
  });
});

test("a file that holds no certificate is not taken for a proxy's", async () => {
  const file = join(made.root, "no.pem");
  await writeFile(file, "hello");
  await expect(readTlsProxy(file)).rejects.toMatchObject({ code: "certificate-untrusted" });
  await expect(readTlsProxy(join(made.root, "none.pem"))).rejects.toMatchObject({ code: "file-not-found" });
});
