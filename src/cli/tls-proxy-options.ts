/** Options by which a site chooses to speak through a proxy that ends TLS. */
import { ConsiliumError } from "../base/index.ts";
import type { TlsProxy } from "../site/index.ts";
import { option } from "./options.ts";

export const tlsProxyOptions = {
  throughTlsProxy: option.flag("go through a proxy that ends TLS: mutual TLS is off, messages are sealed and signed"),
  proxyCa: option.text("FILE", "certificate of the proxy's authority, PEM (default: those that Node believes)"),
};

/** @throws ConsiliumError `usage` for a certificate without the choice; what `readTlsProxy` throws */
export async function tlsProxyOf(options: {
  readonly throughTlsProxy?: boolean | undefined;
  readonly proxyCa?: string | undefined;
}): Promise<TlsProxy | undefined> {
  const { throughTlsProxy, proxyCa } = options;
  if (throughTlsProxy) {
    const { readTlsProxy } = await import("../site/index.ts");
    return readTlsProxy(proxyCa);
  }
  if (proxyCa === undefined) return undefined;
  throw new ConsiliumError("usage", {
    subject: "--proxy-ca",
    expected: "it beside --through-tls-proxy",
    actual: "it alone",
    hint: "A proxy's certificate is believed only where the site chooses to do without mutual TLS: give both.",
  });
}
