/** `site line`: whether a site speaks over mutual TLS, or by sealed calls through a proxy that ends TLS. */
import { ConsiliumError } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";
import { tlsProxyOf, tlsProxyOptions } from "../tls-proxy-options.ts";

export const siteLine = defineCommand({
  path: ["site", "line"],
  summary: "Choose how this site speaks to its coordinator",
  description:
    "Over mutual TLS, or, where the hospital's proxy ends TLS under a certificate of its own, by sealed calls through it: " +
    "messages are signed, and sealed so that the proxy reads none of them. The coordinator must allow it. Stop the site " +
    "first; the choice holds from its next start, and `site status` and the site's log say that mutual TLS is off.",
  options: {
    home: option.requiredText("DIR", "this site's home folder"),
    mutualTls: option.flag("speak over mutual TLS, from the site to the coordinator"),
    ...tlsProxyOptions,
  },
  examples: [
    "consilium site line --home site --through-tls-proxy --proxy-ca proxy.pem",
    "consilium site line --home site --mutual-tls",
  ],
  async run({ options }) {
    const { home, mutualTls } = options;
    if (Boolean(mutualTls) === Boolean(options.throughTlsProxy)) {
      throw new ConsiliumError("usage", {
        subject: "consilium site line",
        expected: "either --mutual-tls or --through-tls-proxy",
        actual: mutualTls ? "both" : "neither",
        hint: "See `consilium site line --help`.",
      });
    }
    const { chooseLine } = await import("../../site/index.ts");
    const membership = await chooseLine(home, await tlsProxyOf(options));
    const off = membership.mutualTls === false;
    return {
      json: { siteId: membership.siteId, mutualTls: !off },
      text: off
        ? "Mutual TLS is off from the next start on: messages are sealed and signed. Look at the way: consilium site doctor"
        : "From the next start on, this site speaks over mutual TLS.",
    };
  },
});
