import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { inputsOf, SITES, THRESHOLD } from "../testing/dropouts.ts";
import { contextOf, newTrace, portsOf, runMaskedRound, uploadOf } from "../testing/masked-federation.ts";
import {
  acceptAdvertisement,
  acceptMaskedInput,
  acceptReveal,
  acceptSealedShares,
  acceptSignature,
  type CollectingReveals,
  closeAdvertising,
  closeInputs,
  closeSharing,
  closeSigning,
  openMaskedRound,
  openMasks,
  sealedSharesFor,
} from "./coordinator-rounds.ts";
import { selfCommitmentOf } from "./mask-keys.ts";
import { maskFigures } from "./masked-input.ts";
import type { Advertisement, ListSignature, SealedShares, SurvivorList } from "./masking-messages.ts";
import { checkContext, toleratedColluders } from "./round-context.ts";
import { combineShares } from "./secret-shares.ts";
import * as site from "./site-rounds.ts";

const context = contextOf(SITES, THRESHOLD);
const LIST: SurvivorList = { survivors: ["a", "b", "c", "d"], dropped: ["e"] };
const [A, B] = ["a", "b"];

/** Five sites that masked their inputs and wait to be shown a list. */
let advertised: Map<string, site.SiteAdvertised>;
let advertisements: Advertisement[];
let shared: Map<string, site.SiteShared>;
let sealed: SealedShares[];
let masked: Map<string, site.SiteMasked>;

beforeAll(async () => {
  advertised = new Map();
  advertisements = [];
  for (const siteId of SITES) {
    const { state, message } = site.advertiseKeys(context, siteId, [], portsOf(siteId));
    advertised.set(siteId, state);
    advertisements.push(message);
  }
  shared = new Map();
  sealed = [];
  for (const [siteId, state] of advertised) {
    const next = await site.shareSecrets(state, advertisements, portsOf(siteId));
    shared.set(siteId, next.state);
    sealed.push(...next.message);
  }
  masked = new Map();
  for (const [siteId, state] of shared) {
    masked.set(
      siteId,
      site.maskInput(
        state,
        sealed.filter(({ to }) => to === siteId),
      ).state,
    );
  }
});

function of<T>(map: ReadonlyMap<string, T>, siteId: string): T {
  const found = map.get(siteId);
  if (found === undefined) throw new Error(`no site ${siteId}`);
  return found;
}

function signaturesUnder(list: SurvivorList, signers: readonly string[]): ListSignature[] {
  return signers.map((siteId) => site.signSurvivors(of(masked, siteId), list, portsOf(siteId)).message);
}

function signedBy(siteId: string, list: SurvivorList): site.SiteSigned {
  return site.signSurvivors(of(masked, siteId), list, portsOf(siteId)).state;
}

