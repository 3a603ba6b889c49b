/**
 * The product's errors across the wire and back: every refusal keeps its code, what was expected, what came and what
 * to do. What the network itself says becomes `unreachable`, or a word about certificates where those were the reason.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { ConsiliumError, ERROR_CODES, type ErrorCode } from "../base/index.ts";
import { systemCode } from "./file-errors.ts";
import { RefusalSchema } from "./gen/consilium/v1/federation_pb.ts";

export interface ErrorRecord {
  readonly code: string;
  readonly subject: string;
  readonly expected: string;
  readonly actual: string;
  readonly hint: string;
}

const SERVER_UNTRUSTED = new Set([
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "CERT_SIGNATURE_FAILURE",
  "INVALID_PURPOSE",
  "INVALID_CA",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);
/** What a proxy that ends TLS answers where it knows HTTP/1.1 alone. */
const NO_COMMON_PROTOCOL = "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL";
export const WHERE_TLS_ENDS =
  "If it is right, something between here and there ends TLS: ask your network's operator to let this address through " +
  "unopened, or see --through-tls-proxy of `consilium site join`.";
const SERVER_EXPIRED = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);

/** What a service threw, as the caller may know it: a defect stays a defect, without its insides. */
export function errorRecord(error: unknown): ErrorRecord {
  if (error instanceof ConsiliumError) return error.toJSON();
  return {
    code: "internal",
    subject: "coordinator",
    expected: "an answer",
    actual: "a defect",
    hint: "The coordinator's log has the details: tell its operator the time of this message.",
  };
}

/** @param record what came over the wire; a code of another version is kept in `actual`. */
export function errorFromRecord(record: ErrorRecord): ConsiliumError {
  const known = Object.hasOwn(ERROR_CODES, record.code);
  return new ConsiliumError(known ? (record.code as ErrorCode) : "internal", {
    subject: record.subject,
    expected: record.expected,
    actual: known ? record.actual : `${record.actual} (${record.code})`,
    hint: record.hint,
  });
}

export function toConnectError(error: unknown): ConnectError {
  const record = errorRecord(error);
  const code = record.code === "internal" ? Code.Internal : Code.FailedPrecondition;
  return new ConnectError(`${record.code}: ${record.subject}`, code, undefined, [
    { desc: RefusalSchema, value: { ...record } },
  ]);
}

/** @param address host:port that was dialled */
export function fromConnectError(error: unknown, address: string): ConsiliumError {
  if (error instanceof ConsiliumError) return error;
  if (error instanceof ConnectError) {
    const [refusal] = error.findDetails(RefusalSchema);
    if (refusal !== undefined) return errorFromRecord(refusal);
  }
  return networkError(error, address);
}

/** @param address host:port that was dialled */
export function networkError(error: unknown, address: string): ConsiliumError {
  const told = causes(error).find((cause) => cause instanceof ConsiliumError);
  if (told instanceof ConsiliumError) return told;
  if (causes(error).some((cause) => cause instanceof Error && cause.name === "AbortError")) {
    return interrupted(`coordinator ${address}`);
  }
  const codes = causes(error).flatMap((cause) => systemCode(cause) ?? []);
  const subject = `coordinator ${address}`;
  if (codes.includes(NO_COMMON_PROTOCOL)) {
    return new ConsiliumError("certificate-untrusted", {
      subject,
      expected: "the federation's service, over HTTP/2",
      actual: "something that does not speak it",
      hint: `Check the address. ${WHERE_TLS_ENDS}`,
      cause: error,
    });
  }
  const untrusted = codes.find((code) => SERVER_UNTRUSTED.has(code));
  if (untrusted !== undefined) {
    return new ConsiliumError("certificate-untrusted", {
      subject,
      expected: "a certificate for this address by the authority that the invitation names",
      actual: untrusted,
      hint: `Check the address. ${WHERE_TLS_ENDS}`,
      cause: error,
    });
  }
  const expired = codes.find((code) => SERVER_EXPIRED.has(code));
  if (expired !== undefined) {
    return new ConsiliumError("certificate-expired", {
      subject,
      expected: "a certificate that is valid now",
      actual: expired,
      hint: "Check this machine's clock; if it is right, the coordinator must be started anew to renew its certificate.",
      cause: error,
    });
  }
  const refused = codes.find((code) => /^ERR_SSL_.*(ALERT|CERTIFICATE)/.test(code) && !code.includes("VERSION"));
  if (refused !== undefined) {
    return new ConsiliumError("certificate-untrusted", {
      subject,
      expected: "that the coordinator takes this site's certificate",
      actual: refused,
      hint: "Join the federation with a new invitation, or ask the study lead whether the site was removed.",
      cause: error,
    });
  }
  return new ConsiliumError("unreachable", {
    subject,
    expected: "an answer",
    actual: codes[0] ?? (error instanceof Error ? error.message.slice(0, 200) : "none"),
    hint: "Check that the coordinator runs and that this machine may open a connection to that host and port.",
    cause: error,
  });
}

/** @throws ConsiliumError `interrupted` */
export function checkNotAborted(signal: AbortSignal | undefined, subject: string): void {
  if (signal?.aborted) throw interrupted(subject);
}

function interrupted(subject: string): ConsiliumError {
  return new ConsiliumError("interrupted", {
    subject,
    expected: "the end of the work",
    actual: "an interruption",
    hint: "Start it again: it goes on where it was.",
  });
}

function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let next = error; next instanceof Error && !chain.includes(next); next = next.cause) chain.push(next);
  return chain;
}
