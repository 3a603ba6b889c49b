/**
 * Signing in by OpenID Connect: authorization code with PKCE (RFC 7636), state and nonce, by a certified library.
 *
 * Invariants
 * - What comes back belongs to the browser that was sent: its state lies in a cookie of that browser, works once, and
 *   for LIMITS.consoleLinkMs.
 * - An identity without a role of the file is refused; so is everything that the provider does not sign as it should.
 * - No token of the provider is kept, logged or given to the browser.
 */
import * as oidc from "openid-client";
import { type Clock, ConsiliumError, LIMITS } from "../base/index.ts";
import type { Role } from "./authorisation.ts";
import { isThisMachine, roleOf, type SignInRules } from "./sign-in-file.ts";

export interface IdentityProvider {
  /** For people. */
  readonly name: string;
  /** Where the browser is sent, and the state that it keeps meanwhile. @throws ConsiliumError `unreachable` */
  begin(redirectUri: string): Promise<{ readonly url: string; readonly state: string }>;
  /**
   * @param answer the address that the provider sent the browser to
   * @param state what the browser kept
   * @throws ConsiliumError `sign-in-required`, `role-refused`
   */
  finish(answer: URL, state: string | undefined): Promise<{ readonly role: Role; readonly who: string }>;
}

interface Pending {
  readonly verifier: string;
  readonly nonce: string;
  readonly redirectUri: string;
  readonly expiresMs: number;
}

export function openIdProvider(rules: SignInRules, clock: Clock): IdentityProvider {
  const pending = new Map<string, Pending>();
  let found: Promise<oidc.Configuration> | undefined;
  const discover = (): Promise<oidc.Configuration> => {
    found ??= discovered(rules).catch((error: unknown) => {
      found = undefined;
      throw unreachable(rules, error);
    });
    return found;
  };
  return {
    name: rules.issuer.host,
    async begin(redirectUri) {
      const configuration = await discover();
      const nowMs = clock.nowMs();
      for (const [key, { expiresMs }] of pending) if (expiresMs <= nowMs) pending.delete(key);
      if (pending.size >= LIMITS.consoleSessions) pending.delete([...pending.keys()][0]);
      const [state, nonce, verifier] = [oidc.randomState(), oidc.randomNonce(), oidc.randomPKCECodeVerifier()];
      pending.set(state, { verifier, nonce, redirectUri, expiresMs: nowMs + LIMITS.consoleLinkMs });
      const url = oidc.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: rules.scopes.join(" "),
        state,
        nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
      });
      return { url: url.href, state };
    },
    async finish(answer, state) {
      const begun = state === undefined ? undefined : pending.get(state);
      if (state !== undefined) pending.delete(state);
      if (state === undefined || begun === undefined || begun.expiresMs <= clock.nowMs()) throw notBegun();
      const configuration = await discover();
      const claims = await claimsOf(configuration, new URL(answer.search, begun.redirectUri), state, begun, rules);
      const role = roleOf(claims, rules);
      if (role === undefined) throw withoutRole(rules);
      return { role, who: nameIn(claims) };
    },
  };
}

function discovered({ issuer, clientId, clientSecret }: SignInRules): Promise<oidc.Configuration> {
  return oidc.discovery(issuer, clientId, clientSecret, undefined, {
    timeout: LIMITS.consoleProviderMs / 1000,
    // Tokens' signatures are checked even where TLS vouches for who sent them.
    execute: [oidc.enableNonRepudiationChecks, ...(isThisMachine(issuer) ? [oidc.allowInsecureRequests] : [])],
  });
}

type Claims = Readonly<Record<string, unknown>>;

/** What the identity token says, and the provider's user information where the token lacks the claim that decides. */
async function claimsOf(
  configuration: oidc.Configuration,
  answer: URL,
  state: string,
  { verifier, nonce }: Pending,
  rules: SignInRules,
): Promise<Claims> {
  try {
    const tokens = await oidc.authorizationCodeGrant(configuration, answer, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    if (claims === undefined) throw new TypeError("no identity token");
    if (Object.hasOwn(claims, rules.claim[0])) return claims;
    return { ...(await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub)) };
  } catch (cause) {
    throw new ConsiliumError("sign-in-required", {
      subject: `sign-in by ${rules.issuer.host}`,
      expected: "an identity that the provider vouches for",
      actual: "none",
      hint: "Try once more; if it stays so, ask whoever runs the provider whether this dashboard is registered there.",
      cause,
    });
  }
}

function nameIn(claims: Claims): string {
  const told = [claims.email, claims.preferred_username, claims.name, claims.sub].find(
    (each): each is string => typeof each === "string" && each !== "",
  );
  return (told ?? "somebody").slice(0, 200);
}

function unreachable({ issuer }: SignInRules, cause: unknown): ConsiliumError {
  return new ConsiliumError("unreachable", {
    subject: `identity provider ${issuer.host}`,
    expected: "its description (OpenID Connect Discovery)",
    actual: "none",
    hint: "Check the issuer in the sign-in file, and the way to it; a one-time link works meanwhile.",
    cause,
  });
}

function notBegun(): ConsiliumError {
  return new ConsiliumError("sign-in-required", {
    subject: "sign-in",
    expected: `one that this browser began, at most ${LIMITS.consoleLinkMs / 60_000} minutes ago`,
    actual: "another",
    hint: "Begin once more on the dashboard's first page.",
  });
}

function withoutRole({ issuer, claim }: SignInRules): ConsiliumError {
  return new ConsiliumError("role-refused", {
    subject: `sign-in by ${issuer.host}`,
    expected: `a value of the claim ${claim.join(".")} that the sign-in file gives a role`,
    actual: "none",
    hint: "Ask whoever runs this dashboard for a role.",
  });
}