describe("a coordinator that wants both shares of one site", () => {
  it("is caught when a list has it on both sides, before and after signing", () => {
    const both: SurvivorList = { survivors: ["a", "b", "c", "d"], dropped: ["d", "e"] };
    expect(() => site.signSurvivors(of(masked, A), both, portsOf(A))).toThrow(/masking-both-shares/);
    const signed = signedBy(A, LIST);
    expect(() => site.revealShares(signed, both, signaturesUnder(LIST, ["a", "b", "c"]), portsOf(A))).toThrow(
      /masking-both-shares/,
    );
  });

  it("is caught when it shows one site a second list, and the same list is signed the same", () => {
    const signed = signedBy(A, LIST);
    const other: SurvivorList = { survivors: ["a", "b", "c", "e"], dropped: ["d"] };
    expect(() => site.signSurvivors(signed, other, portsOf(A))).toThrow(/masking-second-list/);
    expect(() => site.revealShares(signed, other, signaturesUnder(other, ["b", "c", "e"]), portsOf(A))).toThrow(
      /masking-second-list/,
    );
    expect(site.signSurvivors(signed, LIST, portsOf(A)).message).toBe(signed.message);
  });

  it("is caught when it shows different sites different lists: neither gets enough signatures", () => {
    const other: SurvivorList = { survivors: ["a", "b", "c", "e"], dropped: ["d"] };
    const mixed = [...signaturesUnder(LIST, ["a", "b"]), ...signaturesUnder(other, ["c"])];
    expect(() => site.revealShares(signedBy(A, LIST), LIST, mixed, portsOf(A))).toThrow(/signature-invalid/);
    const few = signaturesUnder(LIST, ["a", "b"]);
    expect(() => site.revealShares(signedBy(A, LIST), LIST, few, portsOf(A))).toThrow(/masking-below-threshold/);
    const doubled = [...few, few[0]];
    expect(() => site.revealShares(signedBy(A, LIST), LIST, doubled, portsOf(A))).toThrow(/a site twice/);
    const outsider = [...few, { siteId: "e", signature: new Uint8Array(64) }];
    expect(() => site.revealShares(signedBy(A, LIST), LIST, outsider, portsOf(A))).toThrow(/site e/);
  });

  it("has a control: with enough signatures under one list the site reveals one share of each site, once", () => {
    const signatures = signaturesUnder(LIST, ["a", "b", "c"]);
    const { state, message } = site.revealShares(signedBy(A, LIST), LIST, signatures, portsOf(A));
    expect(message.self.map((each) => each.of).sort()).toEqual(LIST.survivors);
    expect(message.mask.map((each) => each.of)).toEqual(LIST.dropped);
    expect(site.revealShares(state, LIST, signatures, portsOf(A)).message).toBe(message);
    const other: SurvivorList = { survivors: ["a", "b", "c", "e"], dropped: ["d"] };
    expect(() => site.revealShares(state, other, signaturesUnder(other, ["b", "c", "e"]), portsOf(A))).toThrow(
      /masking-second-list/,
    );
    // Nothing of the site's own secrets is left in a state that has revealed.
    expect(JSON.stringify(Object.keys(state))).not.toContain("keys");
    expect(Object.keys(signedBy(A, LIST))).not.toContain("keys");
  });

  it("is refused another attempt of a round that was revealed, and only of that one", () => {
    const revealed = [{ studyHash: context.studyHash, round: context.round, attempt: 0 }];
    const again = contextOf(SITES, THRESHOLD, 1);
    expect(() => site.advertiseKeys(again, A, revealed, portsOf(A))).toThrow(/masking-round-revealed/);
    expect(site.advertiseKeys({ ...again, round: 4 }, A, revealed, portsOf(A)).state.kind).toBe("advertised");
    expect(site.advertiseKeys({ ...again, studyHash: "6".repeat(64) }, A, revealed, portsOf(A)).state.kind).toBe(
      "advertised",
    );
  });

  it("is refused lists that are no partition of the sites that shared", () => {
    for (const list of [
      { survivors: ["a", "b", "c"], dropped: ["d"] },
      { survivors: ["a", "b", "c", "d", "f"], dropped: ["e"] },
      { survivors: ["b", "c", "d"], dropped: ["a", "e"] },
      { survivors: ["b", "a", "c", "d"], dropped: ["e"] },
      { survivors: ["a", "a", "b", "c"], dropped: ["e"] },
    ]) {
      expect(() => site.signSurvivors(of(masked, A), list, portsOf(A))).toThrow(/masking-message-invalid/);
    }
    const few = { survivors: ["a", "b"], dropped: ["c", "d", "e"] };
    expect(() => site.signSurvivors(of(masked, A), few, portsOf(A))).toThrow(/masking-below-threshold/);
  });
});

