/**
 * What is taken of a provider, against one that answers wrongly on purpose: a small issuer of OpenID Connect over HTTP,
 * whose tokens are signed by Node. A well-behaved one, `oidc-provider`, stands in test/sign-in.slow.test.ts.
 */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../base/index.ts";
import { openIdProvider } from "./identity-provider.ts";

const REDIRECT = "http://127.0.0.1:1/oidc/callback";
const CODE = "the code";
const [own, other] = [0, 1].map(() => generateKeyPairSync("rsa", { modulusLength: 2048 }));

/** What the next token says otherwise than it should. */
interface Wrong {
  readonly claims?: object;
  readonly key?: typeof own;
  readonly header?: object;
  readonly code?: string;
  readonly state?: string;
  /** After it was signed. */
  readonly alter?: (token: string) => string;
}

let server: Server;
let issuer: URL;
let wrong: Wrong = {};
let begun = new URLSearchParams();

beforeAll(async () => {
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const { status, value } = answer(request.url ?? "", new URLSearchParams(body));
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterAll(() => {
  server.close();
});

function answer(path: string, asked: URLSearchParams): { readonly status: number; readonly value: unknown } {
  if (path === "/jwks") {
    const jwk = own.publicKey.export({ format: "jwk" });
    return { status: 200, value: { keys: [{ ...jwk, kid: "one", alg: "RS256", use: "sig" }] } };
  }
  if (path === "/token") {
    const challenge = createHash("sha256")
      .update(asked.get("code_verifier") ?? "")
      .digest("base64url");
    const right = asked.get("code") === CODE && challenge === begun.get("code_challenge");
    if (!right) return { status: 400, value: { error: "invalid_grant" } };
    return { status: 200, value: { access_token: "a", token_type: "bearer", id_token: idToken() } };
  }
  const at = (name: string): string => new URL(name, issuer).href;
  return {
    status: 200,
    value: {
      issuer: issuer.origin,
      authorization_endpoint: at("/auth"),
      token_endpoint: at("/token"),
      jwks_uri: at("/jwks"),
      id_token_signing_alg_values_supported: ["RS256"],
      code_challenge_methods_supported: ["S256"],
    },
  };
}

function idToken(): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer.origin,
    aud: "consilium",
    sub: "lena",
    iat: now,
    exp: now + 60,
    nonce: begun.get("nonce"),
    groups: ["leads"],
    ...wrong.claims,
  };
  const encoded = [{ alg: "RS256", kid: "one", ...wrong.header }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const signature = sign("sha256", Buffer.from(encoded), (wrong.key ?? own).privateKey).toString("base64url");
  return wrong.alter?.(`${encoded}.${signature}`) ?? `${encoded}.${signature}`;
}

async function signInWith(how: Wrong): Promise<unknown> {
  wrong = how;
  const rules = {
    issuer,
    clientId: "consilium",
    clientSecret: "a secret",
    scopes: ["openid"],
    claim: ["groups"],
    roles: { lead: ["leads"] },
  } as const;
  const provider = openIdProvider(rules, systemClock);
  const { url, state } = await provider.begin(REDIRECT);
  begun = new URL(url).searchParams;
  const answered = new URL(REDIRECT);
  answered.searchParams.set("code", how.code ?? CODE);
  answered.searchParams.set("state", how.state ?? state);
  return provider.finish(answered, state);
}

const REFUSED: Readonly<Record<string, Wrong>> = {
  "a code that it did not give": { code: "another" },
  "a state that this browser did not keep": { state: "another" },
  "a nonce of another sign-in": { claims: { nonce: "another" } },
  "no nonce": { claims: { nonce: undefined } },
  "a signature by another key": { key: other },
  "claims altered after they were signed": {
    alter: (token) => {
      const [header, claims, signature] = token.split(".");
      const altered = Buffer.from(claims, "base64url").toString().replace('"lena"', '"nina"');
      return [header, Buffer.from(altered).toString("base64url"), signature].join(".");
    },
  },
  "no signature": { header: { alg: "none" }, alter: (token) => token.replace(/[^.]*$/, "") },
  "a token for somebody else": { claims: { aud: "another" } },
  "a token by another issuer": { claims: { iss: "https://other.example" } },
  "a token that grew old": { claims: { iat: 1_000_000, exp: 1_000_060 } },
};

test("a provider that answers as it should signs in", async () => {
  expect(await signInWith({})).toEqual({ role: "lead", who: "lena" });
});

test.each(Object.entries(REFUSED))("%s opens nothing", async (_, how) => {
  await expect(signInWith(how)).rejects.toMatchObject({
    code: "sign-in-required",
    cause: { message: expect.stringMatching(/./) },
  });
});

test("an identity without a role is refused as that", async () => {
  await expect(signInWith({ claims: { groups: ["staff"] } })).rejects.toMatchObject({ code: "role-refused" });
});
