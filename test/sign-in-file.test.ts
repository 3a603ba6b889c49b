/** What a sign-in file may say, and to whom it gives a role. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ROLES, readSignInFile, roleOf } from "../src/console/index.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sign-in-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const GOOD = `schema: consilium.sign-in/1
issuer: https://id.example.org
clientId: consilium
roles: { lead: [leads] }
`;

async function read(text: string) {
  const path = join(folder, "sign-in.yaml");
  await writeFile(path, text);
  return readSignInFile(path);
}

test("defaults, and the secret beside the file", async () => {
  await writeFile(join(folder, "secret"), "hush\n");
  const rules = await read(`${GOOD}clientSecretFile: secret\nscopes: [groups]\nclaim: [realm_access, roles]\n`);
  expect(rules).toMatchObject({ clientSecret: "hush", scopes: ["openid", "groups"], claim: ["realm_access", "roles"] });
  expect(await read(GOOD)).toMatchObject({ clientSecret: undefined, scopes: ["openid", "email"], claim: ["groups"] });
});

test.each([
  ["a key that is not known", `${GOOD}everybody: lead\n`],
  ["a role that is not known", GOOD.replace("lead:", "king:")],
  ["no role at all", GOOD.replace("{ lead: [leads] }", "{}")],
  ["a provider without TLS", GOOD.replace("https:", "http:")],
  ["something else", "- 1"],
])("refuses %s", async (_, text) => {
  await expect(read(text)).rejects.toMatchObject({ code: "usage" });
});

test("refuses a secret that is not there, or empty", async () => {
  await expect(read(`${GOOD}clientSecretFile: nowhere\n`)).rejects.toMatchObject({ code: "file-not-found" });
  await writeFile(join(folder, "empty"), "\n");
  await expect(read(`${GOOD}clientSecretFile: empty\n`)).rejects.toMatchObject({ code: "usage" });
});

test("a role goes to whom it is given, and to nobody else", () => {
  const rules = { claim: ["realm", "groups"], roles: { lead: ["leads"], auditor: ["auditors", "board"] } };
  expect(roleOf({ realm: { groups: ["staff", "board"] } }, rules)).toBe("auditor");
  expect(roleOf({ realm: { groups: ["board", "leads"] } }, rules)).toBe("lead");
  expect(roleOf({ realm: { groups: "leads" } }, rules)).toBe("lead");
  for (const claims of [
    undefined,
    null,
    {},
    { realm: null },
    { groups: ["leads"] },
    { realm: { groups: { leads: 1 } } },
  ]) {
    expect(roleOf(claims, rules)).toBeUndefined();
  }
  expect(roleOf({}, { claim: ["constructor", "name"], roles: { lead: ["Object"] } })).toBeUndefined();
  fc.assert(
    fc.property(fc.array(fc.string()), (groups) => {
      const role = roleOf({ realm: { groups } }, rules);
      expect(role === undefined || ROLES.includes(role)).toBe(true);
      expect(role === undefined).toBe(!groups.some((each) => ["leads", "auditors", "board"].includes(each)));
    }),
  );
});