describe("keys and shares that are not what they should be", () => {
  it("keys that a site did not sign, a site outside the roster, its own missing, and a key twice", async () => {
    const share = (all: readonly Advertisement[]): Promise<unknown> =>
      site.shareSecrets(of(advertised, A), all, portsOf(A));
    const [first, second, ...rest] = advertisements;
    await expect(share([first, { ...second, mask: rest[0].mask }, ...rest])).rejects.toThrow(/signature-invalid/);
    await expect(share([first, { ...second, siteId: "mallory" }, ...rest])).rejects.toThrow(/site mallory/);
    await expect(share([second, ...rest])).rejects.toThrow(/masking-message-invalid/);
    await expect(share([first, second])).rejects.toThrow(/masking-below-threshold/);
    await expect(share([first, second, second, ...rest])).rejects.toThrow(/a site twice/);
    const another = site.advertiseKeys(contextOf(SITES, THRESHOLD, 9), B, [], portsOf(B)).message;
    await expect(share([first, another, ...rest])).rejects.toThrow(/signature-invalid/);
  });

  it("shares that were altered, swapped, or sealed for another site", () => {
    const state = of(shared, A);
    const mine = sealed.filter(({ to }) => to === A);
    const altered = Uint8Array.from(mine[0].sealed);
    altered[20] ^= 1;
    const mask = (messages: readonly SealedShares[]): unknown => site.maskInput(state, messages);
    expect(() => mask([{ ...mine[0], sealed: altered }, ...mine.slice(1)])).toThrow(/masking-share-invalid/);
    expect(() => mask([{ ...mine[0], sealed: mine[1].sealed }, ...mine.slice(1)])).toThrow(/masking-share-invalid/);
    expect(() => mask([{ ...mine[0], sealed: new Uint8Array(5) }, ...mine.slice(1)])).toThrow(/masking-share-invalid/);
    const forB = sealed.filter(({ to }) => to === B);
    expect(() => mask([forB[1], ...mine.slice(1)])).toThrow(/masking-message-invalid/);
    expect(() => mask(mine.slice(0, 1))).toThrow(/masking-below-threshold/);
  });

  it("a key of low order, which would agree on a mask that everybody knows", async () => {
    const ports = portsOf(B);
    const weak = { kind: "shareCommitment", publicKey: new Uint8Array(32) } as const;
    const { mask, self } = advertisements[1];
    const { advertisedBytes } = await import("./masking-messages.ts");
    const halves = { siteId: B, mask, share: weak, self };
    const signed = { ...halves, signature: ports.sign(advertisedBytes(context, halves)) };
    const all = [advertisements[0], signed, ...advertisements.slice(2)];
    await expect(site.shareSecrets(of(advertised, A), all, portsOf(A))).rejects.toThrow(/masking-key-invalid.*site b/);
  });
});

