/**
 * A private key at rest under a passphrase: scrypt (RFC 7914) makes a key of the passphrase, AES-256-GCM
 * (NIST SP 800-38D) seals the PEM with it. The certificate's fingerprint is authenticated beside it, so that a sealed
 * key cannot be put next to another certificate. PKCS #8's own encryption was not taken: node writes it with 2,048
 * rounds of PBKDF2 only.
 *
 * Invariants: salt and nonce are new at every sealing; parameters that a damaged file names cannot ask for more memory
 * than SCRYPT_MEMORY_BYTES.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import { z } from "zod";
import { ConsiliumError, LIMITS } from "../base/index.ts";

const SCHEMA = "consilium.sealed-key/1";
const LABEL = "CONSILIUM SEALED KEY";
const SCRYPT_MEMORY_BYTES = 256 << 20;
/** 128 MiB and about half a second a guess (OWASP's choice for scrypt). */
const SCRYPT = { n: 2 ** 17, r: 8, p: 1 } as const;
const CIPHER = "aes-256-gcm";
const TAG_BYTES = 16;

const hex = z.string().regex(/^([0-9a-f]{2})+$/);
const sealedSchema = z.strictObject({
  schema: z.literal(SCHEMA),
  kdf: z.strictObject({
    name: z.literal("scrypt"),
    n: z.number().int().min(2).max(SCRYPT.n),
    r: z.number().int().min(1).max(SCRYPT.r),
    p: z.number().int().min(1).max(4),
    salt: hex,
  }),
  cipher: z.literal(CIPHER),
  nonce: hex,
  sealed: hex,
});

/** The sealed key in `text`, or undefined where there is none. */
export function findSealedKey(text: string): string | undefined {
  return new RegExp(`-----BEGIN ${LABEL}-----[A-Za-z0-9+/=\\s]*-----END ${LABEL}-----`).exec(text)?.[0];
}

/** @throws ConsiliumError `usage` for a passphrase that is too short. */
export function checkPassphrase(passphrase: string): string {
  const { passphraseMinChars, passphraseMaxChars } = LIMITS;
  if (passphrase.length >= passphraseMinChars && passphrase.length <= passphraseMaxChars) return passphrase;
  throw new ConsiliumError("usage", {
    subject: "passphrase",
    expected: `${passphraseMinChars} to ${passphraseMaxChars} characters`,
    actual: `${passphrase.length}`,
    hint: "Take several random words, or what a password manager makes.",
  });
}

/** @param boundTo fingerprint of the key's certificate */
export async function sealKey(keyPem: string, passphrase: string, boundTo: string): Promise<string> {
  const salt = randomBytes(32);
  const nonce = randomBytes(12);
  const cipher = createCipheriv(CIPHER, await derive(checkPassphrase(passphrase), salt, SCRYPT), nonce);
  cipher.setAAD(Buffer.from(boundTo));
  const sealed = Buffer.concat([cipher.update(keyPem, "utf8"), cipher.final(), cipher.getAuthTag()]);
  const document = {
    schema: SCHEMA,
    kdf: { name: "scrypt", ...SCRYPT, salt: salt.toString("hex") },
    cipher: CIPHER,
    nonce: nonce.toString("hex"),
    sealed: sealed.toString("hex"),
  };
  const lines =
    Buffer.from(JSON.stringify(document))
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${LABEL}-----\n${lines.join("\n")}\n-----END ${LABEL}-----\n`;
}

/** @throws ConsiliumError `passphrase-wrong`, or `home-invalid` for a damaged file. */
export async function openSealedKey(sealedText: string, passphrase: string, boundTo: string): Promise<string> {
  const { kdf, nonce, sealed } = readSealed(sealedText);
  const bytes = Buffer.from(sealed, "hex");
  const key = await derive(passphrase, Buffer.from(kdf.salt, "hex"), kdf);
  try {
    const decipher = createDecipheriv(CIPHER, key, Buffer.from(nonce, "hex"));
    decipher.setAAD(Buffer.from(boundTo));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch {
    throw new ConsiliumError("passphrase-wrong", {
      subject: "key of the federation's authority",
      expected: "the passphrase that it was sealed with",
      actual: "another, or a file that was altered",
      hint: "Check the passphrase and where it comes from; without it the key cannot be had from this home.",
    });
  }
}

function readSealed(text: string): z.infer<typeof sealedSchema> {
  try {
    const base64 = text.replaceAll(/-----[A-Z ]+-----|\s/g, "");
    return sealedSchema.parse(JSON.parse(Buffer.from(base64, "base64").toString("utf8")));
  } catch (cause) {
    throw new ConsiliumError("home-invalid", {
      subject: "key of the federation's authority",
      expected: "a sealed key as this product writes it",
      actual: "a damaged one",
      hint: "Restore the home from a copy.",
      cause,
    });
  }
}

function derive(
  passphrase: string,
  salt: Uint8Array,
  { n, r, p }: { readonly n: number; readonly r: number; readonly p: number },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const cost = { N: n, r, p, maxmem: SCRYPT_MEMORY_BYTES };
    scrypt(passphrase.normalize("NFKC"), salt, 32, cost, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
