/** Members of small federations of their own, made with the certificates' own library: `protocol` lies above here. */
import "reflect-metadata";
import { createPrivateKey, generateKeyPairSync, webcrypto } from "node:crypto";
import { X509CertificateGenerator } from "@peculiar/x509";
import type { ModelSigner } from "../model-signature.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

async function keyPair(): Promise<{ pem: string; keys: webcrypto.CryptoKeyPair }> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const secret = createPrivateKey(pem).export({ type: "pkcs8", format: "der" });
  const open = publicKey.export({ type: "spki", format: "der" });
  return {
    pem,
    keys: {
      privateKey: await webcrypto.subtle.importKey("pkcs8", secret, ALGORITHM, true, ["sign"]),
      publicKey: await webcrypto.subtle.importKey("spki", open, ALGORITHM, true, ["verify"]),
    },
  };
}

export async function testSigner(federation: string): Promise<ModelSigner> {
  const [authority, member] = await Promise.all([keyPair(), keyPair()]);
  const issuer = `CN=${federation}`;
  const issued = { signingKey: authority.keys.privateKey, signingAlgorithm: ALGORITHM, issuer };
  const own = await X509CertificateGenerator.create({
    ...issued,
    subject: issuer,
    publicKey: authority.keys.publicKey,
  });
  const certificate = await X509CertificateGenerator.create({
    ...issued,
    subject: "CN=coordinator",
    publicKey: member.keys.publicKey,
  });
  return {
    role: "coordinator",
    keyPem: member.pem,
    certificatePem: certificate.toString("pem"),
    authorityPem: own.toString("pem"),
  };
}
