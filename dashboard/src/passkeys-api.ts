/** Passkeys, as the browser and the console that served this page make and use them. */
import { startAuthentication, startRegistration } from "@simplewebauthn/browser";
import type { ListedPasskey } from "../../src/console/index.ts";
import { csrfToken } from "./api.ts";
import type { Trouble } from "./trouble.ts";

type CreationOptions = Parameters<typeof startRegistration>[0]["optionsJSON"];
type RequestOptions = Parameters<typeof startAuthentication>[0]["optionsJSON"];

export function listPasskeys(): Promise<readonly ListedPasskey[]> {
  return post("list", {});
}

export async function registerPasskey(label: string): Promise<readonly ListedPasskey[]> {
  const optionsJSON = await post<CreationOptions>("register", {});
  const answer = await orTrouble(startRegistration({ optionsJSON }));
  return post("registered", { answer, label });
}

export function removePasskey(id: string): Promise<readonly ListedPasskey[]> {
  return post("remove", { id });
}

/** Opens a session: its cookie is set when this resolves. @throws a Trouble */
export async function signInByPasskey(): Promise<void> {
  const optionsJSON = await post<RequestOptions>("sign-in", {});
  const answer = await orTrouble(startAuthentication({ optionsJSON }));
  await post("signed-in", { answer });
}

/** Goes on at this console's name, signed in under the same role. */
export async function goToName(): Promise<void> {
  const { url } = await post<{ readonly url: string }>("at-name", {});
  location.assign(url);
}

async function post<T>(action: string, body: object): Promise<T> {
  const answer = await fetch(`/passkey/${action}`, {
    method: "POST",
    headers: { "x-consilium-csrf": csrfToken() },
    body: JSON.stringify(body),
  });
  const value = (await answer.json()) as T & { readonly error?: Trouble };
  if (value.error !== undefined) throw value.error;
  return value;
}

/** What the browser or its user did not do, in words. */
async function orTrouble<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    const trouble: Trouble = {
      code: "sign-in-required",
      subject: "passkey",
      expected: "one that this browser, or a device beside it, made or found",
      actual: error instanceof Error ? error.message : "none",
      hint: "Try again, or sign in by a one-time link.",
    };
    throw trouble;
  }
}
