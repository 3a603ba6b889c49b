/**
 * The sites of bench/control-rates.ts, in a process of their own: they sign what they send, verify what they are
 * answered, and do what they are told, all at once. Every envelope goes to the coordinator's process and back.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  announcement,
  evaluationOf,
  type FakeSite,
  poll,
  type Said,
  say,
} from "../src/coordinator/testing/fake-site.ts";
import { type SignedEnvelope, SignedEnvelopeSchema } from "../src/protocol/index.ts";
import { ORDER, orderIn, readFrames, writeFrame, writeOrder } from "./control-frames.ts";
import type { JoinedSite, SitesOrder, SitesReport } from "./control-rates.ts";

interface BenchSite {
  readonly site: FakeSite;
  readonly update: JoinedSite["update"];
}

let sites: readonly BenchSite[] = [];
let asked = 0;
const awaited = new Map<number, (reply: SignedEnvelope) => void>();

readFrames(process.stdin, (frame) => {
  if (frame.number === ORDER) return void follow(orderIn<SitesOrder>(frame));
  awaited.get(frame.number)?.(fromBinary(SignedEnvelopeSchema, frame.body));
  awaited.delete(frame.number);
});

async function follow(order: SitesOrder): Promise<void> {
  if (order.kind === "join") sites = order.sites.map(joined);
  else await Promise.all(sites.map(order.kind === "train" ? train : evaluate));
  const { user, system } = process.cpuUsage();
  writeOrder(process.stdout, { done: order.kind, cpuSeconds: (user + system) / 1e6 } satisfies SitesReport);
}

function joined({ update, ...site }: JoinedSite, index: number): BenchSite {
  const refuse = (): never => {
    throw new Error("only messages are exchanged here");
  };
  return {
    update,
    site: {
      ...site,
      sent: [],
      link: {
        exchange: (envelope) => exchange(index, envelope),
        fetchObject: refuse,
        sendObject: refuse,
        useCertificate: refuse,
        close: refuse,
      },
    },
  };
}

/** The body is led by the site's place in the list. */
function exchange(site: number, envelope: SignedEnvelope): Promise<SignedEnvelope> {
  const number = ++asked;
  return new Promise((resolve) => {
    awaited.set(number, resolve);
    const body = Buffer.concat([Uint8Array.of(site & 255, site >> 8), toBinary(SignedEnvelopeSchema, envelope)]);
    writeFrame(process.stdout, { number, body });
  });
}

async function train({ site, update }: BenchSite): Promise<void> {
  const { kind } = (await poll(site)).directive;
  if (kind.case !== "train") throw new Error(`${site.siteId} was told to ${kind.case}`);
  accepted(await say(site, announcement(site, kind.value, update), kind.value));
}

async function evaluate({ site }: BenchSite): Promise<void> {
  const { kind } = (await poll(site)).directive;
  if (kind.case !== "evaluate") throw new Error(`${site.siteId} was told to ${kind.case}`);
  accepted(await say(site, evaluationOf(site, kind.value), kind.value));
  site.sent.length = 0;
}

function accepted({ verdict }: Said): void {
  if (verdict.outcome !== "accepted") throw new Error(`${verdict.code}: expected ${verdict.expected}`);
}
