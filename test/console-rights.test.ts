/** The tables of rights over real HTTP: every method and every plain request, under every role, and by nobody. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { AUTHORISATION, OPEN_ROUTES, ROLES, ROUTES, type Role, type Route } from "../src/console/index.ts";
import { CoordinatorConsole, SiteConsole } from "../src/protocol/index.ts";
import { at, call, signIn, start, useConsole } from "./dashboard/console-fixture.ts";

useConsole();

const METHODS = [CoordinatorConsole, SiteConsole].flatMap(({ typeName, methods }) =>
  methods.map(({ name, methodKind }) => ({ name: `${typeName}/${name}`, streams: methodKind === "server_streaming" })),
);

const ROUTE_NAMES = Object.keys(ROUTES) as Route[];
const CSRF = "x-consilium-csrf";

const NOBODY = "sign-in-required: session";

/** Under which code, and for what, a plain request was refused. */
async function refusalOf(route: string, headers: Record<string, string>): Promise<string | undefined> {
  const [method, path] = route.split(" ");
  const asked = { "/volume": "?case=a&part=t1", "/sheet": "?intake=a&case=a&state=done" }[path] ?? "";
  const body = method === "GET" ? {} : { body: "{}" };
  const answer = await fetch(at.server.url + path + asked, { method, headers, ...body });
  const text = await answer.text();
  if (answer.ok) return undefined;
  const { code, subject } = (JSON.parse(text) as { error: { code: string; subject: string } }).error;
  return `${code}: ${subject}`;
}

describe("the table of rights", () => {
  test("holds every method, and gives nobody but these what changes anything", () => {
    expect([...AUTHORISATION.keys()].sort()).toEqual(METHODS.map(({ name }) => name).sort());
    for (const { name } of METHODS) expect(AUTHORISATION.get(name)?.length, name).toBeGreaterThan(0);
    const changing = {
      "consilium.v1.CoordinatorConsole/SubmitStudy": ["lead"],
      "consilium.v1.CoordinatorConsole/StopStudy": ["lead"],
      "consilium.v1.CoordinatorConsole/BeginStudy": ["lead"],
      "consilium.v1.CoordinatorConsole/PauseStudy": ["lead"],
      "consilium.v1.CoordinatorConsole/ChangeRules": ["lead"],
      "consilium.v1.CoordinatorConsole/InviteSite": ["lead", "operator"],
      "consilium.v1.CoordinatorConsole/RevokeSite": ["lead"],
      "consilium.v1.CoordinatorConsole/RunReplay": ["lead", "auditor"],
      "consilium.v1.CoordinatorConsole/RotateAuthority": ["lead"],
      "consilium.v1.SiteConsole/DecideStudy": ["reviewer"],
      "consilium.v1.SiteConsole/SetBudget": ["reviewer"],
      "consilium.v1.SiteConsole/RegisterData": ["operator"],
      "consilium.v1.SiteConsole/PredictCase": ["reviewer", "operator"],
      "consilium.v1.SiteConsole/RunDoctor": ["operator"],
    };
    for (const [name, roles] of Object.entries(changing)) expect(AUTHORISATION.get(name), name).toEqual(roles);
    const reading = METHODS.filter(({ name }) => !(name in changing)).map(({ name }) => name.split("/")[1]);
    for (const name of reading) expect(name).toMatch(/^(Get|List|Watch|Check|Verify|Compare)/);
  });

  test.each(ROLES)("lets %s do what it says, and nothing else, over HTTP", async (role) => {
    const { cookie, csrf } = await signIn(role);
    for (const { name, streams } of METHODS) {
      const { code } = await call(name, { cookie, "x-consilium-csrf": csrf }, streams);
      const allowed = AUTHORISATION.get(name)?.includes(role) === true;
      expect(code === "role-refused", `${role} ${name}: ${code}`).toBe(!allowed);
      expect(code).not.toBe("sign-in-required");
    }
  });

  test("gives everybody no more than signing out and what tells of a model, and wants both tokens but for downloads", () => {
    const open = ROUTE_NAMES.filter((route) => ROUTES[route].roles.length === ROLES.length);
    expect(open).toEqual(["DELETE /session", "GET /download/card.md", "GET /download/report.html"]);
    for (const route of ROUTE_NAMES) {
      expect(ROUTES[route].shows, route).toBe(route.startsWith("GET /download/") ? "cookie" : "both tokens");
    }
  });

  test.each(ROLES)("lets %s make those plain requests that it says, and no others", async (role) => {
    await at.server.close();
    at.server = await start({ passkeysFile: join(at.folder, "passkeys.json") });
    for (const route of ROUTE_NAMES) {
      const { cookie, csrf } = await signIn(role);
      const { roles, shows } = ROUTES[route];
      if (shows === "both tokens") {
        for (const given of [{ cookie }, { cookie, [CSRF]: "another" }]) {
          expect(await refusalOf(route, given), `${role} ${route}, one token`).toBe(NOBODY);
        }
      }
      const refusal = await refusalOf(route, { cookie, ...(shows === "both tokens" && { [CSRF]: csrf }) });
      const allowed = (roles as readonly Role[]).includes(role);
      expect(refusal === `role-refused: ${route}`, `${role} ${route}: ${refusal}`).toBe(!allowed);
      expect(refusal, `${role} ${route}`).not.toBe(NOBODY);
      at.nowMs += 60_000;
    }
  });

  test("nothing else is served: no other path, no other method, no path beside one that is", async () => {
    const { cookie, csrf } = await signIn("operator");
    const known: readonly string[] = [...OPEN_ROUTES, ...ROUTE_NAMES];
    const paths = [...new Set(known.map((route) => route.split(" ")[1]))];
    const others = ["GET", "POST", "PUT", "DELETE", "PATCH"].flatMap((method) =>
      [...paths, ...paths.map((path) => `${path}/`), "/download/passkeys.json", "/passkey/other", "/index.html"].map(
        (path) => `${method} ${path}`,
      ),
    );
    const unknown = others.filter((route) => !known.includes(route));
    expect(unknown.length).toBeGreaterThan(100);
    for (const route of unknown) {
      expect(await refusalOf(route, { cookie, [CSRF]: csrf }), route).toBe(`file-not-found: ${route}`);
    }
  });

  test("lets nobody do anything without a session, or without its second token", async () => {
    const { cookie } = await signIn("lead");
    for (const { name, streams } of METHODS) {
      expect((await call(name, {}, streams)).code, name).toBe("sign-in-required");
      expect((await call(name, { cookie }, streams)).code, name).toBe("sign-in-required");
      expect((await call(name, { cookie, "x-consilium-csrf": "another" }, streams)).code).toBe("sign-in-required");
    }
    for (const route of ROUTE_NAMES) expect(await refusalOf(route, {}), route).toBe(NOBODY);
  });
});