describe("the coordinator", () => {
  const ports = portsOf(A);

  function untilReveals(): CollectingReveals {
    let keys = openMaskedRound(context);
    for (const one of advertisements) keys = acceptAdvertisement(keys, one, ports);
    let shares = closeAdvertising(keys, ports);
    for (const siteId of SITES) {
      shares = acceptSealedShares(
        shares,
        siteId,
        sealed.filter(({ from }) => from === siteId),
      );
    }
    let inputs = closeSharing(shares);
    for (const siteId of LIST.survivors) inputs = acceptMaskedInput(inputs, siteId);
    let signing = closeInputs(inputs);
    for (const one of signaturesUnder(LIST, LIST.survivors)) signing = acceptSignature(signing, one, ports);
    return closeSigning(signing);
  }

  function revealsOf(siteId: string) {
    const { signatures } = untilReveals();
    return site.revealShares(signedBy(siteId, LIST), LIST, signatures, portsOf(siteId)).message;
  }

  it("counts what comes twice once, and refuses strangers and second versions", () => {
    let keys = openMaskedRound(context);
    keys = acceptAdvertisement(keys, advertisements[0], ports);
    expect(acceptAdvertisement(keys, advertisements[0], ports)).toBe(keys);
    const again = site.advertiseKeys(context, A, [], portsOf(A)).message;
    expect(() => acceptAdvertisement(keys, again, ports)).toThrow(/second, different/);
    expect(() => acceptAdvertisement(keys, { ...advertisements[1], siteId: "x" }, ports)).toThrow(/site x/);
    const state = untilReveals();
    const first = acceptReveal(state, revealsOf(A));
    expect(acceptReveal(first, revealsOf(A))).toBe(first);
    expect(() => acceptReveal(state, { siteId: "e", self: [], mask: [] })).toThrow(/site e/);
    expect(() => acceptReveal(state, { ...revealsOf(B), mask: [] })).toThrow(/masking-message-invalid/);
  });

  it("notices wrong shares of a self seed and of a mask key, naming whose they are", async () => {
    const bent = (share: Uint8Array): Uint8Array => Uint8Array.from(share, (byte, i) => (i === 4 ? byte ^ 8 : byte));
    for (const which of ["self", "mask"] as const) {
      let state = untilReveals();
      const wrong = revealsOf(A);
      const victim = which === "self" ? "b" : "e";
      state = acceptReveal(state, {
        ...wrong,
        [which]: wrong[which].map((each) => (each.of === victim ? { ...each, share: bent(each.share) } : each)),
      });
      for (const siteId of ["b", "c"]) state = acceptReveal(state, revealsOf(siteId));
      await expect(openMasks(state)).rejects.toThrow(new RegExp(`masking-share-invalid.*site ${victim}`));
    }
  });

  it("learns nothing below the threshold: two shares of three give no seed, and no mask is opened", async () => {
    let state = untilReveals();
    for (const siteId of ["a", "b"]) state = acceptReveal(state, revealsOf(siteId));
    await expect(openMasks(state)).rejects.toThrow(/masking-below-threshold/);
    // Past the guard, with all that it was sent: the shares give other seeds than those committed to.
    for (const siteId of LIST.survivors) {
      const shares = state.revealed.flatMap(({ self }) => self.filter((each) => each.of === siteId));
      expect(shares).toHaveLength(2);
      const guess = await combineShares(
        shares.map(({ share }) => share),
        siteId,
      );
      const { self } = of(new Map(advertisements.map((each) => [each.siteId, each])), siteId);
      expect(selfCommitmentOf({ kind: "selfSecret", bytes: guess }).sha256).not.toBe(self.sha256);
    }
    // The control: a third opens them all.
    state = acceptReveal(state, revealsOf("c"));
    expect((await openMasks(state)).selfSeeds).toEqual(LIST.survivors);
  });

  it("hands a site only what was sealed for it, and only by sites that shared", () => {
    let keys = openMaskedRound(context);
    for (const one of advertisements) keys = acceptAdvertisement(keys, one, ports);
    let shares = closeAdvertising(keys, ports);
    for (const siteId of ["a", "b", "c"]) {
      shares = acceptSealedShares(
        shares,
        siteId,
        sealed.filter(({ from }) => from === siteId),
      );
    }
    const partial = sealed.filter(({ from, to }) => from === "d" && to !== "e");
    expect(() => acceptSealedShares(shares, "d", partial)).toThrow(/masking-message-invalid/);
    const inputs = closeSharing(shares);
    expect(sealedSharesFor(inputs, "a").map(({ from }) => from)).toEqual(["b", "c"]);
    expect(sealedSharesFor(inputs, "d")).toEqual([]);
    expect(() => acceptMaskedInput(inputs, "d")).toThrow(/site d/);
  });
});

describe("the threshold", () => {
  it("is a majority of distinct, ordered sites, and says how many colluders it stands", () => {
    for (const [sites, threshold] of [
      [["a", "b", "c", "d"], 2],
      [["a", "b", "c"], 4],
      [["a"], 1],
      [["b", "a", "c"], 2],
      [["a", "a", "b"], 2],
      [SITES, 2.5],
    ] as const) {
      expect(() => checkContext(contextOf(sites, threshold))).toThrow(/masking-parameters/);
    }
    checkContext(contextOf(["a", "b"], 2));
    expect(toleratedColluders(contextOf(SITES, 3))).toBe(0);
    expect(toleratedColluders(contextOf(SITES, 4))).toBe(2);
  });
});

