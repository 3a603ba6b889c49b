/**
 * Passkeys of a console (WebAuthn Level 3): what operators sign in by beside one-time links.
 *
 * Browsers give passkeys to names, not to addresses: the relying party is `localhost`, and a sign-in holds for this
 * console's own address under that name alone.
 *
 * Invariants
 * - A challenge is 32 random bytes, drawn here, for one purpose and one session, good once, for LIMITS.consolePasskeyMs.
 * - Origin, relying party, signature and counter are checked by @simplewebauthn/server, and the authenticator must have
 *   verified its user (a finger, a face, a PIN); whatever fails is refused in the same words.
 * - The home keeps public keys and counters alone, at most LIMITS.consolePasskeys.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from "@simplewebauthn/server";
import { z } from "zod";
import { type Clock, ConsiliumError, createTurns, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import { writeFileAtomically } from "../imaging/index.ts";
import { ROLES, type Role } from "./authorisation.ts";

const RELYING_PARTY = "localhost";
/** In a home. */
export const PASSKEYS_FILE = "passkeys.json";

const passkeySchema = z.strictObject({
  /** Of the credential, base64url. */
  id: z.string(),
  /** COSE, base64url. */
  publicKey: z.string(),
  counter: z.number().int(),
  transports: z.array(z.string()),
  role: z.enum(ROLES),
  label: z.string(),
  createdMs: z.number(),
  lastUsedMs: z.number().nullable(),
});

const fileSchema = z.strictObject({
  schema: z.literal("consilium.passkeys/1"),
  /** By which authenticators tell one home from another. */
  userId: z.string(),
  passkeys: z.array(passkeySchema),
});

type Kept = z.infer<typeof fileSchema>;

/** What its owner is shown. */
export interface ListedPasskey {
  readonly id: string;
  readonly label: string;
  readonly role: Role;
  readonly createdMs: number;
  readonly lastUsedMs: number | null;
}

export interface PasskeyOptions {
  /** In the home. */
  readonly file: string;
  /** Of the federation, or of the site: shown by the browser beside the key. */
  readonly name: string;
  /** `http://localhost:PORT` */
  readonly origin: () => string;
  readonly clock: Clock;
}

export interface Passkeys {
  list(): Promise<readonly ListedPasskey[]>;
  /** @param session a secret of the session that registers: its answer is taken from no other. @throws ConsiliumError */
  beginRegistration(session: string, role: Role): Promise<PublicKeyCredentialCreationOptionsJSON>;
  /** @throws ConsiliumError `sign-in-required` where the answer does not hold */
  finishRegistration(session: string, role: Role, label: string, answer: unknown): Promise<readonly ListedPasskey[]>;
  /** @throws ConsiliumError `file-not-found` for one that is not there */
  remove(id: string): Promise<readonly ListedPasskey[]>;
  beginSignIn(): Promise<PublicKeyCredentialRequestOptionsJSON>;
  /** @throws ConsiliumError `sign-in-required` where the answer does not hold */
  finishSignIn(answer: unknown): Promise<{ readonly role: Role; readonly who: string; readonly id: string }>;
}

/** What a home keeps, whether a console runs or not. @throws ConsiliumError `home-invalid` */
export async function listPasskeys(file: string): Promise<readonly ListedPasskey[]> {
  return (await read(file)).passkeys.map(listed);
}

/** @throws ConsiliumError `file-not-found` for one that is not there */
export async function removePasskeyFrom(file: string, id: string): Promise<readonly ListedPasskey[]> {
  const kept = await read(file);
  const passkeys = kept.passkeys.filter((each) => each.id !== id);
  if (passkeys.length === kept.passkeys.length) throw unknown();
  await write(file, { ...kept, passkeys });
  return passkeys.map(listed);
}

