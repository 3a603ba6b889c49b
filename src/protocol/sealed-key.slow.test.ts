/** A key under a passphrase: opens with it, and with nothing else; node's own scrypt and GCM are the oracle of the format. */
import { createDecipheriv, scryptSync } from "node:crypto";
import { expect, test } from "vitest";
import { createSiteKey, findSealedKey, openSealedKey, sealKey } from "./index.ts";

const PASSPHRASE = "correct horse battery staple";
const keyPem = createSiteKey();

test("a sealed key opens with its passphrase beside its own certificate only", async () => {
  const sealed = await sealKey(keyPem, PASSPHRASE, "fingerprint");
  expect(sealed).not.toContain("PRIVATE KEY");
  expect(findSealedKey(`a certificate\n${sealed}\n`)).toBe(sealed.trim());
  expect(await openSealedKey(sealed, PASSPHRASE, "fingerprint")).toBe(keyPem);
  await expect(openSealedKey(sealed, `${PASSPHRASE}.`, "fingerprint")).rejects.toMatchObject({
    code: "passphrase-wrong",
  });
  await expect(openSealedKey(sealed, PASSPHRASE, "another")).rejects.toMatchObject({ code: "passphrase-wrong" });
});

test("what is written is scrypt and AES-256-GCM with the parameters that it names", async () => {
  const { kdf, nonce, sealed } = documentOf(await sealKey(keyPem, PASSPHRASE, "fingerprint"));
  expect(kdf).toMatchObject({ name: "scrypt", n: 131_072, r: 8, p: 1 });
  const cost = { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: 2 ** 28 };
  const key = scryptSync(PASSPHRASE, Buffer.from(kdf.salt, "hex"), 32, cost);
  const bytes = Buffer.from(sealed, "hex");
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "hex"));
  decipher.setAAD(Buffer.from("fingerprint"));
  decipher.setAuthTag(bytes.subarray(-16));
  expect(Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString()).toBe(keyPem);
});

test("an altered file, and one that asks for more memory than a key needs, are refused", async () => {
  const document = documentOf(await sealKey(keyPem, PASSPHRASE, "fingerprint"));
  const altered = { ...document, sealed: `${document.sealed.slice(0, -2)}00` };
  await expect(openSealedKey(textOf(altered), PASSPHRASE, "fingerprint")).rejects.toMatchObject({
    code: "passphrase-wrong",
  });
  const greedy = { ...document, kdf: { ...document.kdf, n: 2 ** 24 } };
  await expect(openSealedKey(textOf(greedy), PASSPHRASE, "fingerprint")).rejects.toMatchObject({
    code: "home-invalid",
  });
});

test("a short passphrase is refused", async () => {
  await expect(sealKey(keyPem, "tooshort", "fingerprint")).rejects.toMatchObject({ code: "usage" });
});

interface Sealed {
  readonly kdf: { readonly n: number; readonly r: number; readonly p: number; readonly salt: string };
  readonly nonce: string;
  readonly sealed: string;
}

function documentOf(text: string): Sealed {
  return JSON.parse(Buffer.from(text.replaceAll(/-----[A-Z ]+-----|\s/g, ""), "base64").toString()) as Sealed;
}

function textOf(document: Sealed): string {
  const body = Buffer.from(JSON.stringify(document)).toString("base64");
  return `-----BEGIN CONSILIUM SEALED KEY-----\n${body}\n-----END CONSILIUM SEALED KEY-----\n`;
}