describe("uploads", () => {
  /** Chi-square of the bytes at the same place in every word, over many rounds' worth of words: 255 degrees of freedom. */
  function chiSquare(bytes: Uint8Array): number {
    const counts = new Float64Array(256);
    for (const byte of bytes) counts[byte]++;
    const wanted = bytes.length / 256;
    return counts.reduce((sum, count) => sum + (count - wanted) ** 2 / wanted, 0);
  }

  /** Beyond 400 a uniform source comes once in some hundred million tries. */
  const LIMIT = 400;

  const words = 40_000;
  const flat = { coordinates: new Int32Array(words).fill(11), weight: 1 };
  const inputs = new Map(SITES.map((siteId) => [siteId, flat]));

  it("look uniform, byte by byte, also where every coordinate is the same", async () => {
    const { uploads } = await runMaskedRound(context, inputs, () => "never");
    for (const upload of uploads.values()) {
      for (let lane = 0; lane < 4; lane++) {
        expect(chiSquare(upload.filter((_, i) => i % 4 === lane))).toBeLessThan(LIMIT);
      }
      // Neighbouring words differ by uniform amounts too: one mask for a whole tensor would not pass.
      const view = new Uint32Array(upload.buffer, upload.byteOffset, words);
      expect(chiSquare(Uint8Array.from(view.subarray(1), (word, i) => (word - view[i]) & 0xff))).toBeLessThan(LIMIT);
    }
  });

  it("look uniform in words of 64 bits, and so do figures behind them", async () => {
    const trace = newTrace();
    await runMaskedRound(context, inputsOf(1), () => "never", trace);
    const { masks } = trace.sites.get(A) ?? { masks: [] };
    const zeros = new Float64Array(words);
    const place = { coordinates: 0, bits: 64 } as const;
    for (const upload of [uploadOf(masks, flat, 64), maskFigures(masks, zeros, place)]) {
      for (let lane = 0; lane < 8; lane++) {
        expect(chiSquare(upload.filter((_, i) => i % 8 === lane))).toBeLessThan(LIMIT);
      }
    }
    // The control: without masks neither does.
    for (const bare of [uploadOf([], flat, 64), maskFigures([], zeros, place)]) {
      expect(chiSquare(bare.filter((_, i) => i % 8 === 7))).toBeGreaterThan(LIMIT);
    }
  });

  it("have a control: the same tests catch masks of 7 bits, one mask for all words, and no mask", () => {
    const weak = Uint8Array.from(randomBytes(words), (byte) => byte & 0x7f);
    expect(chiSquare(weak)).toBeGreaterThan(LIMIT);
    expect(chiSquare(new Uint8Array(words).fill(11))).toBeGreaterThan(LIMIT);
    const one = new Uint32Array(words).fill(0xdeadbeef);
    expect(chiSquare(Uint8Array.from(one.subarray(1), (word, i) => (word - one[i]) & 0xff))).toBeGreaterThan(LIMIT);
    // One bit in eight bytes that is always zero is seen as well.
    const biased = Uint8Array.from(randomBytes(words), (byte, i) => (i % 8 === 0 ? byte & 0xfe : byte));
    expect(chiSquare(biased)).toBeGreaterThan(LIMIT);
    // And an input that left its site without any mask.
    const bare = uploadOf([], flat, 32).filter((_, i) => i % 4 === 0);
    expect(chiSquare(bare)).toBeGreaterThan(LIMIT);
  });

  it("differ from attempt to attempt though the input is the same", async () => {
    const small = inputsOf(1);
    const first = await runMaskedRound(context, small, () => "never");
    const second = await runMaskedRound(context, small, () => "never");
    expect(first.sums).toEqual(second.sums);
    expect(first.uploads.get(A)).not.toEqual(second.uploads.get(A));
  });
});
