/**
 * An authenticator in software, as WebAuthn Level 3 (sections 6.1, 6.5.4, 7) has it: an ES256 key, attestation "none". It
 * signs whatever it is told to, so that tests can be wrong in one thing at a time.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface Said {
  readonly challenge: string;
  readonly origin: string;
  readonly rpId?: string;
  readonly counter?: number;
  readonly userVerified?: boolean;
  readonly type?: string;
}

const [USER_PRESENT, USER_VERIFIED, ATTESTED] = [0x01, 0x04, 0x40];

export function softAuthenticator() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const id = randomBytes(16);
  const idText = id.toString("base64url");
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  // {1: 2, 3: -7, -1: 1, -2: x, -3: y}
  const cose = Buffer.concat([
    Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
    Buffer.from(x, "base64url"),
    Buffer.from([0x22, 0x58, 0x20]),
    Buffer.from(y, "base64url"),
  ]);
  const authData = ({ rpId = "localhost", counter = 1, userVerified = true }: Said, attested?: Buffer): Buffer => {
    const flags = USER_PRESENT | (userVerified ? USER_VERIFIED : 0) | (attested ? ATTESTED : 0);
    const head = Buffer.alloc(5);
    head.writeUInt8(flags, 0);
    head.writeUInt32BE(counter, 1);
    return Buffer.concat([createHash("sha256").update(rpId).digest(), head, attested ?? Buffer.alloc(0)]);
  };
  const clientData = (said: Said, type: string): Buffer =>
    Buffer.from(JSON.stringify({ type: said.type ?? type, challenge: said.challenge, origin: said.origin }));
  const around = (response: Record<string, unknown>) => ({
    id: idText,
    rawId: idText,
    type: "public-key",
    clientExtensionResults: {},
    response,
  });
  return {
    id: idText,
    register(said: Said) {
      const length = Buffer.from([0, id.length]);
      const data = authData(said, Buffer.concat([Buffer.alloc(16), length, id, cose]));
      // {"fmt": "none", "attStmt": {}, "authData": bytes}
      const attestation = Buffer.concat([
        Buffer.from([0xa3, 0x63]),
        Buffer.from("fmt"),
        Buffer.from([0x64]),
        Buffer.from("none"),
        Buffer.from([0x67]),
        Buffer.from("attStmt"),
        Buffer.from([0xa0, 0x68]),
        Buffer.from("authData"),
        Buffer.from([0x58, data.length]),
        data,
      ]);
      return around({
        clientDataJSON: clientData(said, "webauthn.create").toString("base64url"),
        attestationObject: attestation.toString("base64url"),
        transports: ["internal"],
      });
    },
    signIn(said: Said) {
      const [data, client] = [authData(said), clientData(said, "webauthn.get")];
      const signed = Buffer.concat([data, createHash("sha256").update(client).digest()]);
      return around({
        clientDataJSON: client.toString("base64url"),
        authenticatorData: data.toString("base64url"),
        signature: sign("sha256", signed, privateKey).toString("base64url"),
      });
    },
  };
}