export function openPasskeys({ file, name, origin, clock }: PasskeyOptions): Passkeys {
  // Apart, so that strangers who begin to sign in push out nobody's registration.
  const [registrations, signIns] = [createChallenges(clock), createChallenges(clock)];
  // One reads and writes at a time, or a counter could be lost.
  const inTurn = createTurns();
  const change = async (to: (kept: Kept) => Kept): Promise<Kept> => {
    const next = to(await read(file));
    await write(file, next);
    return next;
  };
  return {
    list: () => listPasskeys(file),
    beginRegistration: (session, role) =>
      inTurn(async () => {
        const { userId, passkeys } = await change((kept) => kept);
        if (passkeys.length >= LIMITS.consolePasskeys) throw tooMany();
        return generateRegistrationOptions({
          rpName: "Consilium",
          rpID: RELYING_PARTY,
          userName: `${role} of ${name}`,
          userID: new Uint8Array(Buffer.from(userId, "base64url")),
          challenge: registrations.draw(session),
          attestationType: "none",
          excludeCredentials: passkeys.map(({ id }) => ({ id })),
          authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
          timeout: LIMITS.consolePasskeyMs,
        });
      }),
    finishRegistration: (session, role, label, answer) =>
      inTurn(async () => {
        const { registrationInfo, verified } = await orRefused(() =>
          verifyRegistrationResponse({
            response: answer as RegistrationResponseJSON,
            expectedChallenge: (challenge) => registrations.spend(challenge, session),
            expectedOrigin: origin(),
            expectedRPID: RELYING_PARTY,
            requireUserVerification: true,
          }),
        );
        if (!verified || registrationInfo === undefined) throw refused();
        const { id, publicKey, counter, transports = [] } = registrationInfo.credential;
        const added = {
          id,
          publicKey: Buffer.from(publicKey).toString("base64url"),
          counter,
          transports: [...transports],
          role,
          label: label.trim().slice(0, LIMITS.reasonChars) || "passkey",
          createdMs: clock.nowMs(),
          lastUsedMs: null,
        };
        const { passkeys } = await change((kept) => {
          if (kept.passkeys.length >= LIMITS.consolePasskeys) throw tooMany();
          if (kept.passkeys.some((each) => each.id === id)) throw refused();
          return { ...kept, passkeys: [...kept.passkeys, added] };
        });
        return passkeys.map(listed);
      }),
    remove: (id) => inTurn(() => removePasskeyFrom(file, id)),
    async beginSignIn() {
      const { passkeys } = await read(file);
      if (passkeys.length === 0) throw unknown();
      return generateAuthenticationOptions({
        rpID: RELYING_PARTY,
        challenge: signIns.draw(),
        allowCredentials: passkeys.map(({ id, transports }) => ({ id, transports: transports as never })),
        userVerification: "required",
        timeout: LIMITS.consolePasskeyMs,
      });
    },
    finishSignIn: (answer) =>
      inTurn(async () => {
        const { passkeys } = await read(file);
        const shown = (answer as { readonly id?: unknown } | null)?.id;
        const key = passkeys.find(({ id }) => id === shown);
        if (key === undefined) throw refused();
        const { verified, authenticationInfo } = await orRefused(() =>
          verifyAuthenticationResponse({
            response: answer as AuthenticationResponseJSON,
            expectedChallenge: (challenge) => signIns.spend(challenge),
            expectedOrigin: origin(),
            expectedRPID: RELYING_PARTY,
            requireUserVerification: true,
            credential: {
              id: key.id,
              publicKey: new Uint8Array(Buffer.from(key.publicKey, "base64url")),
              counter: key.counter,
            },
          }),
        );
        if (!verified) throw refused();
        const used = { ...key, counter: authenticationInfo.newCounter, lastUsedMs: clock.nowMs() };
        await change((kept) => ({
          ...kept,
          passkeys: kept.passkeys.map((each) => (each.id === key.id ? used : each)),
        }));
        return { role: key.role, who: `passkey “${key.label}”`, id: key.id };
      }),
  };
}

interface Challenges {
  /** The oldest goes where there are LIMITS.consoleChallenges. @returns the bytes to be signed over */
  draw(session?: string): Uint8Array<ArrayBuffer>;
  /** Whether it was drawn for that session, lately, and was not spent: it is now, whatever comes of it. */
  spend(challenge: string, session?: string): boolean;
}

function createChallenges(clock: Clock): Challenges {
  const drawn = new Map<Sha256, { readonly session: string | undefined; readonly expiresMs: number }>();
  return {
    draw(session) {
      const nowMs = clock.nowMs();
      for (const [key, { expiresMs }] of drawn) if (expiresMs <= nowMs) drawn.delete(key);
      if (drawn.size >= LIMITS.consoleChallenges) drawn.delete([...drawn.keys()][0]);
      const challenge = new Uint8Array(randomBytes(32));
      const key = sha256(Buffer.from(challenge).toString("base64url"));
      drawn.set(key, { session, expiresMs: nowMs + LIMITS.consolePasskeyMs });
      return challenge;
    },
    spend(challenge, session) {
      const key = sha256(challenge);
      const found = drawn.get(key);
      drawn.delete(key);
      return found !== undefined && found.session === session && found.expiresMs > clock.nowMs();
    },
  };
}

async function read(file: string): Promise<Kept> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return { schema: "consilium.passkeys/1", userId: randomBytes(32).toString("base64url"), passkeys: [] };
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ConsiliumError("home-invalid", {
      subject: "passkeys.json",
      expected: "what this version of Consilium writes",
      actual: "another document",
      hint: "Remove the file, and register the passkeys again.",
      cause,
    });
  }
}

function write(file: string, kept: Kept): Promise<void> {
  return writeFileAtomically(file, Buffer.from(`${JSON.stringify(kept, null, 1)}\n`));
}

function listed({ id, label, role, createdMs, lastUsedMs }: Kept["passkeys"][number]): ListedPasskey {
  return { id, label, role, createdMs, lastUsedMs };
}

/** What the library says of an answer goes no further: whoever made it learns only that it does not hold. */
async function orRefused<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (cause) {
    throw refused(cause);
  }
}

function refused(cause?: unknown): ConsiliumError {
  return new ConsiliumError("sign-in-required", {
    subject: "passkey",
    expected: "an answer of a registered passkey to this page's own question, by a user whom it verified",
    actual: "another",
    hint: "Begin once more, at the address that the command line shows; or sign in by a one-time link.",
    cause,
  });
}

function tooMany(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "passkeys of this home",
    expected: `at most ${LIMITS.consolePasskeys}`,
    actual: "one more",
    hint: "Remove those that nobody uses.",
  });
}

function unknown(): ConsiliumError {
  return new ConsiliumError("file-not-found", {
    subject: "passkey",
    expected: "one that is registered at this home",
    actual: "none",
    hint: "Sign in by a one-time link, as operator, and register one.",
  });
}
